//! What an account used.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tollway_model as model;
use utoipa::ToSchema;

/// Usage of an account, by hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountUsage {
    /// Begin of the first hour asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// End of the last hour asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub to: OffsetDateTime,
    /// Hours in which something was counted, oldest first.
    pub hours: Vec<UsageHour>,
    /// The sum of `hours`.
    pub total: UsageTotals,
}

/// Usage of one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageHour {
    /// When the hour begins.
    #[serde(with = "time::serde::rfc3339")]
    pub hour: OffsetDateTime,
    /// What was used in it.
    pub usage: UsageTotals,
}

/// Sums. Bytes are subjects, reply subjects, headers and payloads, without protocol framing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageTotals {
    /// Messages the node accepted from the account's clients.
    pub messages_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages the node sent to the account's clients.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Connections opened.
    pub connections_opened: u64,
}

impl From<model::UsageTotals> for UsageTotals {
    fn from(totals: model::UsageTotals) -> Self {
        Self {
            messages_in: totals.messages_in,
            bytes_in: totals.bytes_in,
            messages_out: totals.messages_out,
            bytes_out: totals.bytes_out,
            connections_opened: totals.connections_opened,
        }
    }
}

impl From<model::UsageHour> for UsageHour {
    fn from(hour: model::UsageHour) -> Self {
        Self {
            hour: hour.hour,
            usage: hour.usage.into(),
        }
    }
}
