//! `/v1/accounts/{account}/usage`

use axum::Json;
use serde::Deserialize;
use time::OffsetDateTime;
use tollway_api::AccountUsage;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{App, usage},
    http::{PathParams, ProblemResponse, QueryParams, op::Op, problems::Problems},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// Which hours.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UsageQuery {
    /// Rounded down to the hour; 24 hours before `to` when absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    from: Option<OffsetDateTime>,
    /// Rounded up to the hour; the end of the current hour when absent. At most 31 days after `from`.
    #[serde(default, with = "time::serde::rfc3339::option")]
    to: Option<OffsetDateTime>,
}

/// Reads what an account used, by hour.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/usage", operation_id = "GetAccountUsage", tag = "usage",
    params(("account" = String, Path, description = "Id or public key of the account"), UsageQuery),
    responses((status = 200, description = "Usage by hour", body = AccountUsage), Problems)
)]
async fn get(
    Op(op): Op,
    PathParams(account): PathParams<String>,
    QueryParams(query): QueryParams<UsageQuery>,
) -> Result<Json<AccountUsage>, ProblemResponse> {
    Ok(Json(usage::read(&op, &account, query.from, query.to).await?))
}
