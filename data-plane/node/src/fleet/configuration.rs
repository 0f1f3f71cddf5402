//! What this node holds, put in force and kept.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use tollway_claims::{PublicKey, Trust};
use tollway_proto::fleet;

use super::Cursor;
use super::batch::Batch;
use super::bounds::REFUSALS_MAX;
use super::last_known_good::{LastKnownGood, LastKnownGoodError, StoredDocument};
use super::plan::{BatchRefused, Held, plan, refusal};
use crate::broker::Broker;
use crate::error_text;

/// The configuration of the broker, and its copy on disk.
///
/// A batch is verified, put in force, synced, and only then acknowledged. What
/// is in force may be newer than the disk for that moment, or for longer when
/// the disk is full ([`Self::keep`]): a revocation must not wait for somebody
/// to make room.
pub struct Configuration {
    store: LastKnownGood,
    broker: Broker,
    /// Held on disk but not in force, because they did not verify when loaded.
    withheld: HashSet<PublicKey>,
}

/// What came of a batch that was not refused as a whole.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) cursor: Cursor,
    pub(super) accounts: usize,
    pub(super) removed: usize,
    pub(super) refused: Vec<fleet::Refusal>,
    /// In force, and an error when it is not on disk: then it must not be acknowledged.
    pub(super) kept: Result<(), LastKnownGoodError>,
}

impl Configuration {
    /// Puts everything in force that was kept, verified again against `trust`:
    /// a disk is not believed. `now` is seconds since 1970.
    pub fn load(mut store: LastKnownGood, broker: Broker, trust: &Trust, now: i64) -> Self {
        broker.trust_set(trust.clone(), now);
        let documents: Vec<_> = store.documents().iter().collect();
        let withheld = load_all(&documents, &broker, trust, now);
        if !withheld.is_empty() {
            store.set_incomplete();
        }
        Self {
            store,
            broker,
            withheld,
        }
    }

    /// Where the kept configuration stands, `None` when none was ever kept.
    pub fn cursor(&self) -> Option<Cursor> {
        self.store.kept_cursor()
    }

    /// What Hello says: nothing when a snapshot is needed.
    pub(super) fn hello_cursor(&self) -> Option<Cursor> {
        self.store.kept_cursor().filter(|_| self.store.is_kept_complete())
    }

    /// How many accounts are held.
    pub fn accounts(&self) -> usize {
        self.store.documents().len()
    }

    /// Applies a batch that was sent for `cell`, and keeps it. Blocks while the disk syncs.
    pub(super) fn apply(
        &mut self,
        batch: Batch,
        trust: &Trust,
        cell: &str,
        now: i64,
    ) -> Result<Applied, BatchRefused> {
        let (cursor, snapshot) = (batch.cursor, batch.snapshot);
        let request_id = batch.request_id.clone();
        let held = Held {
            cell,
            documents: self.store.documents(),
            removed: self.store.removed(),
            withheld: &self.withheld,
            cursor: self.store.cursor(),
            complete: self.store.is_complete(),
        };
        let plan = plan(&held, batch, trust, now)?;
        for account in &plan.removed {
            self.broker.account_remove(account);
            self.withheld.remove(account);
        }
        let mut put = Vec::with_capacity(plan.put.len());
        let mut documents = Vec::with_capacity(plan.put.len());
        for (document, stored) in plan.put {
            put.push((document.claims.subject, stored));
            documents.push(document);
        }
        let mut refused = plan.refused;
        for (account, error) in self.broker.accounts_apply(documents, now) {
            put.retain(|(accepted, _)| *accepted != account);
            refused.push(refusal(
                &account.to_string(),
                error.code(),
                error_text::chain(&error),
            ));
        }
        for (account, _) in &put {
            self.withheld.remove(account);
        }
        Ok(Applied {
            cursor,
            accounts: put.len(),
            removed: plan.removed.len(),
            refused: within_bound(refused, &request_id),
            kept: self.store.commit(put, &plan.removed, cursor, snapshot),
        })
    }

    /// Tries again to keep what is in force. Blocks while the disk syncs.
    pub(super) fn keep(&mut self) -> Result<(), LastKnownGoodError> {
        self.store.keep()
    }

    /// Puts other trust in force for what is connected and what comes.
    pub(super) fn trust_set(&self, trust: Trust, now: i64) {
        self.broker.trust_set(trust, now);
    }
}

/// Verifies on all processors: two signatures for each of thousands of
/// accounts are what clients wait for when a node restarts. Gives back the
/// accounts whose documents do not verify.
fn load_all(
    documents: &[(&PublicKey, &StoredDocument)],
    broker: &Broker,
    trust: &Trust,
    now: i64,
) -> HashSet<PublicKey> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = documents.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let loading: Vec<_> = documents
            .chunks(share)
            .map(|share| scope.spawn(move || load(share, broker, trust, now)))
            .collect();
        let loaded = loading.into_iter().flat_map(|thread| match thread.join() {
            Ok(withheld) => withheld,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        loaded.collect()
    })
}

fn load(
    documents: &[(&PublicKey, &StoredDocument)],
    broker: &Broker,
    trust: &Trust,
    now: i64,
) -> Vec<PublicKey> {
    let mut withheld = Vec::new();
    for &(account, held) in documents {
        let mut withhold = |error: &(dyn std::error::Error + 'static)| {
            let reason = error_text::chain(error);
            tracing::error!(%account, reason, "a kept document does not verify and is not served");
            withheld.push(*account);
        };
        match trust.verify_document(account, &held.account_jwt, &held.statement_jwt, now) {
            Ok(document) => {
                if let Err(error) = broker.account_apply(document, now) {
                    withhold(&error);
                }
            }
            Err(error) => withhold(&error),
        }
    }
    withheld
}

fn within_bound(mut refused: Vec<fleet::Refusal>, request_id: &str) -> Vec<fleet::Refusal> {
    for refusal in &refused {
        tracing::warn!(
            request_id,
            account = refusal.account,
            code = refusal.code,
            reason = refusal.reason,
            "refused an account's document; the account keeps what it had"
        );
    }
    if refused.len() > REFUSALS_MAX {
        tracing::error!(
            refused = refused.len(),
            "more documents were refused than can be acknowledged as refused"
        );
        refused.truncate(REFUSALS_MAX);
    }
    refused
}
