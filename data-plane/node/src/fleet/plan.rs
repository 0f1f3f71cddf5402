//! What to do with a batch: the decisions, without doing them.
//!
//! Two kinds of refusal. A *document* that does not validate is refused alone:
//! its account keeps what it had, and the rest of the batch counts. A *batch*
//! that cannot mean well is refused as a whole:
//!
//! - a delta on top of something this node does not hold,
//! - revisions that run backwards within an epoch,
//! - an epoch that is older than the one held, or that the operator did not begin,
//! - a snapshot that would silently remove most of the accounts within an
//!   epoch, or all of them in any.
//!
//! Accounts go by being named as removed in a delta, one change at a time; a
//! snapshot that no longer names them is what a half-read table or a query
//! without its condition looks like from here. So a snapshot also says how many
//! accounts live in the cell, counted in another table: one that names as many
//! is whole, and takes away what it does not name, be it everything. In a new
//! epoch the database was restored on purpose, so there most accounts may go.
//!
//! Everything that was ever signed for a cell may be sent again by whoever can
//! reach its nodes in the control plane's place. Within an epoch an account's
//! versions only grow, also past its removal. Only a new epoch may set
//! them back, and that takes a token that the operator signed for it
//! ([`tollway_claims::EpochClaims`]).

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use tollway_accounts::AccountLimits;
use tollway_claims::{AccountDocument, Limit, PublicKey, Trust, TrustError};
use tollway_proto::fleet;

use super::Cursor;
use super::batch::Batch;
use super::bounds::{ACCOUNT_TEXT_MAX, MASS_REMOVAL_ACCOUNTS_MIN};
use super::last_known_good::{RemovedAt, StoredDocument};
use crate::error_text;

/// What this node holds, as far as decisions need it.
pub(super) struct Held<'h> {
    /// The id of the cell that this node serves.
    pub(super) cell: &'h str,
    pub(super) documents: &'h HashMap<PublicKey, StoredDocument>,
    /// Where accounts stood that are held no more.
    pub(super) removed: &'h HashMap<PublicKey, RemovedAt>,
    /// Held, but not in force, because they did not verify when they were loaded.
    pub(super) withheld: &'h HashSet<PublicKey>,
    pub(super) cursor: Option<Cursor>,
    /// Whether deltas can apply.
    pub(super) complete: bool,
}

impl Held<'_> {
    /// The epoch that this node is in. Documents are of one even when the cursor was lost to a bad disk.
    fn epoch(&self) -> Option<u64> {
        let of_documents = self.documents.values().map(|document| document.epoch).max();
        self.cursor.map(|cursor| cursor.epoch).max(of_documents)
    }

    /// The version of an account in this epoch, be it here or removed.
    fn version(&self, account: &PublicKey, epoch: u64) -> Option<u64> {
        let held = self.documents.get(account);
        let held = held.map(|held| (held.epoch, held.version));
        let removed = self.removed.get(account).map(|at| (at.epoch, at.version));
        held.into_iter()
            .chain(removed)
            .filter(|(of, _)| *of == epoch)
            .map(|(_, version)| version)
            .max()
    }
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BatchRefused {
    #[error("a delta was sent, but this node does not hold what it applies to and needs a snapshot")]
    BaseUnknown,
    #[error("a delta of epoch {found} was sent on top of epoch {held}; a new epoch begins with a snapshot")]
    OtherEpoch { held: u64, found: u64 },
    #[error("epoch {found} was sent, but this node is in epoch {held}, and epochs only grow")]
    EpochWentBack { held: u64, found: u64 },
    #[error("epoch {found} was sent without what the operator has to sign for it")]
    EpochNotBegun {
        found: u64,
        #[source]
        source: TrustError,
    },
    #[error("revision {found} was sent, but this node holds {held} of the same epoch")]
    RevisionWentBack { held: u64, found: u64 },
    #[error(
        "a snapshot without any account was sent, which does not say that the cell has none; this node holds {held}"
    )]
    SnapshotEmpty { held: usize },
    #[error(
        "a snapshot would remove {removed} of {held} accounts, and does not name all that live in the cell"
    )]
    SnapshotRemovesMost { removed: usize, held: usize },
}

impl BatchRefused {
    /// A stable word.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::BaseUnknown => "base_unknown",
            Self::OtherEpoch { .. } => "other_epoch",
            Self::EpochWentBack { .. } => "epoch_went_back",
            Self::EpochNotBegun { .. } => "epoch_not_begun",
            Self::RevisionWentBack { .. } => "revision_went_back",
            Self::SnapshotEmpty { .. } => "snapshot_empty",
            Self::SnapshotRemovesMost { .. } => "snapshot_removes_most",
        }
    }
}

/// Decides about a batch; `now` is seconds since 1970.
pub(super) fn plan(held: &Held<'_>, batch: Batch, trust: &Trust, now: i64) -> Result<Plan, BatchRefused> {
    check_cursor(held, &batch, trust, now)?;
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

fn check_cursor(held: &Held<'_>, batch: &Batch, trust: &Trust, now: i64) -> Result<(), BatchRefused> {
    let found = batch.cursor;
    let in_epoch = held.epoch();
    match (found.epoch.cmp(&in_epoch.unwrap_or(0)), in_epoch) {
        (Ordering::Less, Some(held)) => {
            return Err(BatchRefused::EpochWentBack {
                held,
                found: found.epoch,
            });
        }
        (Ordering::Equal, Some(_)) => {}
        (_, Some(held)) if !batch.snapshot => {
            return Err(BatchRefused::OtherEpoch {
                held,
                found: found.epoch,
            });
        }
        (_, None) if !batch.snapshot => return Err(BatchRefused::BaseUnknown),
        _ => {
            trust
                .verify_epoch(&batch.epoch_statement, held.cell, found.epoch, now)
                .map_err(|source| BatchRefused::EpochNotBegun {
                    found: found.epoch,
                    source,
                })?;
            return Ok(());
        }
    }
    match held.cursor.filter(|cursor| cursor.epoch == found.epoch) {
        Some(cursor) if found.revision < cursor.revision => Err(BatchRefused::RevisionWentBack {
            held: cursor.revision,
            found: found.revision,
        }),
        Some(_) if held.complete => Ok(()),
        _ if batch.snapshot => Ok(()),
        _ => Err(BatchRefused::BaseUnknown),
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
    let whole = batch
        .accounts_in_cell
        .is_some_and(|accounts| accounts <= named.len() as u64);
    if !whole && named.is_empty() && all > 0 {
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
    if !whole && !new_epoch && all >= MASS_REMOVAL_ACCOUNTS_MIN && removed.len() * 2 > all {
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
    let at_least = versions.get(&account).copied().max(held.version(&account, epoch));
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

pub(super) fn refusal(account: &str, code: &str, reason: String) -> fleet::Refusal {
    let account = account.chars().take(ACCOUNT_TEXT_MAX).collect();
    fleet::Refusal {
        account,
        code: code.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use tollway_claims::{
        AccountClaims, EpochClaims, KeyKind, NatsLimits, OperatorClaims, Signer, StatementClaims,
        TollwayClaim, TollwayLimits,
    };

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn operator() -> Signer {
        Signer::generate(KeyKind::Operator, [1; 32])
    }

    fn trust() -> Trust {
        let claims = OperatorClaims::new(operator().public(), "test", NOW);
        Trust::from_operator_jwt(&claims.encode(&operator()).unwrap()).unwrap()
    }

    fn key(number: u8) -> PublicKey {
        Signer::generate(KeyKind::Account, [number; 32]).public()
    }

    fn document_with(
        number: u8,
        version: u64,
        adjust: impl FnOnce(&mut AccountClaims),
    ) -> fleet::AccountDocument {
        let (issuer, subject) = (operator().public(), key(number));
        let mut claims = AccountClaims::new(issuer, subject, "account", NOW);
        let limits = TollwayLimits {
            connections: Limit::Unlimited,
            subscriptions: Limit::Unlimited,
        };
        claims.tollway = Some(TollwayClaim::new(version, limits));
        adjust(&mut claims);
        let statement = StatementClaims {
            issuer,
            subject,
            issued_at: NOW,
            version,
            suspended: None,
        };
        fleet::AccountDocument {
            account: subject.to_string(),
            account_jwt: claims.encode(&operator()).unwrap(),
            statement_jwt: statement.encode(&operator()).unwrap(),
        }
    }

    fn document(number: u8, version: u64) -> fleet::AccountDocument {
        document_with(number, version, |_| {})
    }

    fn epoch_statement(cell: &str, epoch: u64) -> String {
        let claims = EpochClaims {
            issuer: operator().public(),
            cell: cell.into(),
            epoch,
            issued_at: NOW,
        };
        claims.encode(&operator()).unwrap()
    }

    /// A node that holds version 5 of some accounts, and revision 10 of epoch 1.
    struct Node {
        documents: HashMap<PublicKey, StoredDocument>,
        removed: HashMap<PublicKey, RemovedAt>,
        withheld: HashSet<PublicKey>,
        cursor: Option<Cursor>,
        complete: bool,
    }

    impl Node {
        fn with(accounts: u8) -> Self {
            let stored = |number| {
                let document = document(number, 5);
                let stored = StoredDocument {
                    epoch: 1,
                    version: 5,
                    account_jwt: document.account_jwt,
                    statement_jwt: document.statement_jwt,
                };
                (key(number), stored)
            };
            Self {
                documents: (0..accounts).map(stored).collect(),
                removed: HashMap::new(),
                withheld: HashSet::new(),
                cursor: Some(Cursor {
                    epoch: 1,
                    revision: 10,
                    mark: 0,
                }),
                complete: true,
            }
        }

        fn plan(&self, batch: Batch) -> Result<Plan, BatchRefused> {
            let held = Held {
                cell: "cel_1",
                documents: &self.documents,
                removed: &self.removed,
                withheld: &self.withheld,
                cursor: self.cursor,
                complete: self.complete,
            };
            plan(&held, batch, &trust(), NOW)
        }
    }

    fn batch(snapshot: bool, epoch: u64, revision: u64, accounts: Vec<fleet::AccountDocument>) -> Batch {
        Batch {
            snapshot,
            cursor: Cursor {
                epoch,
                revision,
                mark: 0,
            },
            accounts,
            removed: Vec::new(),
            request_id: String::new(),
            accounts_in_cell: None,
            epoch_statement: epoch_statement("cel_1", epoch),
        }
    }

    fn delta(accounts: Vec<fleet::AccountDocument>) -> Batch {
        batch(false, 1, 11, accounts)
    }

    fn put(plan: &Plan) -> Vec<(PublicKey, u64)> {
        plan.put
            .iter()
            .map(|(document, stored)| (document.claims.subject, stored.version))
            .collect()
    }

    fn codes(plan: &Plan) -> Vec<&str> {
        plan.refused.iter().map(|refusal| refusal.code.as_str()).collect()
    }

    #[test]
    fn document_that_does_not_validate_is_refused_alone() {
        let node = Node::with(2);
        let mut foreign = document(3, 1);
        foreign.statement_jwt = document(4, 1).statement_jwt;
        let mut mixed = document(3, 2);
        mixed.statement_jwt = document(3, 1).statement_jwt;
        let mut forged = document(3, 1);
        let changed = if forged.account_jwt.ends_with('A') {
            "B"
        } else {
            "A"
        };
        forged.account_jwt.replace_range(
            forged.account_jwt.len() - 2..forged.account_jwt.len() - 1,
            changed,
        );
        let stranger = Signer::generate(KeyKind::Operator, [9; 32]);
        let mut untrusted = document(3, 1);
        let claims = AccountClaims::new(stranger.public(), key(3), "account", NOW);
        untrusted.account_jwt = claims.encode(&stranger).unwrap();
        let plan = node.plan(delta(vec![
            document(0, 6),
            document(1, 4),
            fleet::AccountDocument {
                account: "x".repeat(1_000),
                ..document(3, 1)
            },
            fleet::AccountDocument {
                account_jwt: "no token".into(),
                ..document(3, 1)
            },
            foreign,
            mixed,
            forged,
            untrusted,
            document_with(3, 1, |claims| claims.expires_at = Some(NOW)),
            document_with(3, 1, |claims| claims.tollway = None),
            document_with(3, 1, |claims| {
                claims.limits = NatsLimits::default();
                let limits = TollwayLimits {
                    connections: Limit::AtMost(0),
                    subscriptions: Limit::AtMost(0),
                };
                claims.tollway = Some(TollwayClaim::new(1, limits));
            }),
            document(4, 1),
        ]));
        let plan = plan.unwrap();
        assert_eq!(put(&plan), [(key(0), 6), (key(4), 1)]);
        assert_eq!(
            codes(&plan),
            [
                "stale_version",
                "malformed",
                "malformed",
                "subject_mismatch",
                "statement_mismatch",
                "bad_signature",
                "untrusted_issuer",
                "expired",
                "statement_mismatch",
                "blank_limits",
            ]
        );
        assert_eq!(plan.refused[0].account, key(1).to_string());
        assert_eq!(plan.refused[1].account.len(), ACCOUNT_TEXT_MAX);
    }

    #[test]
    fn same_document_again_changes_nothing_unless_it_is_not_in_force() {
        let mut node = Node::with(1);
        assert_eq!(put(&node.plan(delta(vec![document(0, 5)])).unwrap()), []);
        node.withheld.insert(key(0));
        assert_eq!(
            put(&node.plan(delta(vec![document(0, 5)])).unwrap()),
            [(key(0), 5)]
        );
        // Signed again under the same version: taken.
        node.withheld.clear();
        let again = document_with(0, 5, |claims| claims.name = "other".into());
        assert_eq!(put(&node.plan(delta(vec![again])).unwrap()), [(key(0), 5)]);
    }

    #[test]
    fn versions_grow_within_a_batch_too() {
        let plan = Node::with(1)
            .plan(delta(vec![document(0, 7), document(0, 6), document(0, 5)]))
            .unwrap();
        assert_eq!(put(&plan), [(key(0), 7)]);
        assert_eq!(codes(&plan), ["stale_version", "stale_version"]);
    }

    #[test]
    fn delta_removes_what_it_names_and_nothing_else() {
        let node = Node::with(20);
        let removed = (0..19)
            .chain([99])
            .map(|number| key(number).to_string())
            .chain(["?".into()])
            .collect();
        let plan = node
            .plan(Batch {
                removed,
                ..delta(vec![])
            })
            .unwrap();
        assert_eq!(plan.removed.len(), 19);
        assert_eq!(codes(&plan), ["malformed"]);
    }

    #[test]
    fn delta_applies_only_on_top_of_what_it_was_made_for() {
        let mut node = Node::with(1);
        let revision_went_back = BatchRefused::RevisionWentBack { held: 10, found: 9 };
        assert_eq!(
            node.plan(batch(false, 1, 9, vec![])).unwrap_err(),
            revision_went_back
        );
        assert_eq!(
            node.plan(batch(false, 2, 11, vec![])).unwrap_err(),
            BatchRefused::OtherEpoch { held: 1, found: 2 }
        );
        assert!(node.plan(batch(false, 1, 10, vec![])).is_ok(), "sent again");
        node.complete = false;
        assert_eq!(node.plan(delta(vec![])).unwrap_err(), BatchRefused::BaseUnknown);
        node.cursor = None;
        assert_eq!(node.plan(delta(vec![])).unwrap_err(), BatchRefused::BaseUnknown);
    }

    #[test]
    fn snapshot_removes_what_it_does_not_name_and_a_refused_document_counts_as_named() {
        let mut bad = document(1, 6);
        bad.account_jwt.clear();
        let plan = Node::with(3)
            .plan(batch(true, 1, 11, vec![document(0, 5), bad]))
            .unwrap();
        assert_eq!(plan.removed, [key(2)]);
        assert_eq!(codes(&plan), ["malformed"]);
    }

    #[test]
    fn snapshot_that_looks_like_an_accident_is_refused_whole() {
        let some = |range: std::ops::Range<u8>| range.map(|number| document(number, 5)).collect::<Vec<_>>();
        let node = Node::with(10);
        assert_eq!(
            node.plan(batch(true, 1, 11, vec![])).unwrap_err(),
            BatchRefused::SnapshotEmpty { held: 10 }
        );
        assert_eq!(
            node.plan(batch(true, 1, 11, some(0..4))).unwrap_err(),
            BatchRefused::SnapshotRemovesMost { removed: 6, held: 10 }
        );
        assert_eq!(
            node.plan(batch(true, 1, 11, some(0..5))).unwrap().removed.len(),
            5
        );
        assert_eq!(
            node.plan(batch(true, 1, 9, some(0..10))).unwrap_err(),
            BatchRefused::RevisionWentBack { held: 10, found: 9 }
        );
        // Few accounts may go, but not all of them.
        let small = Node::with(9);
        assert_eq!(
            small.plan(batch(true, 1, 11, some(0..1))).unwrap().removed.len(),
            8
        );
        assert_eq!(
            small.plan(batch(true, 1, 11, vec![])).unwrap_err(),
            BatchRefused::SnapshotEmpty { held: 9 }
        );
        // A node that lost its cursor to a bad disk is as careful.
        let damaged = Node {
            cursor: None,
            complete: false,
            ..Node::with(10)
        };
        assert!(damaged.plan(batch(true, 1, 11, some(0..4))).is_err());
        assert!(Node::with(0).plan(batch(true, 1, 11, vec![])).is_ok());
    }

    #[test]
    fn snapshot_that_names_all_accounts_of_the_cell_is_believed_also_when_there_are_none() {
        let some = |range: std::ops::Range<u8>| range.map(|number| document(number, 5)).collect::<Vec<_>>();
        let counted = |epoch, accounts: Vec<_>, count| Batch {
            accounts_in_cell: Some(count),
            ..batch(true, epoch, 11, accounts)
        };
        let node = Node::with(10);
        for epoch in [1, 2] {
            assert_eq!(node.plan(counted(epoch, vec![], 0)).unwrap().removed.len(), 10);
            assert_eq!(
                node.plan(counted(epoch, vec![], 1)).unwrap_err(),
                BatchRefused::SnapshotEmpty { held: 10 }
            );
        }
        assert_eq!(node.plan(counted(1, some(0..1), 1)).unwrap().removed.len(), 9);
        assert_eq!(
            node.plan(counted(1, some(0..1), 2)).unwrap_err(),
            BatchRefused::SnapshotRemovesMost { removed: 9, held: 10 }
        );
        // The same account named twice is one.
        let twice = vec![document(0, 5), document(0, 5)];
        assert!(node.plan(counted(1, twice, 2)).is_err());
        // One that was created while the snapshot was read harms nobody.
        assert!(node.plan(counted(1, some(0..9), 10)).is_ok());
    }

    #[test]
    fn epochs_grow_and_only_the_operator_begins_one() {
        let mut node = Node::with(2);
        let replay = || vec![document(0, 4), document(1, 4)];
        let as_of = |cell: &str, signed| Batch {
            epoch_statement: epoch_statement(cell, signed),
            ..batch(true, 2, 1, replay())
        };
        for statement in [
            Batch {
                epoch_statement: String::new(),
                ..batch(true, 2, 1, replay())
            },
            as_of("cel_1", 1),
            as_of("cel_1", 3),
            as_of("cel_2", 2),
        ] {
            assert_eq!(node.plan(statement).unwrap_err().code(), "epoch_not_begun");
        }
        let stranger = Signer::generate(KeyKind::Operator, [9; 32]);
        let forged = EpochClaims {
            issuer: stranger.public(),
            cell: "cel_1".into(),
            epoch: 2,
            issued_at: NOW,
        };
        let forged = Batch {
            epoch_statement: forged.encode(&stranger).unwrap(),
            ..batch(true, 2, 1, replay())
        };
        assert_eq!(node.plan(forged).unwrap_err().code(), "epoch_not_begun");
        assert_eq!(put(&node.plan(as_of("cel_1", 2)).unwrap()).len(), 2);

        // One that was begun, and is over.
        assert_eq!(
            node.plan(batch(true, 0, 99, replay())).unwrap_err(),
            BatchRefused::EpochWentBack { held: 1, found: 0 }
        );
        assert_eq!(
            node.plan(batch(false, 0, 99, replay())).unwrap_err().code(),
            "epoch_went_back"
        );
        // Also when the cursor was lost to a bad disk: the documents know it.
        (node.cursor, node.complete) = (None, false);
        assert_eq!(
            node.plan(batch(true, 0, 99, replay())).unwrap_err().code(),
            "epoch_went_back"
        );
        assert_eq!(
            codes(&node.plan(batch(true, 1, 1, replay())).unwrap()),
            ["stale_version"; 2]
        );

        // A node that holds nothing takes up an epoch with the statement, too.
        let empty = Node {
            cursor: None,
            ..Node::with(0)
        };
        let unsigned = Batch {
            epoch_statement: String::new(),
            ..batch(true, 1, 1, replay())
        };
        assert_eq!(empty.plan(unsigned).unwrap_err().code(), "epoch_not_begun");
        assert_eq!(put(&empty.plan(batch(true, 1, 1, replay())).unwrap()).len(), 2);
    }

    #[test]
    fn account_that_was_removed_does_not_come_back_with_an_older_document() {
        let mut node = Node::with(1);
        node.removed.insert(key(7), RemovedAt { epoch: 1, version: 5 });
        let plan = node.plan(delta(vec![document(7, 4)])).unwrap();
        assert_eq!((put(&plan), codes(&plan)), (vec![], vec!["stale_version"]));
        assert_eq!(
            put(&node.plan(delta(vec![document(7, 5)])).unwrap()),
            [(key(7), 5)]
        );
        let renewed = batch(true, 2, 1, vec![document(7, 1)]);
        assert_eq!(put(&node.plan(renewed).unwrap()), [(key(7), 1)]);
        // Nor within one update.
        let at_once = Batch {
            removed: vec![key(0).to_string()],
            ..delta(vec![document(0, 4)])
        };
        assert_eq!(codes(&node.plan(at_once).unwrap()), ["stale_version"]);
    }

    #[test]
    fn in_a_new_epoch_everything_may_run_backwards_but_nothing_may_vanish() {
        let node = Node::with(10);
        let restored = batch(true, 2, 3, vec![document(0, 2), document(1, 5)]);
        let plan = node.plan(restored).unwrap();
        assert_eq!(put(&plan), [(key(0), 2), (key(1), 5)]);
        assert!(plan.put.iter().all(|(_, stored)| stored.epoch == 2));
        assert_eq!(plan.removed.len(), 8);
        assert_eq!(
            node.plan(batch(true, 2, 3, vec![])).unwrap_err(),
            BatchRefused::SnapshotEmpty { held: 10 }
        );
    }
}
