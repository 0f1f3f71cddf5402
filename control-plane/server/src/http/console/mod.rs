//! The console: pages for people, over the same application layer as the API.
//!
//! ```text
//! request ─► guard ─► door ─► handler ─► app::*  ─► tollway_web page ─► HTML
//!            │        └ who: cookie ─► Visitor (context, form mark, frame of the page)
//!            └ from here? headers on every answer
//! ```
//!
//! Everything works without scripts: a form posts, the answer redirects. htmx
//! only fetches the pieces under `/live/` that a reload would bring too.
//!
//! A handler that fails gives a [`PageError`]; the door, which knows who looks,
//! turns it into a page.

mod account;
mod accounts;
mod asset;
mod cookie;
mod form;
mod guard;
mod issuance;
mod new_account;
mod notice;
mod page_error;
mod reply;
mod sign_in;
mod suspension;
mod user;
mod view;
mod visitor;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};

pub(super) use page_error::{no_page, wants_page};

use crate::{app::App, bounds::ANONYMOUS_BODY_BYTES_MAX};
use form::FORM_BYTES_MAX;
use page_error::PageError;
use visitor::Visitor;

/// The console's routes, to be merged at `/`.
pub(super) fn router(app: App) -> Router {
    let inside = Router::new()
        .route("/", get(accounts::show))
        .route("/accounts", get(accounts::to_list).post(new_account::create))
        .route("/accounts/new", get(new_account::show))
        .route("/accounts/{account}", get(account::show))
        .route(
            "/accounts/{account}/suspend",
            get(suspension::ask_suspend).post(suspension::suspend),
        )
        .route(
            "/accounts/{account}/resume",
            get(suspension::ask_resume).post(suspension::resume),
        )
        .route(
            "/accounts/{account}/users",
            get(account::to_account).post(user::create),
        )
        .route("/accounts/{account}/users/{user}", get(user::show))
        .route(
            "/accounts/{account}/users/{user}/delete",
            get(user::ask_delete).post(user::delete),
        )
        .route(
            "/accounts/{account}/users/{user}/credentials",
            get(user::to_user).post(issuance::create),
        )
        .route(
            "/accounts/{account}/users/{user}/issuances/{issuance}/revoke",
            get(issuance::ask_revoke).post(issuance::revoke),
        )
        .route("/live/accounts", get(accounts::live))
        .route("/live/accounts/{account}", get(account::live))
        .route(
            "/live/accounts/{account}/users/{user}/issuances",
            get(issuance::live),
        )
        .route("/sign-out", post(sign_in::sign_out))
        .route_layer(from_fn_with_state(app.clone(), visitor::door));
    Router::new()
        .route(
            "/sign-in",
            get(sign_in::show)
                .post(sign_in::sign_in)
                .layer(DefaultBodyLimit::max(ANONYMOUS_BODY_BYTES_MAX)),
        )
        .route("/assets/{file}", get(asset::serve))
        .merge(inside)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn(guard::guard))
        .with_state(app)
}
