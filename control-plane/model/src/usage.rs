//! Usage: what accounts sent and received.

use time::OffsetDateTime;

use crate::{AccountId, AccountKey, BootId};

/// Sums of usage. Bytes are subject, reply subject, header block and payload of messages, without
/// protocol framing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// Messages accepted from the account's clients.
    pub messages_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages written towards the account's clients.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Connections opened.
    pub connections_opened: u64,
}

impl UsageTotals {
    /// Both together; a sum beyond what fits stays at the largest number instead of wrapping to a small bill.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            messages_in: self.messages_in.saturating_add(other.messages_in),
            bytes_in: self.bytes_in.saturating_add(other.bytes_in),
            messages_out: self.messages_out.saturating_add(other.messages_out),
            bytes_out: self.bytes_out.saturating_add(other.bytes_out),
            connections_opened: self.connections_opened.saturating_add(other.connections_opened),
        }
    }
}

/// What one account used in one hour, over all nodes and their runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageHour {
    /// When the hour begins (UTC).
    pub hour: OffsetDateTime,
    /// What was used in it.
    pub usage: UsageTotals,
}

/// What one account of an organization used in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountUsage {
    /// The account.
    pub account_id: AccountId,
    /// What it used.
    pub usage: UsageTotals,
}

/// What a node counted: cumulative within one (boot, account, hour).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The run of the node that counted; runs that are over may still be reported.
    pub boot_id: BootId,
    /// The account that used it.
    pub account: AccountKey,
    /// When the hour begins, seconds since 1970.
    pub hour_unix: i64,
    /// What was used in it so far.
    pub usage: UsageTotals,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_fit_stays_at_the_largest_number() {
        let most = UsageTotals {
            bytes_in: u64::MAX,
            ..Default::default()
        };
        let sum = most.plus(&UsageTotals {
            bytes_in: 1,
            messages_in: 2,
            ..Default::default()
        });
        assert_eq!((sum.bytes_in, sum.messages_in), (u64::MAX, 2));
    }
}
