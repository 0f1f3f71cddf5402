//! Credentials: made fresh, shown once, revoked one by one.

use serde_json::json;
use time::{Duration, OffsetDateTime};
use tollway_api::{self as api, FieldError, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_datastore::{IssuanceInsertError, NewIssuance};
use tollway_model::{IssuanceId, UserId};

use super::{AppError, OpContext, PageParams, Wait, account, document::public_key};
use crate::{
    compile::{UserTokenSource, check_size},
    secrets::random_array,
};

/// Longest life of credentials that end; longer ones may as well not end.
const LIFETIME_SECONDS_MAX: u64 = 10 * 365 * 24 * 3600;

/// Makes a fresh key and a JWT for a user. What is returned is the only copy of the seed.
pub async fn create(
    op: &OpContext,
    account: &str,
    user: &str,
    issue: api::IssueCredentials,
) -> Result<api::IssuedCredentials, AppError> {
    let (scope, account) = op.authorize_account(Action::IssuanceCreate, account).await?;
    let user: UserId = user.parse().map_err(|_| ProblemCode::NotFound)?;
    let lifetime = lifetime(issue.lifetime_seconds, LIFETIME_SECONDS_MAX)?;

    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx.account_get(&account).await?.ok_or(ProblemCode::NotFound)?;
    let user = tx
        .user_get(account.id, user)
        .await?
        .ok_or(ProblemCode::NotFound)?;
    let signer = op.account_signer(&mut tx, &account).await?;
    let expires_at = lifetime.map(|lifetime| whole_second_from(op.now() + lifetime));
    let token = UserTokenSource {
        account: public_key(account.public_key.as_str())?,
        name: user.name.as_str().to_owned(),
        user: Some(user.id),
        permissions: user.permissions,
        expires_at: expires_at.map(|at| at.unix_timestamp()),
        connection_types: Vec::new(),
    };
    let creds = token
        .issue(&signer, op.now().unix_timestamp())
        .map_err(AppError::internal("sign the user JWT"))?;
    // A user of an earlier release may have more permissions than fit.
    check_size(&creds.jwt)?;
    let key = creds.signer.public().to_string();
    let issuance = tx
        .issuance_insert(&NewIssuance {
            id: IssuanceId::new(op.unix_ms(), random_array()),
            account_id: account.id,
            user_id: user.id,
            public_key: key.parse().expect("a user signer has a user key"),
            issued_at: op.now(),
            expires_at,
        })
        .await?;
    let detail = json!({ "account": account.id, "user": user.id, "public_key": key });
    tx.audit_append(&op.audit(Action::IssuanceCreate, issuance.id, detail))
        .await?;
    tx.commit().await?;
    Ok(api::IssuedCredentials {
        issuance: issuance.into(),
        creds: creds.format().to_string(),
    })
}

/// Lists what was issued for a user.
pub async fn list(
    op: &OpContext,
    account: &str,
    user: &str,
    page: PageParams,
) -> Result<api::Page<api::Issuance>, AppError> {
    let (scope, account) = op.authorize_account(Action::IssuanceList, account).await?;
    let user: UserId = user.parse().map_err(|_| ProblemCode::NotFound)?;
    let page = page.check()?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx.account_get(&account).await?.ok_or(ProblemCode::NotFound)?;
    let user = tx
        .user_get(account.id, user)
        .await?
        .ok_or(ProblemCode::NotFound)?;
    Ok(tx.issuance_list(account.id, user.id, &page).await?.into())
}

/// Cuts live connections of these credentials and refuses them from now on. One that was revoked
/// before stays as it is: the caller may be repeating a request whose answer was lost.
pub async fn revoke(
    op: &OpContext,
    account: &str,
    user: &str,
    issuance: &str,
    wait: Wait,
) -> Result<api::Issuance, AppError> {
    let (scope, account) = op.authorize_account(Action::IssuanceRevoke, account).await?;
    let user: UserId = user.parse().map_err(|_| ProblemCode::NotFound)?;
    let id: IssuanceId = issuance.parse().map_err(|_| ProblemCode::NotFound)?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = account::lock(&mut tx, &account).await?;
    let issuance = tx
        .issuance_revoke(account.id, user, id, op.now())
        .await?
        .ok_or(ProblemCode::NotFound)?;
    if issuance.revoked_at != Some(op.now()) {
        drop(tx);
        op.document_published(&scope, &account, wait).await?;
        return Ok(issuance.into());
    }
    let detail = json!({ "account": account.id, "user": user, "public_key": issuance.public_key });
    tx.audit_append(&op.audit(Action::IssuanceRevoke, id, detail))
        .await?;
    op.publish_document(&mut tx, &account).await?;
    tx.commit().await?;
    op.document_published(&scope, &account, wait).await?;
    Ok(issuance.into())
}

/// Tokens know whole seconds. Rounded up, so that creds live as long as was asked for, and the API
/// names the very moment at which nodes end them.
fn whole_second_from(time: OffsetDateTime) -> OffsetDateTime {
    let down = time.truncate_to_second();
    if down == time {
        time
    } else {
        down.saturating_add(Duration::SECOND)
    }
}

/// A lifetime in seconds, where absent and 0 are "no end".
pub(super) fn lifetime(seconds: Option<u64>, max: u64) -> Result<Option<Duration>, AppError> {
    match seconds {
        None | Some(0) => Ok(None),
        Some(seconds) if seconds <= max => Ok(Some(Duration::seconds(seconds as i64))),
        Some(_) => {
            let detail = format!("must be 0 (no end) or 1 to {max}");
            Err(Problem::invalid_field("lifetime_seconds", "out_of_range", detail).into())
        }
    }
}

/// `field` is what has too many: the user or the account.
fn too_many(field: &str, error: &IssuanceInsertError) -> AppError {
    Problem::new(ProblemCode::TooManyCredentials)
        .with_detail(error.to_string())
        .with_error(FieldError::new(field, "too_many", error.to_string()))
        .into()
}

impl From<IssuanceInsertError> for AppError {
    fn from(error: IssuanceInsertError) -> Self {
        match error {
            IssuanceInsertError::UserNotFound => ProblemCode::NotFound.into(),
            IssuanceInsertError::TooManyOfUser => too_many("user", &error),
            IssuanceInsertError::TooManyOfAccount => too_many("account", &error),
            IssuanceInsertError::Datastore(error) => error.into(),
        }
    }
}
