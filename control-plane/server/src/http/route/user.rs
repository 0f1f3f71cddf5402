//! `/v1/accounts/{account}/users` and what is issued for them

use axum::{Json, http::StatusCode};
use tollway_api::{Issuance, IssueCredentials, IssuedCredentials, NewUser, Page, User};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{App, issuance, user},
    http::{
        JsonBody, OptionalJsonBody, PathParams, ProblemResponse, QueryParams,
        op::Op,
        problems::Problems,
        query::{PageQuery, WaitQuery},
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, delete))
        .routes(routes!(issue, list_issuances))
        .routes(routes!(revoke))
}

/// Creates a user. Nothing has to travel: its credentials work as soon as they are issued.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/users", operation_id = "CreateUser", tag = "users",
    params(("account" = String, Path, description = "Id or public key of the account")),
    request_body = NewUser,
    responses((status = 201, description = "Created", body = User), Problems)
)]
async fn create(
    Op(op): Op,
    PathParams(account): PathParams<String>,
    JsonBody(new): JsonBody<NewUser>,
) -> Result<(StatusCode, Json<User>), ProblemResponse> {
    Ok((StatusCode::CREATED, Json(user::create(&op, &account, new).await?)))
}

/// Lists the users of an account.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/users", operation_id = "ListUsers", tag = "users",
    params(("account" = String, Path, description = "Id or public key of the account"), PageQuery),
    responses((status = 200, description = "A page", body = Page<User>), Problems)
)]
async fn list(
    Op(op): Op,
    PathParams(account): PathParams<String>,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Page<User>>, ProblemResponse> {
    Ok(Json(user::list(&op, &account, page.into()).await?))
}

/// Reads a user.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/users/{user}", operation_id = "GetUser", tag = "users",
    params(
        ("account" = String, Path, description = "Id or public key of the account"),
        ("user" = String, Path, description = "Id of the user"),
    ),
    responses((status = 200, description = "The user", body = User), Problems)
)]
async fn get(
    Op(op): Op,
    PathParams((account, user)): PathParams<(String, String)>,
) -> Result<Json<User>, ProblemResponse> {
    Ok(Json(user::get(&op, &account, &user).await?))
}

/// Deletes a user and revokes everything that was issued for it.
#[utoipa::path(
    delete, path = "/v1/accounts/{account}/users/{user}", operation_id = "DeleteUser", tag = "users",
    params(
        ("account" = String, Path, description = "Id or public key of the account"),
        ("user" = String, Path, description = "Id of the user"),
        WaitQuery,
    ),
    responses((status = 204, description = "Deleted"), Problems)
)]
async fn delete(
    Op(op): Op,
    PathParams((account, user)): PathParams<(String, String)>,
    QueryParams(wait): QueryParams<WaitQuery>,
) -> Result<StatusCode, ProblemResponse> {
    user::delete(&op, &account, &user, wait.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a fresh key and a JWT for a user. The answer holds the only copy of the seed.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/users/{user}/issuances", operation_id = "IssueCredentials", tag = "users",
    params(
        ("account" = String, Path, description = "Id or public key of the account"),
        ("user" = String, Path, description = "Id of the user"),
    ),
    request_body(content = Option<IssueCredentials>),
    responses((status = 201, description = "Issued; shown once", body = IssuedCredentials), Problems)
)]
async fn issue(
    Op(op): Op,
    PathParams((account, user)): PathParams<(String, String)>,
    OptionalJsonBody(issue): OptionalJsonBody<IssueCredentials>,
) -> Result<(StatusCode, Json<IssuedCredentials>), ProblemResponse> {
    Ok((
        StatusCode::CREATED,
        Json(issuance::create(&op, &account, &user, issue).await?),
    ))
}

/// Lists what was issued for a user, without the seeds.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/users/{user}/issuances", operation_id = "ListIssuances", tag = "users",
    params(
        ("account" = String, Path, description = "Id or public key of the account"),
        ("user" = String, Path, description = "Id of the user"),
        PageQuery,
    ),
    responses((status = 200, description = "A page", body = Page<Issuance>), Problems)
)]
async fn list_issuances(
    Op(op): Op,
    PathParams((account, user)): PathParams<(String, String)>,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Page<Issuance>>, ProblemResponse> {
    Ok(Json(issuance::list(&op, &account, &user, page.into()).await?))
}

/// Cuts live connections of these credentials and refuses them from now on.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/users/{user}/issuances/{issuance}/revoke",
    operation_id = "RevokeIssuance", tag = "users",
    params(
        ("account" = String, Path, description = "Id or public key of the account"),
        ("user" = String, Path, description = "Id of the user"),
        ("issuance" = String, Path, description = "Id of the issuance"),
        WaitQuery,
    ),
    responses((status = 200, description = "The revoked issuance", body = Issuance), Problems)
)]
async fn revoke(
    Op(op): Op,
    PathParams((account, user, issuance)): PathParams<(String, String, String)>,
    QueryParams(wait): QueryParams<WaitQuery>,
) -> Result<Json<Issuance>, ProblemResponse> {
    Ok(Json(
        issuance::revoke(&op, &account, &user, &issuance, wait.into()).await?,
    ))
}
