//! Usage: what nodes counted, and what accounts are billed.

use time::{Duration, OffsetDateTime};
use tollway_model::{AccountId, AccountUsage, NodeId, UsageHour, UsageRow, UsageTotals};
use uuid::Uuid;

use crate::bounds::{
    USAGE_AHEAD_MAX, USAGE_HOUR_BYTES_MAX, USAGE_HOUR_CONNECTIONS_MAX, USAGE_HOUR_MESSAGES_MAX,
    USAGE_LATE_MAX,
};
use crate::error::{DatastoreError, failed_to};
use crate::row::{Reader, to_bigint};
use crate::{SystemTx, TenantTx};

/// Seconds of an hour.
const HOUR: i64 = 3600;

/// What became of a node's report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageStored {
    /// Rows that are in the ledger now, be it from this report or from an earlier one.
    pub stored: usize,
    /// Rows that were left out, of accounts that the node's cell was never given. Repeating these and the
    /// next ones changes nothing.
    pub foreign: usize,
    /// Rows of hours too long ago, or that have not begun, which were billed in the nearest hour that may be.
    pub moved: usize,
    /// Rows that were left out, of hours that do not begin on the hour or are of no time.
    pub untimely: usize,
    /// Rows that were left out, of more than a node can do in an hour.
    pub absurd: usize,
}

impl UsageStored {
    /// Rows that were left out, for whatever reason.
    pub fn left_out(&self) -> usize {
        self.foreign + self.untimely + self.absurd
    }
}

/// The beginning of the hour that this time is in.
fn hour_of(time: OffsetDateTime) -> OffsetDateTime {
    time - Duration::seconds(time.unix_timestamp().rem_euclid(HOUR))
        - Duration::nanoseconds(time.nanosecond().into())
}

/// Whether a node can have counted this in one hour.
fn is_possible(usage: &UsageTotals) -> bool {
    usage.messages_in.max(usage.messages_out) <= USAGE_HOUR_MESSAGES_MAX
        && usage.bytes_in.max(usage.bytes_out) <= USAGE_HOUR_BYTES_MAX
        && usage.connections_opened <= USAGE_HOUR_CONNECTIONS_MAX
}

pub(crate) fn usage_from_row(row: &Reader<'_>) -> Result<UsageTotals, DatastoreError> {
    Ok(UsageTotals {
        messages_in: row.count("messages_in")?,
        bytes_in: row.count("bytes_in")?,
        messages_out: row.count("messages_out")?,
        bytes_out: row.count("bytes_out")?,
        connections_opened: row.count("connections_opened")?,
    })
}

/// The columns of a report, which is how Postgres takes many rows in one statement.
#[derive(Default)]
struct UsageColumns {
    boots: Vec<Uuid>,
    accounts: Vec<String>,
    hours: Vec<OffsetDateTime>,
    counted_hours: Vec<OffsetDateTime>,
    messages_in: Vec<i64>,
    bytes_in: Vec<i64>,
    messages_out: Vec<i64>,
    bytes_out: Vec<i64>,
    connections_opened: Vec<i64>,
}

impl UsageColumns {
    /// Leaves out rows of hours and with counts that cannot be, and says how many.
    ///
    /// An hour that was told by a wrong clock was used all the same: it moves to where bills are still open.
    fn from_rows(rows: &[UsageRow], now: OffsetDateTime) -> (Self, UsageStored) {
        let first = hour_of(now - USAGE_LATE_MAX + Duration::seconds(HOUR - 1));
        let last = hour_of(now + USAGE_AHEAD_MAX);
        let mut columns = Self::default();
        let mut outcome = UsageStored::default();
        for row in rows {
            let counted = match OffsetDateTime::from_unix_timestamp(row.hour_unix) {
                Ok(hour) if row.hour_unix >= 0 && row.hour_unix % HOUR == 0 => hour,
                _ => {
                    outcome.untimely += 1;
                    continue;
                }
            };
            if !is_possible(&row.usage) {
                outcome.absurd += 1;
                continue;
            }
            let hour = counted.clamp(first, last);
            outcome.moved += usize::from(hour != counted);
            columns.boots.push(row.boot_id.uuid());
            columns.accounts.push(row.account.to_string());
            columns.hours.push(hour);
            columns.counted_hours.push(counted);
            columns.messages_in.push(to_bigint(row.usage.messages_in));
            columns.bytes_in.push(to_bigint(row.usage.bytes_in));
            columns.messages_out.push(to_bigint(row.usage.messages_out));
            columns.bytes_out.push(to_bigint(row.usage.bytes_out));
            columns
                .connections_opened
                .push(to_bigint(row.usage.connections_opened));
        }
        (columns, outcome)
    }
}

impl SystemTx {
    /// Stores what a node counted. Values are cumulative within (boot, account, hour) and only grow, so a
    /// report that is repeated, late or out of order counts once.
    ///
    /// A node bills only accounts that its own cell was given at some time, only in hours of the last
    /// [`USAGE_LATE_MAX`], and no more than a node can do. What it counted in an hour outside is billed in
    /// the nearest one; which one that is, is decided when the row is told for the first time.
    pub async fn usage_store(
        &mut self,
        node: NodeId,
        rows: &[UsageRow],
        now: OffsetDateTime,
    ) -> Result<UsageStored, DatastoreError> {
        let (columns, mut outcome) = UsageColumns::from_rows(rows, now);
        let possible = columns.boots.len();
        // The rows are written in the order of their key: two transactions then cannot wait for each other.
        let stored: i64 = sqlx::query_scalar(
            "WITH known AS (
                 SELECT
                     document.organization_id, document.account_id, node.id AS node_id,
                     reported.boot_id, reported.hour, reported.counted_hour,
                     reported.messages_in, reported.bytes_in, reported.messages_out, reported.bytes_out,
                     reported.connections_opened
                 FROM UNNEST(
                     $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[],
                     $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]
                 ) AS reported (
                     boot_id, account_key, hour, counted_hour,
                     messages_in, bytes_in, messages_out, bytes_out, connections_opened
                 )
                 JOIN node ON node.id = $1
                 JOIN cell_document AS document
                   ON document.cell_id = node.cell_id
                  AND document.account_key = reported.account_key
             ),
             written AS (
                 INSERT INTO usage_hour (
                     organization_id, account_id, hour, counted_hour, node_id, boot_id,
                     messages_in, bytes_in, messages_out, bytes_out, connections_opened)
                 SELECT
                     organization_id, account_id, hour, counted_hour, node_id, boot_id,
                     max(messages_in), max(bytes_in), max(messages_out), max(bytes_out),
                     max(connections_opened)
                 FROM known
                 GROUP BY organization_id, account_id, hour, counted_hour, node_id, boot_id
                 ORDER BY account_id, counted_hour, node_id, boot_id
                 ON CONFLICT (account_id, counted_hour, node_id, boot_id) DO UPDATE
                 SET messages_in = greatest(usage_hour.messages_in, excluded.messages_in),
                     bytes_in = greatest(usage_hour.bytes_in, excluded.bytes_in),
                     messages_out = greatest(usage_hour.messages_out, excluded.messages_out),
                     bytes_out = greatest(usage_hour.bytes_out, excluded.bytes_out),
                     connections_opened = greatest(usage_hour.connections_opened, excluded.connections_opened)
             )
             SELECT count(*) FROM known",
        )
        .bind(node.uuid())
        .bind(columns.boots)
        .bind(columns.accounts)
        .bind(columns.hours)
        .bind(columns.counted_hours)
        .bind(columns.messages_in)
        .bind(columns.bytes_in)
        .bind(columns.messages_out)
        .bind(columns.bytes_out)
        .bind(columns.connections_opened)
        .fetch_one(self.connection())
        .await
        .map_err(failed_to("store usage"))?;
        outcome.stored = usize::try_from(stored).unwrap_or_default();
        outcome.foreign = possible.saturating_sub(outcome.stored);
        Ok(outcome)
    }
}

impl TenantTx {
    /// What an account used, by hour, oldest first: hours that begin at or after `from` and before `to`,
    /// without those in which nothing was counted.
    pub async fn usage_hours(
        &mut self,
        account: AccountId,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> Result<Vec<UsageHour>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT
                 hour, account_id,
                 least(sum(messages_in), 9223372036854775807)::bigint AS messages_in,
                 least(sum(bytes_in), 9223372036854775807)::bigint AS bytes_in,
                 least(sum(messages_out), 9223372036854775807)::bigint AS messages_out,
                 least(sum(bytes_out), 9223372036854775807)::bigint AS bytes_out,
                 least(sum(connections_opened), 9223372036854775807)::bigint AS connections_opened
             FROM usage_hour
             WHERE organization_id = $1
               AND account_id = $2
               AND hour >= $3
               AND hour < $4
             GROUP BY account_id, hour
             ORDER BY hour",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(from)
        .bind(to)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("read the account's usage"))?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "usage_hour", "account_id");
                Ok(UsageHour {
                    hour: row.get("hour")?,
                    usage: usage_from_row(&row)?,
                })
            })
            .collect()
    }

    /// What each of the organization's accounts used in the hours from `from` until before `to`; accounts
    /// that used nothing are missing.
    pub async fn usage_by_account(
        &mut self,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> Result<Vec<AccountUsage>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT
                 account_id,
                 least(sum(messages_in), 9223372036854775807)::bigint AS messages_in,
                 least(sum(bytes_in), 9223372036854775807)::bigint AS bytes_in,
                 least(sum(messages_out), 9223372036854775807)::bigint AS messages_out,
                 least(sum(bytes_out), 9223372036854775807)::bigint AS bytes_out,
                 least(sum(connections_opened), 9223372036854775807)::bigint AS connections_opened
             FROM usage_hour
             WHERE organization_id = $1
               AND hour >= $2
               AND hour < $3
             GROUP BY account_id
             ORDER BY account_id",
        )
        .bind(organization)
        .bind(from)
        .bind(to)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("read the usage of accounts"))?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "usage_hour", "account_id");
                Ok(AccountUsage {
                    account_id: AccountId::from_uuid(row.get("account_id")?),
                    usage: usage_from_row(&row)?,
                })
            })
            .collect()
    }
}
