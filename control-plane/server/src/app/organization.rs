//! Organizations: the tenants.

use serde_json::json;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::{Action, authorize};
use tollway_datastore::{
    NewOrganization, OrganizationDeleteError, OrganizationInsertError, QuotaExceeded, WrappedDataKey,
};
use tollway_model::{DisplayName, Name, OrganizationId, OrganizationQuotasChange};

use super::{
    AppError, OpContext, PageParams,
    error::{invalid_name, invalid_text},
};
use crate::secrets::{DataKey, random_array};

/// Creates an organization and its data key. For platform admins.
pub async fn create(op: &OpContext, new: api::NewOrganization) -> Result<api::Organization, AppError> {
    let scope = op.authorize_platform(Action::OrganizationCreate)?;
    let name: Name = new.name.parse().map_err(invalid_name("name"))?;
    let display_name = match new.display_name.filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map_err(invalid_text("display_name"))?,
        None => DisplayName::from(&name),
    };
    let id = OrganizationId::new(op.unix_ms(), random_array());
    let data_key = WrappedDataKey {
        kek_id: op.app().kek().id().to_owned(),
        wrapped: op.app().kek().wrap(id.uuid(), &DataKey::generate(id.uuid())),
    };

    let new = NewOrganization {
        id,
        name,
        display_name,
        is_platform: false,
        created_at: op.now(),
    };
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    let organization = tx.organization_insert(&new).await?;
    tx.data_key_insert(id, &data_key, op.now()).await?;
    let detail = json!({ "name": organization.name });
    tx.audit_append(Some(id), &op.audit(Action::OrganizationCreate, id, detail))
        .await?;
    tx.commit().await?;
    Ok(organization.into())
}

/// Reads an organization.
pub async fn get(op: &OpContext, organization: &str) -> Result<api::Organization, AppError> {
    let scope = op.authorize_in(Action::OrganizationRead, organization)?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    Ok(tx.organization_get().await?.ok_or(ProblemCode::NotFound)?.into())
}

/// Lists organizations: all for platform admins, the caller's own for everybody else.
pub async fn list(op: &OpContext, page: PageParams) -> Result<api::Page<api::Organization>, AppError> {
    let page = page.check()?;
    if let Some(home) = op.principal().organization() {
        let scope = authorize(op.principal(), Action::OrganizationRead, home)?;
        let mut tx = op.app().datastore().begin(&scope).await?;
        let own = tx.organization_get().await?;
        let items = own
            .into_iter()
            .filter(|own| page.after().is_none_or(|after| own.id > after));
        return Ok(api::Page {
            items: items.map(api::Organization::from).collect(),
            next_cursor: None,
        });
    }
    let scope = op.authorize_platform(Action::OrganizationList)?;
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    Ok(tx.organization_list(&page).await?.into())
}

/// Grants an organization other quotas. For platform admins.
pub async fn update(
    op: &OpContext,
    organization: &str,
    change: api::UpdateOrganization,
) -> Result<api::Organization, AppError> {
    let scope = op.authorize_platform(Action::OrganizationGrant)?;
    let id: OrganizationId = organization.parse().map_err(|_| ProblemCode::NotFound)?;
    let change = OrganizationQuotasChange::from(change.quotas)
        .check()
        .map_err(|fields| Problem::invalid_fields("quotas", fields))?;
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    let changed = tx.organization_quotas_set(id, &change).await?;
    let organization = api::Organization::from(changed.ok_or(ProblemCode::NotFound)?);
    let detail = json!({ "quotas": organization.quotas });
    tx.audit_append(Some(id), &op.audit(Action::OrganizationGrant, id, detail))
        .await?;
    tx.commit().await?;
    Ok(organization)
}

/// Deletes an organization without accounts. For platform admins.
pub async fn delete(op: &OpContext, organization: &str) -> Result<(), AppError> {
    let scope = op.authorize_platform(Action::OrganizationDelete)?;
    let id: OrganizationId = organization.parse().map_err(|_| ProblemCode::NotFound)?;
    let mut tx = op.app().datastore().begin_system(&scope).await?;
    tx.organization_delete(id, op.now()).await?;
    tx.audit_append(Some(id), &op.audit(Action::OrganizationDelete, id, json!({})))
        .await?;
    tx.commit().await?;
    Ok(())
}

impl From<OrganizationInsertError> for AppError {
    fn from(error: OrganizationInsertError) -> Self {
        match error {
            OrganizationInsertError::NameTaken { .. } => Problem::new(ProblemCode::NameTaken)
                .with_detail(error.to_string())
                .into(),
            OrganizationInsertError::Datastore(error) => error.into(),
        }
    }
}

impl From<QuotaExceeded> for AppError {
    fn from(exceeded: QuotaExceeded) -> Self {
        let quota = exceeded.quota;
        Problem::new(ProblemCode::QuotaExceeded)
            .with_detail(format!(
                "{exceeded}; a platform admin can raise the quota `{quota}` of the organization"
            ))
            .into()
    }
}

impl From<OrganizationDeleteError> for AppError {
    fn from(error: OrganizationDeleteError) -> Self {
        match error {
            OrganizationDeleteError::NotFound => ProblemCode::NotFound.into(),
            OrganizationDeleteError::HasAccounts { .. } => Problem::new(ProblemCode::OrganizationNotEmpty)
                .with_detail(error.to_string())
                .into(),
            OrganizationDeleteError::Datastore(error) => error.into(),
        }
    }
}
