//! Users of an account.

use serde_json::json;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_claims::{KeyKind, PublicKey, Signer};
use tollway_datastore::{NewUser, UserInsertError};
use tollway_model::{Name, Permissions, UserId};

use super::{AppError, OpContext, PageParams, Wait, account, document::public_key, error::invalid_name};
use crate::{
    compile::{UserTokenSource, UserTokenTooLarge, check_size},
    secrets::random_array,
};

/// Creates a user. Nothing has to travel.
pub async fn create(op: &OpContext, account: &str, new: api::NewUser) -> Result<api::User, AppError> {
    let (scope, account) = op.authorize_account(Action::UserCreate, account).await?;
    let name: Name = new.name.parse().map_err(invalid_name("name"))?;
    let permissions = Permissions::new(new.permissions.unwrap_or_default().into())
        .map_err(|fields| Problem::invalid_fields("permissions", fields))?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx.account_get(&account).await?.ok_or(ProblemCode::NotFound)?;
    let account_key = public_key(account.public_key.as_str())?;
    let id = UserId::new(op.unix_ms(), random_array());
    check_credentials_fit(account_key, id, &name, &permissions, op.now().unix_timestamp())?;
    let user = tx
        .user_insert(&NewUser {
            id,
            account_id: account.id,
            name,
            permissions,
            created_at: op.now(),
        })
        .await?;
    let detail = json!({ "account": account.id, "name": user.name, "permissions": user.permissions });
    tx.audit_append(&op.audit(Action::UserCreate, user.id, detail))
        .await?;
    tx.commit().await?;
    Ok(user.into())
}

/// Refuses a user whose credentials no client could connect with. Found out by making some: the key is
/// thrown away, and whose signature it is changes no length.
fn check_credentials_fit(
    account: PublicKey,
    user: UserId,
    name: &Name,
    permissions: &Permissions,
    now: i64,
) -> Result<(), AppError> {
    let token = UserTokenSource {
        account,
        name: name.as_str().to_owned(),
        user: Some(user),
        permissions: permissions.clone(),
        // Credentials with an end are the longer ones.
        expires_at: Some(now),
        connection_types: Vec::new(),
    };
    let anybody = Signer::generate(KeyKind::Account, random_array());
    let creds = token
        .issue(&anybody, now)
        .map_err(AppError::internal("measure the user JWT"))?;
    Ok(check_size(&creds.jwt)?)
}

/// Reads a user.
pub async fn get(op: &OpContext, account: &str, user: &str) -> Result<api::User, AppError> {
    let (scope, account) = op.authorize_account(Action::UserRead, account).await?;
    let user: UserId = user.parse().map_err(|_| ProblemCode::NotFound)?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx.account_get(&account).await?.ok_or(ProblemCode::NotFound)?;
    Ok(tx
        .user_get(account.id, user)
        .await?
        .ok_or(ProblemCode::NotFound)?
        .into())
}

/// Lists the users of an account.
pub async fn list(op: &OpContext, account: &str, page: PageParams) -> Result<api::Page<api::User>, AppError> {
    let (scope, account) = op.authorize_account(Action::UserList, account).await?;
    let page = page.check()?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx.account_get(&account).await?.ok_or(ProblemCode::NotFound)?;
    Ok(tx.user_list(account.id, &page).await?.into())
}

/// Deletes a user and revokes everything that was issued for it.
pub async fn delete(op: &OpContext, account: &str, user: &str, wait: Wait) -> Result<(), AppError> {
    let (scope, account) = op.authorize_account(Action::UserDelete, account).await?;
    let user: UserId = user.parse().map_err(|_| ProblemCode::NotFound)?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = account::lock(&mut tx, &account).await?;
    if !tx.user_delete(account.id, user, op.now()).await? {
        return Err(ProblemCode::NotFound.into());
    }
    let revoked = tx.issuance_revoke_all(account.id, user, op.now()).await?;
    let detail = json!({ "account": account.id, "revoked": revoked });
    tx.audit_append(&op.audit(Action::UserDelete, user, detail))
        .await?;
    if revoked == 0 {
        // Nobody holds credentials of this user: there is nothing for the cell to know.
        return Ok(tx.commit().await?);
    }
    op.publish_document(&mut tx, &account).await?;
    tx.commit().await?;
    op.document_published(&scope, &account, wait).await
}

impl From<UserTokenTooLarge> for AppError {
    fn from(error: UserTokenTooLarge) -> Self {
        Problem::invalid_field("permissions", "too_large", error.to_string()).into()
    }
}

impl From<UserInsertError> for AppError {
    fn from(error: UserInsertError) -> Self {
        match error {
            UserInsertError::NameTaken { .. } => Problem::new(ProblemCode::NameTaken)
                .with_detail(error.to_string())
                .into(),
            UserInsertError::QuotaExceeded(exceeded) => exceeded.into(),
            UserInsertError::AccountNotFound => ProblemCode::NotFound.into(),
            UserInsertError::Datastore(error) => error.into(),
        }
    }
}
