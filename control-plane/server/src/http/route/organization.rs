//! `/v1/organizations`

use axum::{Json, http::StatusCode};
use tollway_api::{NewOrganization, Organization, Page, UpdateOrganization};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{App, organization},
    http::{
        JsonBody, PathParams, ProblemResponse, QueryParams, op::Op, problems::Problems, query::PageQuery,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
}

/// Creates an organization. For platform admins.
#[utoipa::path(
    post, path = "/v1/organizations", operation_id = "CreateOrganization", tag = "organizations",
    request_body = NewOrganization,
    responses((status = 201, description = "Created", body = Organization), Problems)
)]
async fn create(
    Op(op): Op,
    JsonBody(new): JsonBody<NewOrganization>,
) -> Result<(StatusCode, Json<Organization>), ProblemResponse> {
    Ok((StatusCode::CREATED, Json(organization::create(&op, new).await?)))
}

/// Lists organizations: all for platform admins, the caller's own for everybody else.
#[utoipa::path(
    get, path = "/v1/organizations", operation_id = "ListOrganizations", tag = "organizations",
    params(PageQuery),
    responses((status = 200, description = "A page", body = Page<Organization>), Problems)
)]
async fn list(
    Op(op): Op,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Page<Organization>>, ProblemResponse> {
    Ok(Json(organization::list(&op, page.into()).await?))
}

/// Reads an organization.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}", operation_id = "GetOrganization", tag = "organizations",
    params(("organization" = String, Path, description = "Id of the organization")),
    responses((status = 200, description = "The organization", body = Organization), Problems)
)]
async fn get(
    Op(op): Op,
    PathParams(organization): PathParams<String>,
) -> Result<Json<Organization>, ProblemResponse> {
    Ok(Json(organization::get(&op, &organization).await?))
}

/// Grants an organization other quotas. For platform admins.
#[utoipa::path(
    patch, path = "/v1/organizations/{organization}", operation_id = "UpdateOrganization", tag = "organizations",
    params(("organization" = String, Path, description = "Id of the organization")),
    request_body = UpdateOrganization,
    responses((status = 200, description = "The changed organization", body = Organization), Problems)
)]
async fn update(
    Op(op): Op,
    PathParams(organization): PathParams<String>,
    JsonBody(change): JsonBody<UpdateOrganization>,
) -> Result<Json<Organization>, ProblemResponse> {
    Ok(Json(organization::update(&op, &organization, change).await?))
}

/// Deletes an organization. Refused while it has accounts. For platform admins.
#[utoipa::path(
    delete, path = "/v1/organizations/{organization}", operation_id = "DeleteOrganization", tag = "organizations",
    params(("organization" = String, Path, description = "Id of the organization")),
    responses((status = 204, description = "Deleted"), Problems)
)]
async fn delete(
    Op(op): Op,
    PathParams(organization): PathParams<String>,
) -> Result<StatusCode, ProblemResponse> {
    organization::delete(&op, &organization).await?;
    Ok(StatusCode::NO_CONTENT)
}
