//! Accounts: isolated messaging for one purpose of an organization.

use std::str::FromStr;

use time::OffsetDateTime;

use crate::{
    AccountId, AccountKey, AccountLimits, CellId, InvalidPublicKey, Name, OrganizationId, SuspensionReason,
};

/// A NATS account as its organization knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What it is in ids and rows.
    pub id: AccountId,
    /// The organization that owns it.
    pub organization_id: OrganizationId,
    /// The cell that serves it; `None` only for the system account, which every cell serves.
    pub cell: Option<AccountCell>,
    /// Unique in the organization.
    pub name: Name,
    /// The NATS account key.
    pub public_key: AccountKey,
    /// The key that signs the account's users.
    pub signing_public_key: AccountKey,
    /// What it may have open; never beyond what was granted.
    pub limits: AccountLimits,
    /// What the platform granted: the organization may set limits up to it.
    pub limits_granted: AccountLimits,
    /// Where it is in its life.
    pub stage: AccountStage,
    /// Version of its newest document: 0 before the first one, then growing by one.
    pub version: u64,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// What is open now.
    pub live: AccountLive,
}

/// The cell of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCell {
    /// What the cell is in ids and rows.
    pub id: CellId,
    /// What people call the cell.
    pub name: Name,
}

/// What is open in an account, as its cell last reported: some seconds old, zero before the first report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountLive {
    /// Client connections.
    pub connections: u32,
    /// Subscriptions of all connections together.
    pub subscriptions: u32,
    /// When the node reported; `None` before its first report.
    pub reported_at: Option<OffsetDateTime>,
}

/// How the outside names an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountRef {
    /// By its id, `acc_...`.
    Id(AccountId),
    /// By its NATS account key, `A...`.
    Key(AccountKey),
}

impl FromStr for AccountRef {
    type Err = InvalidPublicKey;

    /// An id or a public key. The error only says what a key looks like: the caller answers "not found"
    /// for both kinds of nonsense.
    fn from_str(text: &str) -> Result<Self, InvalidPublicKey> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Key),
        }
    }
}

impl From<AccountId> for AccountRef {
    fn from(id: AccountId) -> Self {
        Self::Id(id)
    }
}

/// Who suspended an account, and so who may resume it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuspendedBy {
    /// A platform admin; no member of the organization may resume it.
    Platform,
    /// Somebody of the organization that owns it.
    Organization,
}

impl SuspendedBy {
    /// The word for it in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Organization => "organization",
        }
    }
}

/// A text that names neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an account is suspended by the platform or by its organization")]
pub struct InvalidSuspendedBy;

impl FromStr for SuspendedBy {
    type Err = InvalidSuspendedBy;

    fn from_str(text: &str) -> Result<Self, InvalidSuspendedBy> {
        [Self::Platform, Self::Organization]
            .into_iter()
            .find(|by| by.as_str() == text)
            .ok_or(InvalidSuspendedBy)
    }
}

/// The life of an account. Every step takes the stage and gives the next one, or refuses.
///
/// ```text
/// Serving ──suspend──► Suspended ──resume──► Serving
///    └──────delete──────────┴─────► Deleted (the end)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountStage {
    /// Clients may connect.
    Serving,
    /// Clients are cut off; nothing is lost.
    Suspended {
        /// When it was suspended first.
        since: OffsetDateTime,
        /// Shown to the tenant.
        reason: SuspensionReason,
        /// Who may resume it.
        by: SuspendedBy,
    },
    /// Gone for good. Its name may be used again, its keys never.
    Deleted {
        /// When it was deleted.
        since: OffsetDateTime,
    },
}

/// A step that an account at this stage does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransition {
    /// It was deleted.
    #[error("the account was deleted")]
    Deleted,
    /// The platform suspended it, and somebody of the organization asked.
    #[error("the platform suspended the account: {reason}")]
    SuspendedByPlatform {
        /// Why.
        reason: SuspensionReason,
    },
}

impl AccountStage {
    /// Cuts the account off. One that is suspended stays so since then, with the new reason: the caller
    /// may be repeating a request whose answer was lost. The platform may take a suspension of the
    /// organization over; the other way round, the platform's reason would be lost.
    ///
    /// # Errors
    /// The account was deleted, or the platform's suspension is not the caller's to change.
    pub fn suspend(
        self,
        now: OffsetDateTime,
        reason: SuspensionReason,
        by: SuspendedBy,
    ) -> Result<Self, InvalidTransition> {
        match self.changeable_by(by)? {
            Self::Suspended { since, .. } => Ok(Self::Suspended { since, reason, by }),
            _ => Ok(Self::Suspended {
                since: now,
                reason,
                by,
            }),
        }
    }

    /// Lets clients in again. One that is serving goes on serving.
    ///
    /// # Errors
    /// The account was deleted, or the platform's suspension is not the caller's to lift.
    pub fn resume(self, by: SuspendedBy) -> Result<Self, InvalidTransition> {
        self.changeable_by(by).map(|_| Self::Serving)
    }

    fn changeable_by(self, by: SuspendedBy) -> Result<Self, InvalidTransition> {
        match (self, by) {
            (Self::Deleted { .. }, _) => Err(InvalidTransition::Deleted),
            (
                Self::Suspended {
                    reason,
                    by: SuspendedBy::Platform,
                    ..
                },
                SuspendedBy::Organization,
            ) => Err(InvalidTransition::SuspendedByPlatform { reason }),
            (stage, _) => Ok(stage),
        }
    }

    /// Ends the account.
    ///
    /// # Errors
    /// The account was deleted before.
    pub fn delete(self, now: OffsetDateTime) -> Result<Self, InvalidTransition> {
        match self {
            Self::Serving | Self::Suspended { .. } => Ok(Self::Deleted { since: now }),
            Self::Deleted { .. } => Err(InvalidTransition::Deleted),
        }
    }

    /// Why the account is suspended; `None` when it is not.
    pub fn suspended_reason(&self) -> Option<&SuspensionReason> {
        match self {
            Self::Suspended { reason, .. } => Some(reason),
            Self::Serving | Self::Deleted { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn suspending_twice_keeps_the_first_time_and_the_last_reason() {
        let once = AccountStage::Serving
            .suspend(at(1), "unpaid".parse().unwrap(), SuspendedBy::Organization)
            .unwrap();
        let twice = once
            .suspend(at(2), "abuse".parse().unwrap(), SuspendedBy::Organization)
            .unwrap();
        assert_eq!(
            twice,
            AccountStage::Suspended {
                since: at(1),
                reason: "abuse".parse().unwrap(),
                by: SuspendedBy::Organization,
            }
        );
        assert_eq!(twice.suspended_reason().unwrap().as_str(), "abuse");
        assert_eq!(twice.resume(SuspendedBy::Organization), Ok(AccountStage::Serving));
    }

    #[test]
    fn what_the_platform_suspended_only_the_platform_resumes() {
        let suspend = |stage: AccountStage, by| stage.suspend(at(1), "unpaid".parse().unwrap(), by);
        let own = suspend(AccountStage::Serving, SuspendedBy::Organization).unwrap();
        let taken_over = suspend(own.clone(), SuspendedBy::Platform).unwrap();
        let refused = InvalidTransition::SuspendedByPlatform {
            reason: "unpaid".parse().unwrap(),
        };
        assert_eq!(
            taken_over.clone().resume(SuspendedBy::Organization),
            Err(refused.clone())
        );
        // Suspending it again would make it the organization's own, to be resumed next.
        assert_eq!(
            suspend(taken_over.clone(), SuspendedBy::Organization),
            Err(refused)
        );
        assert_eq!(
            taken_over.resume(SuspendedBy::Platform),
            Ok(AccountStage::Serving)
        );
        assert_eq!(own.resume(SuspendedBy::Platform), Ok(AccountStage::Serving));
        for by in [SuspendedBy::Platform, SuspendedBy::Organization] {
            assert_eq!(by.as_str().parse(), Ok(by));
        }
    }

    #[test]
    fn resuming_a_serving_account_changes_nothing() {
        assert_eq!(
            AccountStage::Serving.resume(SuspendedBy::Organization),
            Ok(AccountStage::Serving)
        );
    }

    #[test]
    fn a_deleted_account_takes_no_step_any_more() {
        let deleted = AccountStage::Serving.delete(at(1)).unwrap();
        let by = SuspendedBy::Platform;
        assert_eq!(deleted.clone().resume(by), Err(InvalidTransition::Deleted));
        assert_eq!(
            deleted.clone().suspend(at(2), "x".parse().unwrap(), by),
            Err(InvalidTransition::Deleted)
        );
        assert_eq!(deleted.delete(at(2)), Err(InvalidTransition::Deleted));
    }

    #[test]
    fn an_account_is_named_by_id_or_by_key() {
        let id = AccountId::new(1, [1; 10]);
        assert_eq!(id.to_string().parse(), Ok(AccountRef::Id(id)));
        let key = format!("A{}", "B".repeat(55));
        assert_eq!(key.parse(), Ok(AccountRef::Key(key.parse().unwrap())));
        assert!("orders".parse::<AccountRef>().is_err());
    }
}
