//! The audit log: who did what, in the same transaction as what was done. Rows are only ever added.

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use tollway_authz::{Action, Actor};
use tollway_model::{AuditEventId, OrganizationId};

use crate::error::{DatastoreError, failed_to};
use crate::{SystemTx, TenantTx};

/// An entry to be. Who did it is known to the transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAuditEvent {
    /// Its id.
    pub id: AuditEventId,
    /// What was done.
    pub action: Action,
    /// What it was done to: an id in its text form.
    pub target: String,
    /// What else matters, such as the limits before and after; never a secret.
    pub detail: Value,
    /// The request that asked for it; empty when there was none.
    pub request_id: String,
    /// Now.
    pub at: OffsetDateTime,
}

async fn audit_append_in_tx(
    connection: &mut PgConnection,
    organization: Option<OrganizationId>,
    actor: Actor,
    event: &NewAuditEvent,
) -> Result<(), DatastoreError> {
    sqlx::query(
        "INSERT INTO audit_event (id, organization_id, actor, action, target, detail, request_id, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(event.id.uuid())
    .bind(organization.map(OrganizationId::uuid))
    .bind(actor.to_string())
    .bind(event.action.as_str())
    .bind(&event.target)
    .bind(Json(&event.detail))
    .bind(&event.request_id)
    .bind(event.at)
    .execute(connection)
    .await
    .map_err(failed_to("append to the audit log"))?;
    Ok(())
}

impl TenantTx {
    /// Appends an entry to the organization's log.
    pub async fn audit_append(&mut self, event: &NewAuditEvent) -> Result<(), DatastoreError> {
        let (organization, actor) = (self.organization(), self.actor());
        audit_append_in_tx(self.connection(), Some(organization), actor, event).await
    }
}

impl SystemTx {
    /// Appends an entry to an organization's log, or to the platform's own.
    pub async fn audit_append(
        &mut self,
        organization: Option<OrganizationId>,
        event: &NewAuditEvent,
    ) -> Result<(), DatastoreError> {
        let actor = self.actor();
        audit_append_in_tx(self.connection(), organization, actor, event).await
    }
}
