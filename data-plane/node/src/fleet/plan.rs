//! What to do with a batch: the decisions, without doing them.
//!
//! Two kinds of refusal. A *document* that does not validate is refused alone:
//! its account keeps what it had, and the rest of the batch counts. A *batch*
//! that cannot mean well is refused as a whole:
//!
//! - a delta on top of something this node does not hold,
//! - revisions that run backwards within an epoch,
//! - a snapshot that names nothing, or that would silently remove most of the
//!   accounts within an epoch.
//!
//! Accounts go by being named as removed in a delta, one change at a time; a
//! snapshot that no longer names them is what a half-read table or a query
//! without its condition looks like from here. In a new epoch the database was
//! restored on purpose, so there most accounts may go; all of them never do,
//! because every cell holds the system account.

use std::collections::{HashMap, HashSet};

use tollway_accounts::AccountLimits;
use tollway_claims::{AccountDocument, Limit, PublicKey, Trust, TrustError};
use tollway_proto::fleet;

use super::Cursor;
use super::batch::Batch;
use super::bounds::{ACCOUNT_TEXT_MAX, MASS_REMOVAL_ACCOUNTS_MIN};
use super::last_known_good::StoredDocument;
use crate::error_text;

/// What this node holds, as far as decisions need it.
pub(super) struct Held<'h> {
    pub(super) documents: &'h HashMap<PublicKey, StoredDocument>,
    /// Held, but not in force, because they did not verify when they were loaded.
    pub(super) withheld: &'h HashSet<PublicKey>,
    pub(super) cursor: Option<Cursor>,
    /// Whether deltas can apply.
    pub(super) complete: bool,
}

/// What a batch changes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the batch's order; an account may be there twice, then the last counts.
    pub(super) put: Vec<(AccountDocument, StoredDocument)>,
    pub(super) removed: Vec<PublicKey>,
    pub(super) refused: Vec<fleet::Refusal>,
}

/// Why a batch is refused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BatchRefused {
    #[error("a delta was sent, but this node does not hold what it applies to and needs a snapshot")]
    BaseUnknown,
    #[error("a delta of epoch {found} was sent on top of epoch {held}; a new epoch begins with a snapshot")]
    OtherEpoch { held: u64, found: u64 },
    #[error("revision {found} was sent, but this node holds {held} of the same epoch")]
    RevisionWentBack { held: u64, found: u64 },
    #[error("a snapshot without any account was sent; this node holds {held}")]
    SnapshotEmpty { held: usize },
    #[error(
        "a snapshot would remove {removed} of {held} accounts; removals are sent by name, or with a new epoch"
    )]
    SnapshotRemovesMost { removed: usize, held: usize },
}

impl BatchRefused {
    /// A stable word.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::BaseUnknown => "base_unknown",
            Self::OtherEpoch { .. } => "other_epoch",
            Self::RevisionWentBack { .. } => "revision_went_back",
            Self::SnapshotEmpty { .. } => "snapshot_empty",
            Self::SnapshotRemovesMost { .. } => "snapshot_removes_most",
        }
    }
}

/// Decides about a batch; `now` is seconds since 1970.
pub(super) fn plan(held: &Held<'_>, batch: Batch, trust: &Trust, now: i64) -> Result<Plan, BatchRefused> {
    check_cursor(held, &batch)?;
    let mut plan = Plan::default();
    if batch.snapshot {
        plan.removed = removed_by_snapshot(held, &batch)?;
    }
    for account in &batch.removed {
        match account.parse() {
            Ok(account) if held.documents.contains_key(&account) => plan.removed.push(account),
            // Gone already: a batch may be sent twice.
            Ok(_) => {}
            Err(error) => plan.refused.push(refusal(
                account,
                "malformed",
                format!("the account's key: {error}"),
            )),
        }
    }
    // Versions that this batch itself brings count as well.
    let mut versions = HashMap::new();
    for document in batch.accounts {
        let account = document.account.clone();
        match decide(held, &versions, document, batch.cursor.epoch, trust, now) {
            Ok(Some((verified, stored))) => {
                versions.insert(verified.claims.subject, stored.version);
                plan.put.push((verified, stored));
            }
            Ok(None) => {}
            Err((code, reason)) => plan.refused.push(refusal(&account, code, reason)),
        }
    }
    Ok(plan)
}

fn check_cursor(held: &Held<'_>, batch: &Batch) -> Result<(), BatchRefused> {
    let found = batch.cursor;
    match held.cursor {
        None if batch.snapshot => Ok(()),
        None => Err(BatchRefused::BaseUnknown),
        Some(cursor) if cursor.epoch == found.epoch => {
            if found.revision < cursor.revision {
                return Err(BatchRefused::RevisionWentBack {
                    held: cursor.revision,
                    found: found.revision,
                });
            }
            if batch.snapshot || held.complete {
                Ok(())
            } else {
                Err(BatchRefused::BaseUnknown)
            }
        }
        Some(_) if batch.snapshot => Ok(()),
        Some(cursor) => Err(BatchRefused::OtherEpoch {
            held: cursor.epoch,
            found: found.epoch,
        }),
    }
}

fn removed_by_snapshot(held: &Held<'_>, batch: &Batch) -> Result<Vec<PublicKey>, BatchRefused> {
    // A document that will be refused is named all the same: its account stays.
    let named: HashSet<PublicKey> = batch
        .accounts
        .iter()
        .filter_map(|document| document.account.parse().ok())
        .collect();
    let all = held.documents.len();
    if named.is_empty() && all > 0 {
        return Err(BatchRefused::SnapshotEmpty { held: all });
    }
    let removed: Vec<_> = held
        .documents
        .keys()
        .filter(|account| !named.contains(account))
        .copied()
        .collect();
    let new_epoch = held
        .cursor
        .is_some_and(|cursor| cursor.epoch != batch.cursor.epoch);
    if !new_epoch && all >= MASS_REMOVAL_ACCOUNTS_MIN && removed.len() * 2 > all {
        return Err(BatchRefused::SnapshotRemovesMost {
            removed: removed.len(),
            held: all,
        });
    }
    Ok(removed)
}

type Decision = Result<Option<(AccountDocument, StoredDocument)>, (&'static str, String)>;

/// The document to put in force, or `None` when it is in force already, or why it is refused.
fn decide(
    held: &Held<'_>,
    versions: &HashMap<PublicKey, u64>,
    document: fleet::AccountDocument,
    epoch: u64,
    trust: &Trust,
    now: i64,
) -> Decision {
    let account: PublicKey = document
        .account
        .parse()
        .map_err(|error| ("malformed", format!("the account's key: {error}")))?;
    let before = held
        .documents
        .get(&account)
        .filter(|before| before.epoch == epoch);
    let in_force = before.filter(|before| {
        before.account_jwt == document.account_jwt && before.statement_jwt == document.statement_jwt
    });
    if in_force.is_some() && !held.withheld.contains(&account) && !versions.contains_key(&account) {
        return Ok(None);
    }
    let verified = trust
        .verify_document(&account, &document.account_jwt, &document.statement_jwt, now)
        .map_err(|error| (refusal_code(&error), error_text::chain(&error)))?;
    let version = verified.version();
    let at_least = versions
        .get(&account)
        .copied()
        .max(before.map(|before| before.version));
    if let Some(applied) = at_least.filter(|&applied| version < applied) {
        return Err((
            "stale_version",
            format!("the document has version {version}; {applied} is applied"),
        ));
    }
    check_limits(&verified)?;
    let stored = StoredDocument {
        epoch,
        version,
        account_jwt: document.account_jwt,
        statement_jwt: document.statement_jwt,
    };
    Ok(Some((verified, stored)))
}

/// In a document an absent limit reads as zero. One zero may be meant; all of
/// them together are what a row with blank fields compiles to, and would cut
/// the tenant off. Whoever wants that suspends the account.
fn check_limits(document: &AccountDocument) -> Result<(), (&'static str, String)> {
    let limits = AccountLimits::from(&document.claims);
    let all = [limits.connections, limits.subscriptions, limits.payload_bytes];
    if all == [Limit::AtMost(0); 3] {
        let reason = "all limits are zero or missing; to stop an account, suspend it";
        return Err(("blank_limits", reason.to_owned()));
    }
    Ok(())
}

fn refusal_code(error: &TrustError) -> &'static str {
    match error {
        TrustError::OtherAccount { .. } => "subject_mismatch",
        TrustError::VersionMismatch { .. } => "statement_mismatch",
        other => other.code(),
    }
}

fn refusal(account: &str, code: &str, reason: String) -> fleet::Refusal {
    let account = account.chars().take(ACCOUNT_TEXT_MAX).collect();
    fleet::Refusal {
        account,
        code: code.to_owned(),
        reason,
    }
}
