//! How the OpenAPI document shows that every route may fail.

use tollway_api::Problem;
use utoipa::IntoResponses;

/// Any failure; `code` says which.
#[derive(IntoResponses)]
#[response(
    status = "default",
    content_type = "application/problem+json",
    description = "What went wrong"
)]
#[allow(dead_code, reason = "only its derived description is used")]
pub(super) struct Problems(Problem);
