//! One call: who makes it, under which request id, and when.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;
use tollway_api::ProblemCode;
use tollway_authz::{Action, Platform, Principal, Scope, authorize, authorize_platform};
use tollway_datastore::NewAuditEvent;
use tollway_model::{AccountRef, AuditEventId, CellId, OrganizationId};

use super::{App, AppError, caller_look_up::Admitted, calls_of_organizations::CallOfOrganization};
use crate::{
    app::chain,
    authn::{API_TOKEN_PREFIX, is_secret},
    clock,
    peers::Peer,
    request_id::RequestId,
    secrets::random_array,
};
use tollway_datastore::FleetSignal;

/// The context that every function of the application layer takes.
#[derive(Debug, Clone)]
pub struct OpContext {
    app: App,
    principal: Principal,
    request_id: RequestId,
    now: OffsetDateTime,
    /// Held by all clones.
    _place: Option<Arc<CallOfOrganization>>,
}

impl App {
    /// The context of a call by somebody whose identity was proved.
    pub fn op(&self, principal: Principal, request_id: RequestId) -> OpContext {
        OpContext {
            app: self.clone(),
            principal,
            request_id,
            now: clock::now(),
            _place: None,
        }
    }

    /// The context of a call with an API token.
    ///
    /// # Errors
    /// `unauthorized` when the token is none, or ended; `overloaded` when too many are looked up;
    /// `too_many_calls` when the caller's organization has enough open.
    pub async fn authenticate(
        &self,
        token: &str,
        peer: Peer,
        request_id: RequestId,
    ) -> Result<OpContext, AppError> {
        let letters = token.strip_prefix(API_TOKEN_PREFIX);
        let letters = letters.filter(|letters| is_secret(letters));
        let presented = self.presented(token, letters.ok_or(ProblemCode::Unauthorized)?, peer);
        let app = self.clone();
        let look = async move || {
            let mut tx = app.datastore().begin_auth().await?;
            let principal = tx.api_token_lookup(&presented.secret, clock::now()).await?;
            tx.commit().await?;
            Ok(principal)
        };
        let admitted: Admitted<Principal> = self.caller_look_ups().admit(presented, look).await?;
        Ok(self.admitted_op(admitted.caller, admitted.place, request_id))
    }

    /// The context of a call that counts as one of its organization until it is over.
    pub(super) fn admitted_op(
        &self,
        principal: Principal,
        place: Option<Arc<CallOfOrganization>>,
        request_id: RequestId,
    ) -> OpContext {
        OpContext {
            _place: place,
            ..self.op(principal, request_id)
        }
    }
}

impl OpContext {
    /// What calls share.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Who calls.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The call's name in audit rows, logs and fleet messages.
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// When the call began; everything that it writes has this time.
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }

    pub(super) fn unix_ms(&self) -> u64 {
        clock::unix_ms(self.now)
    }

    /// May the caller do this in the organization with this id?
    pub(super) fn authorize_in(
        &self,
        action: Action,
        organization: &str,
    ) -> Result<Scope<OrganizationId>, AppError> {
        let organization = organization.parse().map_err(|_| ProblemCode::NotFound)?;
        Ok(authorize(&self.principal, action, organization)?)
    }

    /// May the caller do this to the installation?
    pub(super) fn authorize_platform(&self, action: Action) -> Result<Scope<Platform>, AppError> {
        Ok(authorize_platform(&self.principal, action)?)
    }

    /// May the caller do this to the account with this id or key? Whether the account is there in
    /// the scope's organization, the transaction finds out.
    pub(super) async fn authorize_account(
        &self,
        action: Action,
        account: &str,
    ) -> Result<(Scope<OrganizationId>, AccountRef), AppError> {
        self.authorize_account_where(action, account, false).await
    }

    /// As [`Self::authorize_account`], for accounts that were deleted too.
    pub(super) async fn authorize_account_in_ledger(
        &self,
        action: Action,
        account: &str,
    ) -> Result<(Scope<OrganizationId>, AccountRef), AppError> {
        self.authorize_account_where(action, account, true).await
    }

    async fn authorize_account_where(
        &self,
        action: Action,
        account: &str,
        deleted_too: bool,
    ) -> Result<(Scope<OrganizationId>, AccountRef), AppError> {
        let account: AccountRef = account.parse().map_err(|_| ProblemCode::NotFound)?;
        let organization = match self.principal.organization() {
            // Another organization's account is looked for at home, and not found there.
            Some(home) => home,
            None => {
                let mut tx = self
                    .app
                    .datastore()
                    .begin_system(&Scope::system("account_locate"))
                    .await?;
                let located = match deleted_too {
                    true => tx.account_locate_in_ledger(&account).await?,
                    false => tx.account_locate(&account).await?,
                };
                located.ok_or(ProblemCode::NotFound)?.organization_id
            }
        };
        Ok((authorize(&self.principal, action, organization)?, account))
    }

    /// An entry of the audit log about this call.
    pub(super) fn audit(&self, action: Action, target: impl ToString, detail: Value) -> NewAuditEvent {
        NewAuditEvent {
            id: AuditEventId::new(self.unix_ms(), random_array()),
            action,
            target: target.to_string(),
            detail,
            request_id: self.request_id.to_string(),
            at: self.now,
        }
    }

    /// Tells the fleet, after the commit. A signal that is lost only delays: senders poll.
    pub(super) async fn cell_changed(&self, cell: CellId) {
        self.app.hub().wake_cell(cell);
        if let Err(error) = self.app.datastore().signal(FleetSignal::Changed(cell)).await {
            tracing::warn!(error = chain(&error), %cell, "could not tell other control planes of a change");
        }
    }
}
