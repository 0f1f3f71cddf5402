//! `/v1/organizations/{organization}/accounts` and `/v1/accounts/{account}`

use axum::{Json, http::StatusCode};
use tollway_api::{
    Account, AccountRollout, NewAccount, Page, RequestInAccount, RequestInAccountReply, SuspendAccount,
    UpdateAccount,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{App, account, request_lane},
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
        .routes(routes!(get, update, delete))
        .routes(routes!(suspend))
        .routes(routes!(resume))
        .routes(routes!(rollout))
        .routes(routes!(request))
}

/// Creates an account and gives it to a cell.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/accounts", operation_id = "CreateAccount", tag = "accounts",
    params(("organization" = String, Path, description = "Id of the organization"), WaitQuery),
    request_body = NewAccount,
    responses((status = 201, description = "Created", body = Account), Problems)
)]
async fn create(
    Op(op): Op,
    PathParams(organization): PathParams<String>,
    QueryParams(wait): QueryParams<WaitQuery>,
    JsonBody(new): JsonBody<NewAccount>,
) -> Result<(StatusCode, Json<Account>), ProblemResponse> {
    Ok((
        StatusCode::CREATED,
        Json(account::create(&op, &organization, new, wait.into()).await?),
    ))
}

/// Lists the accounts of an organization.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/accounts", operation_id = "ListAccounts", tag = "accounts",
    params(("organization" = String, Path, description = "Id of the organization"), PageQuery),
    responses((status = 200, description = "A page", body = Page<Account>), Problems)
)]
async fn list(
    Op(op): Op,
    PathParams(organization): PathParams<String>,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Page<Account>>, ProblemResponse> {
    Ok(Json(account::list(&op, &organization, page.into()).await?))
}

/// Reads an account.
#[utoipa::path(
    get, path = "/v1/accounts/{account}", operation_id = "GetAccount", tag = "accounts",
    params(("account" = String, Path, description = "Id or public key of the account")),
    responses((status = 200, description = "The account", body = Account), Problems)
)]
async fn get(Op(op): Op, PathParams(account): PathParams<String>) -> Result<Json<Account>, ProblemResponse> {
    Ok(Json(account::get(&op, &account).await?))
}

/// Changes limits of an account.
#[utoipa::path(
    patch, path = "/v1/accounts/{account}", operation_id = "UpdateAccount", tag = "accounts",
    params(("account" = String, Path, description = "Id or public key of the account"), WaitQuery),
    request_body = UpdateAccount,
    responses((status = 200, description = "The changed account", body = Account), Problems)
)]
async fn update(
    Op(op): Op,
    PathParams(account): PathParams<String>,
    QueryParams(wait): QueryParams<WaitQuery>,
    JsonBody(change): JsonBody<UpdateAccount>,
) -> Result<Json<Account>, ProblemResponse> {
    Ok(Json(account::update(&op, &account, change, wait.into()).await?))
}

/// Deletes an account: its clients are cut, its credentials void, its name free again.
#[utoipa::path(
    delete, path = "/v1/accounts/{account}", operation_id = "DeleteAccount", tag = "accounts",
    params(("account" = String, Path, description = "Id or public key of the account"), WaitQuery),
    responses((status = 204, description = "Deleted"), Problems)
)]
async fn delete(
    Op(op): Op,
    PathParams(account): PathParams<String>,
    QueryParams(wait): QueryParams<WaitQuery>,
) -> Result<StatusCode, ProblemResponse> {
    account::delete(&op, &account, wait.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Cuts every client of the account and refuses new ones; nothing is lost.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/suspend", operation_id = "SuspendAccount", tag = "accounts",
    params(("account" = String, Path, description = "Id or public key of the account"), WaitQuery),
    request_body(content = Option<SuspendAccount>),
    responses((status = 200, description = "The suspended account", body = Account), Problems)
)]
async fn suspend(
    Op(op): Op,
    PathParams(account): PathParams<String>,
    QueryParams(wait): QueryParams<WaitQuery>,
    OptionalJsonBody(suspend): OptionalJsonBody<SuspendAccount>,
) -> Result<Json<Account>, ProblemResponse> {
    Ok(Json(account::suspend(&op, &account, suspend, wait.into()).await?))
}

/// Lets the clients of a suspended account in again.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/resume", operation_id = "ResumeAccount", tag = "accounts",
    params(("account" = String, Path, description = "Id or public key of the account"), WaitQuery),
    responses((status = 200, description = "The account", body = Account), Problems)
)]
async fn resume(
    Op(op): Op,
    PathParams(account): PathParams<String>,
    QueryParams(wait): QueryParams<WaitQuery>,
) -> Result<Json<Account>, ProblemResponse> {
    Ok(Json(account::resume(&op, &account, wait.into()).await?))
}

/// Tells how far the account's newest document has travelled.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/rollout", operation_id = "GetAccountRollout", tag = "accounts",
    params(("account" = String, Path, description = "Id or public key of the account")),
    responses((status = 200, description = "Where the document is", body = AccountRollout), Problems)
)]
async fn rollout(
    Op(op): Op,
    PathParams(account): PathParams<String>,
) -> Result<Json<AccountRollout>, ProblemResponse> {
    Ok(Json(account::rollout(&op, &account).await?))
}

/// Sends a message into the account and waits for the reply.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/request", operation_id = "RequestInAccount", tag = "accounts",
    params(("account" = String, Path, description = "Id or public key of the account")),
    request_body = RequestInAccount,
    responses((status = 200, description = "The first reply", body = RequestInAccountReply), Problems)
)]
async fn request(
    Op(op): Op,
    PathParams(account): PathParams<String>,
    JsonBody(request): JsonBody<RequestInAccount>,
) -> Result<Json<RequestInAccountReply>, ProblemResponse> {
    Ok(Json(request_lane::request(&op, &account, request).await?))
}
