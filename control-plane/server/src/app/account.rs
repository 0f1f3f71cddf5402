//! Accounts: isolated messaging of an organization.

use serde_json::json;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::{Action, Scope};
use tollway_claims::{KeyKind, Signer};
use tollway_datastore::{AccountInsertError, AccountSeeds, CellPlaceError, NewAccount, TenantTx};
use tollway_model::{
    Account, AccountId, AccountLimits, AccountLimitsChange, AccountRef, InvalidFields, InvalidTransition,
    Name, OrganizationId, SuspendedBy, SuspensionReason,
};

use super::{
    AppError, OpContext, PageParams, Wait,
    error::{invalid_name, invalid_text},
};
use crate::secrets::random_array;

/// Creates an account with fresh keys and gives it to a cell.
pub async fn create(
    op: &OpContext,
    organization: &str,
    new: api::NewAccount,
    wait: Wait,
) -> Result<api::Account, AppError> {
    let scope = op.authorize_in(Action::AccountCreate, organization)?;
    let name: Name = new.name.parse().map_err(invalid_name("name"))?;
    let wanted_cell: Option<Name> = match new.cell.filter(|cell| !cell.is_empty()) {
        // Before any look at the cells: which of them there are is not the organization's business.
        Some(_) if !op.principal().may(Action::AccountPlace) => {
            let detail = "only a platform admin names the cell of an account; leave it out";
            return Err(Problem::invalid_field("cell", "not_yours_to_choose", detail).into());
        }
        Some(cell) => Some(cell.parse().map_err(invalid_name("cell"))?),
        None => None,
    };
    let asked = new.limits.unwrap_or_default();
    let asked = AccountLimitsChange {
        connections: asked.connections,
        subscriptions: asked.subscriptions,
        payload_bytes: asked.payload_bytes,
    };
    let limits = AccountLimits::default().changed(&asked).map_err(invalid_limits)?;
    let limits_granted = if op.principal().may(Action::AccountGrant) {
        limits
    } else {
        AccountLimits::default()
    };
    limits.check_within(&limits_granted).map_err(invalid_limits)?;

    let mut tx = op.app().datastore().begin(&scope).await?;
    // Before the cells: who asks about an organization that is not there hears nothing of them.
    tx.organization_get().await?.ok_or(ProblemCode::NotFound)?;
    let wrapped = tx.data_key_get().await?.ok_or(ProblemCode::NotFound)?;
    let data_key = op
        .app()
        .kek()
        .unwrap(scope.organization().uuid(), &wrapped.wrapped)
        .map_err(AppError::internal("open the organization's data key"))?;
    let cell = tx.cell_place(wanted_cell.as_ref()).await?;
    let (identity, signing) = (
        Signer::generate(KeyKind::Account, random_array()),
        Signer::generate(KeyKind::Account, random_array()),
    );
    let key = |signer: &Signer| {
        signer
            .public()
            .to_string()
            .parse()
            .expect("an account signer has an account key")
    };
    let seal = |signer: &Signer| data_key.seal(&signer.public().to_string(), signer.seed().as_bytes());
    let account = tx
        .account_insert(&NewAccount {
            id: AccountId::new(op.unix_ms(), random_array()),
            name,
            cell_id: cell.id,
            public_key: key(&identity),
            signing_public_key: key(&signing),
            seeds: AccountSeeds {
                identity: seal(&identity),
                signing: seal(&signing),
            },
            limits,
            limits_granted,
            created_at: op.now(),
        })
        .await?;
    let detail = json!({ "name": account.name, "cell": cell.name, "public_key": account.public_key });
    tx.audit_append(&op.audit(Action::AccountCreate, account.id, detail))
        .await?;
    let id = account.id;
    let account = publish(op, tx, account).await?;
    // It is there from here on: whatever happens, the caller learns what to ask for.
    let published = op.document_published(&scope, &account, wait).await;
    published.map_err(|error| Problem::from(error).with_resource(id, format!("/v1/accounts/{id}")))?;
    Ok(account.into())
}

/// Reads an account.
pub async fn get(op: &OpContext, account: &str) -> Result<api::Account, AppError> {
    let (scope, account) = op.authorize_account(Action::AccountRead, account).await?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    Ok(tx
        .account_get(&account)
        .await?
        .ok_or(ProblemCode::NotFound)?
        .into())
}

/// Lists the accounts of an organization.
pub async fn list(
    op: &OpContext,
    organization: &str,
    page: PageParams,
) -> Result<api::Page<api::Account>, AppError> {
    let scope = op.authorize_in(Action::AccountList, organization)?;
    let page = page.check()?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    // An organization that is not there has no list; one without accounts has an empty one.
    tx.organization_get().await?.ok_or(ProblemCode::NotFound)?;
    Ok(tx.account_list(&page).await?.into())
}

/// Changes limits of an account. What the platform sets is granted as well, so that its word is always
/// both the limit and the ceiling; the organization moves below that ceiling.
pub async fn update(
    op: &OpContext,
    account: &str,
    change: api::UpdateAccount,
    wait: Wait,
) -> Result<api::Account, AppError> {
    let (scope, account) = op.authorize_account(Action::AccountUpdate, account).await?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let mut account = lock(&mut tx, &account).await?;
    let (before, granted_before) = (account.limits, account.limits_granted);
    let change = AccountLimitsChange {
        connections: change.limits.connections,
        subscriptions: change.limits.subscriptions,
        payload_bytes: change.limits.payload_bytes,
    };
    account.limits = before.changed(&change).map_err(invalid_limits)?;
    if op.principal().may(Action::AccountGrant) {
        account.limits_granted = granted_before.changed(&change).map_err(invalid_limits)?;
    }
    let (limits, granted) = (&account.limits, &account.limits_granted);
    limits.check_within(granted).map_err(invalid_limits)?;
    tx.account_limits_set(account.id, limits, granted).await?;
    let detail = json!({
        "before": api::AccountLimits::from(before),
        "after": api::AccountLimits::from(account.limits),
        "granted_before": api::AccountLimits::from(granted_before),
        "granted_after": api::AccountLimits::from(account.limits_granted),
    });
    tx.audit_append(&op.audit(Action::AccountUpdate, account.id, detail))
        .await?;
    finish(op, &scope, tx, account, wait).await
}

/// Cuts every client of the account and refuses new ones.
pub async fn suspend(
    op: &OpContext,
    account: &str,
    suspend: api::SuspendAccount,
    wait: Wait,
) -> Result<api::Account, AppError> {
    let (scope, account) = op.authorize_account(Action::AccountSuspend, account).await?;
    let by = hand_of(op);
    // Operators often have no reason to tell; tenants are told at least who decided.
    let reason = match by {
        _ if !suspend.reason.is_empty() => &suspend.reason,
        SuspendedBy::Platform => "suspended by the operator",
        SuspendedBy::Organization => "suspended by the organization",
    };
    let reason: SuspensionReason = reason.parse().map_err(invalid_text("reason"))?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let mut account = lock(&mut tx, &account).await?;
    let detail = json!({ "reason": reason, "by": by.as_str() });
    account.stage = account.stage.suspend(op.now(), reason, by)?;
    tx.account_stage_set(account.id, &account.stage).await?;
    tx.audit_append(&op.audit(Action::AccountSuspend, account.id, detail))
        .await?;
    finish(op, &scope, tx, account, wait).await
}

/// Lets the clients of a suspended account in again.
pub async fn resume(op: &OpContext, account: &str, wait: Wait) -> Result<api::Account, AppError> {
    let (scope, account) = op.authorize_account(Action::AccountResume, account).await?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let mut account = lock(&mut tx, &account).await?;
    account.stage = account.stage.resume(hand_of(op))?;
    tx.account_stage_set(account.id, &account.stage).await?;
    tx.audit_append(&op.audit(Action::AccountResume, account.id, json!({})))
        .await?;
    finish(op, &scope, tx, account, wait).await
}

/// Deletes an account: its cell no longer serves it, and its name is free again.
pub async fn delete(op: &OpContext, account: &str, wait: Wait) -> Result<(), AppError> {
    let (scope, account) = op.authorize_account(Action::AccountDelete, account).await?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let mut account = lock(&mut tx, &account).await?;
    account.stage = account.stage.delete(op.now())?;
    tx.account_stage_set(account.id, &account.stage).await?;
    let detail = json!({ "name": account.name, "public_key": account.public_key });
    tx.audit_append(&op.audit(Action::AccountDelete, account.id, detail))
        .await?;
    finish(op, &scope, tx, account, wait).await?;
    Ok(())
}

/// Tells how far the account's newest document has travelled.
pub async fn rollout(op: &OpContext, account: &str) -> Result<api::AccountRollout, AppError> {
    let (scope, account) = op.authorize_account(Action::AccountRolloutRead, account).await?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx.account_get(&account).await?.ok_or(ProblemCode::NotFound)?;
    Ok(tx
        .account_rollout(account.id)
        .await?
        .ok_or(ProblemCode::NotFound)?
        .into())
}

/// For whom the caller suspends and resumes.
fn hand_of(op: &OpContext) -> SuspendedBy {
    if op.principal().may(Action::AccountPardon) {
        SuspendedBy::Platform
    } else {
        SuspendedBy::Organization
    }
}

fn invalid_limits(fields: InvalidFields) -> AppError {
    Problem::invalid_fields("limits", fields).into()
}

/// The account, which nobody else changes until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, account: &AccountRef) -> Result<Account, AppError> {
    Ok(tx.account_lock(account).await?.ok_or(ProblemCode::NotFound)?)
}

/// Publishes, commits, tells the fleet, and waits when asked to.
async fn finish(
    op: &OpContext,
    scope: &Scope<OrganizationId>,
    tx: TenantTx,
    account: Account,
    wait: Wait,
) -> Result<api::Account, AppError> {
    let account = publish(op, tx, account).await?;
    op.document_published(scope, &account, wait).await?;
    Ok(account.into())
}

/// Publishes and commits. Gives the account as it is then.
async fn publish(op: &OpContext, mut tx: TenantTx, mut account: Account) -> Result<Account, AppError> {
    op.publish_document(&mut tx, &account).await?;
    tx.commit().await?;
    account.version += 1;
    Ok(account)
}

impl From<AccountInsertError> for AppError {
    fn from(error: AccountInsertError) -> Self {
        match error {
            AccountInsertError::NameTaken { .. } => Problem::new(ProblemCode::NameTaken)
                .with_detail(error.to_string())
                .into(),
            AccountInsertError::QuotaExceeded(exceeded) => exceeded.into(),
            AccountInsertError::OrganizationGone => ProblemCode::NotFound.into(),
            AccountInsertError::Datastore(error) => error.into(),
        }
    }
}

impl From<CellPlaceError> for AppError {
    fn from(error: CellPlaceError) -> Self {
        match error {
            CellPlaceError::NoSuchCell { .. } => {
                Problem::invalid_field("cell", "not_found", error.to_string()).into()
            }
            CellPlaceError::NoCells => ProblemCode::NoCell.into(),
            CellPlaceError::Datastore(error) => error.into(),
        }
    }
}

impl From<InvalidTransition> for AppError {
    fn from(error: InvalidTransition) -> Self {
        match error {
            InvalidTransition::Deleted => ProblemCode::NotFound.into(),
            InvalidTransition::SuspendedByPlatform { .. } => {
                let detail = format!("{error}; only the platform may resume it");
                Problem::new(ProblemCode::SuspendedByPlatform)
                    .with_detail(detail)
                    .into()
            }
        }
    }
}
