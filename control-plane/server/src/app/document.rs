//! What changes an account has to travel: compile, publish, and wait for the cell.

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout_at},
};
use tollway_api::{Problem, ProblemCode};
use tollway_authz::Scope;
use tollway_claims::{PublicKey, Signer};
use tollway_datastore::{NewDocument, PublishError, TenantTx};
use tollway_model::{Account, AccountId, AccountRollout, AccountStage, OrganizationId};

use super::{AppError, OpContext, Wait};
use crate::{
    bounds::{APPLY_WAIT, CELL_PROGRESS_INTERVAL},
    compile::AccountDocumentSource,
};

impl OpContext {
    /// Compiles, signs and publishes the account's next document. The last thing before the
    /// commit, because the cell's row stays locked from here on.
    ///
    /// `account` is the account as this transaction left it, locked or just inserted.
    pub(super) async fn publish_document(
        &self,
        tx: &mut TenantTx,
        account: &Account,
    ) -> Result<(), AppError> {
        let version = account.version + 1;
        let revocations = match account.stage {
            AccountStage::Serving => tx.account_revocations(account.id, self.now()).await?,
            // Nobody is let in, so nobody has to be named; and nothing of it can keep us from saying so.
            AccountStage::Suspended { .. } | AccountStage::Deleted { .. } => Vec::new(),
        };
        let suspended = match &account.stage {
            AccountStage::Suspended { reason, .. } => Some(reason.as_str().to_owned()),
            AccountStage::Serving => None,
            // The last document keeps everybody out, should a copy of it ever be served.
            AccountStage::Deleted { .. } => Some("the account was deleted".to_owned()),
        };
        let source = AccountDocumentSource {
            account: public_key(account.public_key.as_str())?,
            signing_key: public_key(account.signing_public_key.as_str())?,
            name: account.name.as_str().to_owned(),
            connections_max: account.limits.connections.raw(),
            subscriptions_max: account.limits.subscriptions.raw(),
            payload_bytes_max: account.limits.payload_bytes.raw(),
            revocations: revocations
                .iter()
                .map(|(key, at)| Ok((public_key(key.as_str())?, at.unix_timestamp())))
                .collect::<Result<_, AppError>>()?,
            suspended,
            version,
        };
        // A document with thousands of revocations takes a while, and other calls go on meanwhile.
        let (app, now) = (self.app().clone(), self.now().unix_timestamp());
        let document = spawn_blocking(move || source.compile(&app.operator().signer, now))
            .await
            .map_err(AppError::internal("finish the account's document"))?
            .map_err(AppError::internal("compile the account's document"))?;
        let new = NewDocument {
            version,
            account_jwt: document.account_jwt,
            statement_jwt: document.statement_jwt,
            removed: matches!(account.stage, AccountStage::Deleted { .. }),
            request_id: self.request_id().to_string(),
        };
        match tx.account_document_publish(account.id, &new).await {
            Ok(_) => Ok(()),
            Err(PublishError::Datastore(error)) => Err(error.into()),
            // The system account lives in no cell; to callers there is no such account.
            Err(PublishError::NotNext) if account.cell.is_none() => Err(ProblemCode::NotFound.into()),
            Err(error @ PublishError::NotNext) => {
                Err(AppError::internal("publish the account's document")(error))
            }
        }
    }

    /// Tells the fleet of a committed change, and waits for the cell when asked to.
    pub(super) async fn document_published(
        &self,
        scope: &Scope<OrganizationId>,
        account: &Account,
        wait: Wait,
    ) -> Result<(), AppError> {
        if let Some(cell) = &account.cell {
            self.cell_changed(cell.id).await;
        }
        match wait {
            Wait::Stored => Ok(()),
            Wait::Applied => self.applied(scope, account).await,
        }
    }

    /// Waits until the account's newest document is served, or refused.
    async fn applied(&self, scope: &Scope<OrganizationId>, account: &Account) -> Result<(), AppError> {
        let cell = account.cell.as_ref().ok_or(ProblemCode::NotFound)?.id;
        let deadline = Instant::now() + APPLY_WAIT;
        let mut rollout = match self.look(scope, account.id).await? {
            Some(rollout) => rollout,
            None => return Ok(()),
        };
        // Without a place nobody waits; what was changed is changed all the same.
        let place = self.app().apply_waiters().take(scope);
        if let Some(_place) = &place {
            let mut progress = self.app().hub().progress(cell, self.app().fleet_datastore());
            while timeout_at(deadline, progress.reached(rollout.revision))
                .await
                .is_ok()
            {
                rollout = match self.look(scope, account.id).await? {
                    Some(rollout) => rollout,
                    None => return Ok(()),
                };
                // The document was changed again, or the cell began a new epoch.
                sleep(CELL_PROGRESS_INTERVAL).await;
            }
        }
        let waited = match place {
            Some(_) => "it stands",
            None => "too many calls wait already, so this one did not; the change stands",
        };
        let detail = format!(
            "the change is stored as revision {} of the cell {}, which has applied {}; {waited}, and is applied when the cell is back",
            rollout.revision, rollout.cell, rollout.applied_revision
        );
        Err(Problem::new(ProblemCode::NotAppliedYet)
            .with_detail(detail)
            .into())
    }

    /// How far the account's newest document came; `None` when it is served, an error when it is refused.
    async fn look(
        &self,
        scope: &Scope<OrganizationId>,
        account: AccountId,
    ) -> Result<Option<AccountRollout>, AppError> {
        let mut tx = self.app().datastore().begin(scope).await?;
        let rollout = tx.account_rollout(account).await?.ok_or(ProblemCode::NotFound)?;
        drop(tx);
        if rollout.is_applied() {
            return Ok(None);
        }
        let Some(refusal) = rollout.refused else {
            return Ok(Some(rollout));
        };
        let detail = format!(
            "the cell {} refused the document: {} ({})",
            rollout.cell, refusal.reason, refusal.code
        );
        let error = tollway_api::FieldError::new("", refusal.code, refusal.reason);
        Err(Problem::new(ProblemCode::DocumentRefused)
            .with_detail(detail)
            .with_error(error)
            .into())
    }

    /// The key that signs the account's users, opened for this call.
    pub(super) async fn account_signer(
        &self,
        tx: &mut TenantTx,
        account: &Account,
    ) -> Result<Signer, AppError> {
        let wrapped = tx.data_key_get().await?.ok_or(ProblemCode::NotFound)?;
        let seeds = tx
            .account_seeds_get(account.id)
            .await?
            .ok_or(ProblemCode::NotFound)?;
        let data_key = self
            .app()
            .kek()
            .unwrap(account.organization_id.uuid(), &wrapped.wrapped)
            .map_err(AppError::internal("open the organization's data key"))?;
        let seed = data_key
            .open(account.signing_public_key.as_str(), &seeds.signing)
            .map_err(AppError::internal("open the account's signing seed"))?;
        let seed =
            std::str::from_utf8(&seed).map_err(AppError::internal("read the account's signing seed"))?;
        Signer::from_seed(seed).map_err(AppError::internal("read the account's signing seed"))
    }
}

/// A key of a row, with its checksum checked.
pub(super) fn public_key(text: &str) -> Result<PublicKey, AppError> {
    text.parse().map_err(AppError::internal("read a public key"))
}
