//! The routes of the REST API, one file per resource.

mod account;
mod api_token;
mod cell;
mod error_code;
mod organization;
mod usage;
mod user;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every route that stands in the OpenAPI document.
pub(super) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(organization::routes())
        .merge(account::routes())
        .merge(usage::routes())
        .merge(user::routes())
        .merge(api_token::routes())
        .merge(cell::routes())
        .merge(error_code::routes())
}
