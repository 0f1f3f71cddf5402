//! `/v1/error-codes`

use axum::Json;
use tollway_api::ErrorCodes;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists every code that a problem may carry, and what to do about it. Needs no token.
#[utoipa::path(
    get, path = "/v1/error-codes", operation_id = "ListErrorCodes", tag = "errors",
    security(()),
    responses((status = 200, description = "The catalogue", body = ErrorCodes))
)]
async fn list() -> Json<ErrorCodes> {
    Json(ErrorCodes::catalogue())
}
