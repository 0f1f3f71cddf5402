//! A new history of a cell: when one may begin, and with which number.
//!
//! In a new epoch a node takes documents that are older than those it has. It begins by itself when a node
//! holds what the database does not know, because that is what a restore looks like. Somebody who puts single
//! rows back looks nearly the same; so before we sign, everything that is written together must fit together.

use std::time::Duration;

use tollway_claims::{EpochClaims, PublicKey, StatementClaims, Trust, TrustError};
use tollway_datastore::Publication;
use tollway_model::{AccountKey, Cell};

use crate::bounds::EPOCH_AHEAD_MAX;

/// Why no epoch is begun: the database says what no control plane wrote.
#[derive(Debug, thiserror::Error)]
pub(super) enum EpochDoubt {
    #[error("our own operator JWT is not acceptable")]
    Operator {
        #[source]
        source: TrustError,
    },
    #[error("the epoch {epoch} of the cell is not the one that was signed for it")]
    Cell {
        epoch: u64,
        #[source]
        source: TrustError,
    },
    #[error("the document of the account {account} is not signed by the operator")]
    Unsigned {
        account: AccountKey,
        #[source]
        source: TrustError,
    },
    #[error("a document of {found} is stored for the account {account}")]
    OtherAccount { account: AccountKey, found: PublicKey },
    #[error("the stored document of the account {account} has version {found}, the account {expected}")]
    Version {
        account: AccountKey,
        expected: u64,
        found: u64,
    },
    #[error("whether the account {account} is suspended is not what its document says")]
    Suspension { account: AccountKey },
}

/// The number of the next epoch: later than both histories, and the time otherwise.
///
/// A node says what it holds. One that says a number without measure is not followed: it would leave no
/// greater ones for its cell.
pub(super) fn next_epoch(of_cell: u64, of_node: u64, now_ms: u64) -> u64 {
    let bound = now_ms.saturating_add(duration_ms(EPOCH_AHEAD_MAX));
    let of_node = if of_node < bound { of_node } else { 0 };
    of_cell.max(of_node).saturating_add(1).max(now_ms)
}

fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the cell's epoch is one that was signed for it.
pub(super) fn check_cell(trust: &Trust, cell: &Cell, now: i64) -> Result<EpochClaims, EpochDoubt> {
    let epoch = cell.cursor.epoch;
    trust
        .verify_epoch(&cell.epoch_statement, &cell.id.to_string(), epoch, now)
        .map_err(|source| EpochDoubt::Cell { epoch, source })
}

/// Whether a stored document is the one that was published last for its account.
pub(super) fn check_publication(trust: &Trust, stored: &Publication, now: i64) -> Result<(), EpochDoubt> {
    let account = || stored.account.clone();
    let StatementClaims {
        subject,
        version,
        suspended,
        ..
    } = trust
        .verify_statement(&stored.statement_jwt, now)
        .map_err(|source| EpochDoubt::Unsigned {
            account: account(),
            source,
        })?;
    if subject.to_string() != stored.account.as_str() {
        return Err(EpochDoubt::OtherAccount {
            account: account(),
            found: subject,
        });
    }
    if version != stored.version {
        return Err(EpochDoubt::Version {
            account: account(),
            expected: stored.version,
            found: version,
        });
    }
    if suspended.is_some() != stored.suspended {
        return Err(EpochDoubt::Suspension { account: account() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tollway_claims::{KeyKind, OperatorClaims, Signer};

    use super::*;

    fn operator() -> Signer {
        Signer::generate(KeyKind::Operator, [1; 32])
    }

    fn trust() -> Trust {
        let claims = OperatorClaims::new(operator().public(), "demo", 1_000);
        Trust::from_operator_jwt(&claims.encode(&operator()).unwrap()).unwrap()
    }

    fn stored(signer: &Signer) -> Publication {
        let account = Signer::generate(KeyKind::Account, [3; 32]).public();
        let statement = StatementClaims {
            issuer: signer.public(),
            subject: account,
            issued_at: 1_000,
            version: 7,
            suspended: Some("unpaid".into()),
        };
        Publication {
            account: account.to_string().parse().unwrap(),
            statement_jwt: statement.encode(signer).unwrap(),
            version: 7,
            suspended: true,
        }
    }

    #[test]
    fn an_epoch_is_later_than_what_the_cell_and_its_node_have_whatever_the_clock_says() {
        assert_eq!(next_epoch(5, 3, 1_000), 1_000);
        assert_eq!(next_epoch(2_000, 3, 1_000), 2_001);
        assert_eq!(next_epoch(2_000, 3_000, 1_000), 3_001);
        assert_eq!(
            next_epoch(2_000, u64::MAX, 1_000),
            2_001,
            "a node that makes it up"
        );
    }

    #[test]
    fn what_was_published_is_believed() {
        check_publication(&trust(), &stored(&operator()), 2_000).unwrap();
    }

    #[test]
    fn an_older_document_and_one_of_somebody_else_are_doubted() {
        let other = Signer::generate(KeyKind::Account, [4; 32]).public();
        let stranger = Signer::generate(KeyKind::Operator, [9; 32]);
        let good = stored(&operator());
        for doubted in [
            Publication {
                version: 8,
                ..good.clone()
            },
            Publication {
                suspended: false,
                ..good.clone()
            },
            Publication {
                account: other.to_string().parse().unwrap(),
                ..good
            },
            stored(&stranger),
        ] {
            check_publication(&trust(), &doubted, 2_000).unwrap_err();
        }
    }
}
