//! What is open in accounts now, as nodes report it.

use time::OffsetDateTime;
use tollway_model::{AccountKey, NodeId};

use crate::SystemTx;
use crate::error::{DatastoreError, failed_to};

/// What is open in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRow {
    /// The account.
    pub account: AccountKey,
    /// Client connections.
    pub connections: u32,
    /// Subscriptions of all connections together.
    pub subscriptions: u32,
}

impl SystemTx {
    /// Replaces what a node reported before: accounts that are missing have nothing open. Accounts that
    /// the node's cell was never given are left out.
    pub async fn account_live_replace(
        &mut self,
        node: NodeId,
        rows: &[LiveRow],
        now: OffsetDateTime,
    ) -> Result<(), DatastoreError> {
        let keys: Vec<&str> = rows.iter().map(|row| row.account.as_str()).collect();
        let connections: Vec<i64> = rows.iter().map(|row| i64::from(row.connections)).collect();
        let subscriptions: Vec<i64> = rows.iter().map(|row| i64::from(row.subscriptions)).collect();
        sqlx::query(
            "DELETE FROM account_live AS live
             USING account
             WHERE live.node_id = $1
               AND account.id = live.account_id
               AND account.public_key <> ALL ($2)",
        )
        .bind(node.uuid())
        .bind(&keys)
        .execute(self.connection())
        .await
        .map_err(failed_to("clear what was open"))?;
        sqlx::query(
            "INSERT INTO account_live (
                 account_id, organization_id, node_id, connections, subscriptions, reported_at)
             SELECT
                 document.account_id, document.organization_id, node.id,
                 max(reported.connections), max(reported.subscriptions), $5
             FROM UNNEST($2::text[], $3::bigint[], $4::bigint[])
                 AS reported (account_key, connections, subscriptions)
             JOIN node ON node.id = $1
             JOIN cell_document AS document
               ON document.cell_id = node.cell_id
              AND document.account_key = reported.account_key
             GROUP BY document.account_id, document.organization_id, node.id
             ORDER BY document.account_id
             ON CONFLICT (account_id) DO UPDATE
             SET node_id = excluded.node_id,
                 connections = excluded.connections,
                 subscriptions = excluded.subscriptions,
                 reported_at = excluded.reported_at",
        )
        .bind(node.uuid())
        .bind(&keys)
        .bind(connections)
        .bind(subscriptions)
        .bind(now)
        .execute(self.connection())
        .await
        .map_err(failed_to("store what is open"))?;
        Ok(())
    }
}
