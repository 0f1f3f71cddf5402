//! `/v1/accounts/{account}/usage`

use axum::Json;
use serde::{Deserialize, Deserializer, de::Error};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
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
    #[serde(default, deserialize_with = "moment")]
    from: Option<OffsetDateTime>,
    /// Rounded up to the hour; the end of the current hour when absent. At most 31 days after `from`.
    #[serde(default, deserialize_with = "moment")]
    to: Option<OffsetDateTime>,
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let text = String::deserialize(deserializer)?;
    OffsetDateTime::parse(&text, &Rfc3339).map(Some).map_err(|_| {
        let mut detail = "must be a time as RFC 3339 writes it, such as 2026-11-20T15:00:00Z".to_owned();
        if text.contains(' ') {
            detail.push_str("; in a query, a + is written %2B");
        }
        D::Error::custom(detail)
    })
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
