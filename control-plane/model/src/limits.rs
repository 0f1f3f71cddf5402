//! What an account may have open at the same time.

use crate::field::{FieldError, InvalidFields};

/// Largest message that an account may be given, in bytes. Nodes hold a message whole in memory.
pub const PAYLOAD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Most connections or subscriptions that can be written down; more is "unlimited".
const COUNT_MAX: u64 = 1_000_000_000;

/// A limit, or none. Outside of Rust, -1 is "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit(Option<u64>);

impl Limit {
    /// No limit.
    pub const UNLIMITED: Self = Self(None);

    /// The limit; `None` when there is none.
    pub const fn get(self) -> Option<u64> {
        self.0
    }

    /// The number as the API, the database and NATS tokens write it: -1 is unlimited.
    pub fn raw(self) -> i64 {
        match self.0 {
            None => -1,
            Some(limit) => i64::try_from(limit).expect("no limit is above PAYLOAD_BYTES_MAX or COUNT_MAX"),
        }
    }

    /// Whether this lets no more through than `ceiling`.
    fn is_within(self, ceiling: Self) -> bool {
        match (self.0, ceiling.0) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(limit), Some(ceiling)) => limit <= ceiling,
        }
    }

    fn from_raw(raw: i64, max: u64) -> Option<Self> {
        match u64::try_from(raw) {
            Err(_) => (raw == -1).then_some(Self::UNLIMITED),
            Ok(limit) => (1..=max).contains(&limit).then_some(Self(Some(limit))),
        }
    }
}

/// Totals of one account. Zero is no limit's value: to keep clients out, an account is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountLimits {
    /// Client connections open at the same time.
    pub connections: Limit,
    /// Subscriptions of all connections together.
    pub subscriptions: Limit,
    /// Largest message (header block and payload) in bytes, at most [`PAYLOAD_BYTES_MAX`].
    pub payload_bytes: Limit,
}

/// A change of some limits; `None` leaves a limit as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountLimitsChange {
    /// Replaces the limit of connections; -1 is unlimited.
    pub connections: Option<i64>,
    /// Replaces the limit of subscriptions; -1 is unlimited.
    pub subscriptions: Option<i64>,
    /// Replaces the size of the largest message; -1 is unlimited.
    pub payload_bytes: Option<i64>,
}

impl AccountLimits {
    /// Checks limits from outside, where -1 is unlimited.
    ///
    /// # Errors
    /// Every limit that is neither -1 nor in its range.
    pub fn new(connections: i64, subscriptions: i64, payload_bytes: i64) -> Result<Self, InvalidFields> {
        let mut errors = Vec::new();
        let mut limit = |field: &str, raw, max| {
            Limit::from_raw(raw, max).unwrap_or_else(|| {
                errors.push(FieldError {
                    field: field.to_owned(),
                    code: "out_of_range",
                    detail: format!("must be -1 (unlimited) or 1 to {max}"),
                });
                Limit::UNLIMITED
            })
        };
        let limits = Self {
            connections: limit("connections", connections, COUNT_MAX),
            subscriptions: limit("subscriptions", subscriptions, COUNT_MAX),
            payload_bytes: limit("payload_bytes", payload_bytes, PAYLOAD_BYTES_MAX),
        };
        InvalidFields::none_in(errors)?;
        Ok(limits)
    }

    /// Checks that no limit is beyond the one that was granted.
    ///
    /// # Errors
    /// Every limit that is, with what was granted.
    pub fn check_within(&self, granted: &Self) -> Result<(), InvalidFields> {
        let fields = [
            ("connections", self.connections, granted.connections),
            ("subscriptions", self.subscriptions, granted.subscriptions),
            ("payload_bytes", self.payload_bytes, granted.payload_bytes),
        ];
        let errors = fields
            .into_iter()
            .filter(|(_, limit, ceiling)| !limit.is_within(*ceiling))
            .map(|(field, _, ceiling)| FieldError {
                field: field.to_owned(),
                code: "above_grant",
                detail: format!(
                    "must be 1 to {}, which is what the platform granted",
                    ceiling.raw()
                ),
            })
            .collect();
        InvalidFields::none_in(errors)
    }

    /// These limits with a change applied.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn changed(self, change: &AccountLimitsChange) -> Result<Self, InvalidFields> {
        Self::new(
            change.connections.unwrap_or(self.connections.raw()),
            change.subscriptions.unwrap_or(self.subscriptions.raw()),
            change.payload_bytes.unwrap_or(self.payload_bytes.raw()),
        )
    }
}

impl Default for AccountLimits {
    /// What a new account gets when nobody says otherwise: room for a team's services, and the
    /// payload size that NATS servers have by default.
    fn default() -> Self {
        Self {
            connections: Limit(Some(1_000)),
            subscriptions: Limit(Some(100_000)),
            payload_bytes: Limit(Some(1024 * 1024)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_is_unlimited_and_reads_back() {
        let limits = AccountLimits::new(-1, 1, 64 * 1024 * 1024).unwrap();
        assert_eq!(limits.connections.get(), None);
        let raw = [
            limits.connections.raw(),
            limits.subscriptions.raw(),
            limits.payload_bytes.raw(),
        ];
        assert_eq!(raw, [-1, 1, 64 * 1024 * 1024]);
    }

    #[test]
    fn every_limit_out_of_range_is_named() {
        let error = AccountLimits::new(0, -2, 64 * 1024 * 1024 + 1).unwrap_err();
        let fields: Vec<_> = error.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["connections", "subscriptions", "payload_bytes"]);
        assert!(AccountLimits::new(i64::MIN, i64::MAX, 0).is_err());
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let limits = AccountLimits::default();
        let change = AccountLimitsChange {
            connections: Some(-1),
            ..Default::default()
        };
        let changed = limits.changed(&change).unwrap();
        assert_eq!(
            changed,
            AccountLimits {
                connections: Limit::UNLIMITED,
                ..limits
            }
        );
        let bad = AccountLimitsChange {
            payload_bytes: Some(0),
            ..Default::default()
        };
        assert_eq!(
            limits.changed(&bad).unwrap_err().errors()[0].field,
            "payload_bytes"
        );
    }

    #[test]
    fn limits_beyond_the_grant_are_all_named_with_the_ceiling() {
        let granted = AccountLimits::new(10, 20, -1).unwrap();
        for within in [(10, 20, -1), (1, 1, 1)] {
            let limits = AccountLimits::new(within.0, within.1, within.2).unwrap();
            assert_eq!(limits.check_within(&granted), Ok(()));
        }
        let beyond = AccountLimits::new(11, -1, -1).unwrap();
        let error = beyond.check_within(&granted).unwrap_err();
        let errors: Vec<_> = error
            .errors()
            .iter()
            .map(|error| {
                (
                    error.field.as_str(),
                    error.code,
                    error.detail.contains("1 to 10,"),
                )
            })
            .collect();
        assert_eq!(
            errors,
            [
                ("connections", "above_grant", true),
                ("subscriptions", "above_grant", false)
            ]
        );
    }

    #[test]
    fn the_default_limits_are_valid_limits() {
        let limits = AccountLimits::default();
        assert_eq!(limits.changed(&AccountLimitsChange::default()), Ok(limits));
    }
}
