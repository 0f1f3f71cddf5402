//! The console's pages and assets: values in, HTML out.
//!
//! A page is a struct with a template beside it in `templates/`. The handlers
//! in `control-plane/server` fill it from what the application layer answers;
//! nothing in here asks a database, a clock or a session. The time is part of
//! every page that speaks of "3 min ago", so the same struct always gives the
//! same bytes, and the golden files under `tests/golden` are what people read
//! in review.
//!
//! ```text
//! handler --> page::AccountPage --askama--> HTML
//!                   |                        |
//!                   +-- chart (SVG)          +-- asset::STYLE.url(), asset::HTMX.url()
//! ```
//!
//! Rules that hold for every page:
//! - it works without scripts: forms post, answers redirect; htmx only
//!   refreshes regions that a reload would refresh too;
//! - it has no inline style and no inline script, so that
//!   [`CONTENT_SECURITY_POLICY`] can forbid both;
//! - what a tenant wrote is escaped by askama; no template uses `safe`.
//!
//! ```
//! use tollway_web::page::{ErrorPage, Shell};
//! use askama::Template;
//!
//! let page = ErrorPage::not_found(Shell::anonymous());
//! assert!(page.render().unwrap().contains("There is no page here"));
//! ```

pub mod asset;
pub mod chart;
pub mod form;
pub mod format;
pub mod page;
pub mod usage;

/// What a browser may load and where forms may go. There is nothing to be
/// gained for an injected script: none runs but ours, and none may call out.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
