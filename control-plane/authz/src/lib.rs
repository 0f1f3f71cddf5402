//! Who may do what: one table of role, action and resource.
//!
//! A caller is a [`Principal`]. Asking for a permission either gives a [`Scope`] or says why not:
//!
//! ```text
//! Principal + Action + organization ── rights table ──► Scope<OrganizationId> ──► Datastore::begin
//! Principal + Action                ── rights table ──► Scope<Platform>       ──► Datastore::begin_system
//! ```
//!
//! Only this crate makes scopes, and the datastore opens no transaction without one: a handler that
//! forgets to ask does not compile.
//!
//! ```
//! use tollway_authz::{Action, Actor, Denied, Principal, authorize};
//! use tollway_model::{ApiTokenId, OrganizationId, Role};
//!
//! let (mine, theirs) = (OrganizationId::new(1, [1; 10]), OrganizationId::new(2, [2; 10]));
//! let token = Actor::ApiToken(ApiTokenId::new(3, [3; 10]));
//! let developer = Principal::new(Role::Developer, Some(mine), token)?;
//!
//! assert!(authorize(&developer, Action::IssuanceCreate, mine).is_ok());
//! assert_eq!(authorize(&developer, Action::AccountDelete, mine).unwrap_err(), Denied::Forbidden);
//! // Another tenant's organization is not even there.
//! assert_eq!(authorize(&developer, Action::AccountRead, theirs).unwrap_err(), Denied::Hidden);
//! # Ok::<(), tollway_authz::InvalidPrincipal>(())
//! ```

mod action;
mod principal;
mod rights;
mod scope;

pub use action::{Action, Reach};
pub use principal::{Actor, InvalidPrincipal, Principal};
pub use rights::{allows, rights_markdown, roles_that_may};
pub use scope::{Denied, Platform, Scope, authorize, authorize_platform};
