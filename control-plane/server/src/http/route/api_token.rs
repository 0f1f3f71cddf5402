//! `/v1/organizations/{organization}/api-tokens`

use axum::{Json, http::StatusCode};
use tollway_api::{ApiToken, ApiTokenWithSecret, NewApiToken, Page};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{App, api_token},
    http::{
        JsonBody, PathParams, ProblemResponse, QueryParams, op::Op, problems::Problems, query::PageQuery,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(delete))
}

/// Creates an API token of an organization. The answer holds the only copy of its secret.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/api-tokens", operation_id = "CreateApiToken", tag = "api-tokens",
    params(("organization" = String, Path, description = "Id of the organization")),
    request_body = NewApiToken,
    responses((status = 201, description = "Created; the secret is shown once", body = ApiTokenWithSecret), Problems)
)]
async fn create(
    Op(op): Op,
    PathParams(organization): PathParams<String>,
    JsonBody(new): JsonBody<NewApiToken>,
) -> Result<(StatusCode, Json<ApiTokenWithSecret>), ProblemResponse> {
    Ok((
        StatusCode::CREATED,
        Json(api_token::create(&op, &organization, new).await?),
    ))
}

/// Lists the API tokens of an organization, without their secrets.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/api-tokens", operation_id = "ListApiTokens", tag = "api-tokens",
    params(("organization" = String, Path, description = "Id of the organization"), PageQuery),
    responses((status = 200, description = "A page", body = Page<ApiToken>), Problems)
)]
async fn list(
    Op(op): Op,
    PathParams(organization): PathParams<String>,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Page<ApiToken>>, ProblemResponse> {
    Ok(Json(api_token::list(&op, &organization, page.into()).await?))
}

/// Deletes an API token: it is refused from the next call on.
#[utoipa::path(
    delete, path = "/v1/organizations/{organization}/api-tokens/{api_token}",
    operation_id = "DeleteApiToken", tag = "api-tokens",
    params(
        ("organization" = String, Path, description = "Id of the organization"),
        ("api_token" = String, Path, description = "Id of the token"),
    ),
    responses((status = 204, description = "Deleted"), Problems)
)]
async fn delete(
    Op(op): Op,
    PathParams((organization, token)): PathParams<(String, String)>,
) -> Result<StatusCode, ProblemResponse> {
    api_token::delete(&op, &organization, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}
