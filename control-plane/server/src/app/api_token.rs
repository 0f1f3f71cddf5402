//! Tokens for the API.

use serde_json::json;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_datastore::{ApiTokenInsertError, NewApiToken};
use tollway_model::{ApiTokenId, Role};

use super::{AppError, OpContext, PageParams, error::invalid_text, issuance::lifetime};
use crate::{
    authn::API_TOKEN_PREFIX,
    secrets::{random_array, secret_hash},
};

/// Longest life of a token that ends.
const LIFETIME_SECONDS_MAX: u64 = 10 * 365 * 24 * 3600;

/// Creates a token of the organization. What is returned is the only copy of its secret.
pub async fn create(
    op: &OpContext,
    organization: &str,
    new: api::NewApiToken,
) -> Result<api::ApiTokenWithSecret, AppError> {
    let scope = op.authorize_in(Action::ApiTokenCreate, organization)?;
    let name = new.name.parse().map_err(invalid_text("name"))?;
    let role = new
        .role
        .parse::<Role>()
        .ok()
        .filter(|role| role.is_in_organization())
        .ok_or_else(|| {
            Problem::invalid_field(
                "role",
                "invalid_role",
                "must be owner, admin, developer or viewer",
            )
        })?;
    let lifetime = lifetime(new.lifetime_seconds, LIFETIME_SECONDS_MAX)?;
    let secret = op.app().caller_secrets().make(API_TOKEN_PREFIX);

    let mut tx = op.app().datastore().begin(&scope).await?;
    tx.organization_get().await?.ok_or(ProblemCode::NotFound)?;
    let token = tx
        .api_token_insert(&NewApiToken {
            id: ApiTokenId::new(op.unix_ms(), random_array()),
            role,
            name,
            secret_hash: secret_hash(&secret),
            created_at: op.now(),
            expires_at: lifetime.map(|lifetime| op.now() + lifetime),
        })
        .await?;
    let detail = json!({ "name": token.name, "role": token.role });
    tx.audit_append(&op.audit(Action::ApiTokenCreate, token.id, detail))
        .await?;
    tx.commit().await?;
    Ok(api::ApiTokenWithSecret {
        api_token: token.into(),
        secret: secret.to_string(),
    })
}

/// Lists the tokens of the organization.
pub async fn list(
    op: &OpContext,
    organization: &str,
    page: PageParams,
) -> Result<api::Page<api::ApiToken>, AppError> {
    let scope = op.authorize_in(Action::ApiTokenList, organization)?;
    let page = page.check()?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    tx.organization_get().await?.ok_or(ProblemCode::NotFound)?;
    Ok(tx.api_token_list(&page).await?.into())
}

/// Deletes a token: it is refused from the next call on.
pub async fn delete(op: &OpContext, organization: &str, token: &str) -> Result<(), AppError> {
    let scope = op.authorize_in(Action::ApiTokenDelete, organization)?;
    let token: ApiTokenId = token.parse().map_err(|_| ProblemCode::NotFound)?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    if !tx.api_token_delete(token).await? {
        return Err(ProblemCode::NotFound.into());
    }
    tx.audit_append(&op.audit(Action::ApiTokenDelete, token, json!({})))
        .await?;
    Ok(tx.commit().await?)
}

impl From<ApiTokenInsertError> for AppError {
    fn from(error: ApiTokenInsertError) -> Self {
        match error {
            ApiTokenInsertError::OrganizationGone => ProblemCode::NotFound.into(),
            ApiTokenInsertError::QuotaExceeded(exceeded) => exceeded.into(),
            ApiTokenInsertError::Datastore(error) => error.into(),
        }
    }
}
