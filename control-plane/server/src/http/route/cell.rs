//! `/v1/cells`

use axum::{Json, http::StatusCode};
use tollway_api::{Cell, EnrolmentToken, NewCell, NewEnrolmentToken, Page};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{App, cell},
    http::{
        JsonBody, OptionalJsonBody, PathParams, ProblemResponse, QueryParams, op::Op, problems::Problems,
        query::PageQuery,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, delete))
        .routes(routes!(create_enrolment_token))
}

/// Creates a cell. For platform admins.
#[utoipa::path(
    post, path = "/v1/cells", operation_id = "CreateCell", tag = "cells",
    request_body = NewCell,
    responses((status = 201, description = "Created", body = Cell), Problems)
)]
async fn create(
    Op(op): Op,
    JsonBody(new): JsonBody<NewCell>,
) -> Result<(StatusCode, Json<Cell>), ProblemResponse> {
    Ok((StatusCode::CREATED, Json(cell::create(&op, new).await?)))
}

/// Lists cells. For platform admins.
#[utoipa::path(
    get, path = "/v1/cells", operation_id = "ListCells", tag = "cells",
    params(PageQuery),
    responses((status = 200, description = "A page", body = Page<Cell>), Problems)
)]
async fn list(
    Op(op): Op,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Page<Cell>>, ProblemResponse> {
    Ok(Json(cell::list(&op, page.into()).await?))
}

/// Reads a cell, its nodes and what they refused. For platform admins.
#[utoipa::path(
    get, path = "/v1/cells/{cell}", operation_id = "GetCell", tag = "cells",
    params(("cell" = String, Path, description = "Id or name of the cell")),
    responses((status = 200, description = "The cell", body = Cell), Problems)
)]
async fn get(Op(op): Op, PathParams(cell): PathParams<String>) -> Result<Json<Cell>, ProblemResponse> {
    Ok(Json(cell::get(&op, &cell).await?))
}

/// Deletes a cell. Refused while accounts live in it. Its node may not attach any more. For platform admins.
#[utoipa::path(
    delete, path = "/v1/cells/{cell}", operation_id = "DeleteCell", tag = "cells",
    params(("cell" = String, Path, description = "Id or name of the cell")),
    responses((status = 204, description = "Deleted"), Problems)
)]
async fn delete(Op(op): Op, PathParams(cell): PathParams<String>) -> Result<StatusCode, ProblemResponse> {
    cell::delete(&op, &cell).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a one-time token with which a node joins the cell. For platform admins.
#[utoipa::path(
    post, path = "/v1/cells/{cell}/enrolment-tokens", operation_id = "CreateEnrolmentToken", tag = "cells",
    params(("cell" = String, Path, description = "Id or name of the cell")),
    request_body(content = Option<NewEnrolmentToken>),
    responses((status = 201, description = "Made; shown once", body = EnrolmentToken), Problems)
)]
async fn create_enrolment_token(
    Op(op): Op,
    PathParams(cell): PathParams<String>,
    OptionalJsonBody(new): OptionalJsonBody<NewEnrolmentToken>,
) -> Result<(StatusCode, Json<EnrolmentToken>), ProblemResponse> {
    Ok((
        StatusCode::CREATED,
        Json(cell::create_enrolment_token(&op, &cell, new).await?),
    ))
}
