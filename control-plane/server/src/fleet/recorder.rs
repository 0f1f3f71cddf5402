//! Writes down what one node reports, in the order in which it came.
//!
//! Without the database it tries on with the same report; the queue behind it
//! fills up, and then the node's stream waits. Nothing is acknowledged before
//! it is stored.

use tokio::{sync::mpsc, time::sleep};
use tollway_authz::Scope;
use tollway_datastore::{
    Acknowledged, Acknowledgement, DatastoreError, FleetSignal, LiveRow, SystemTx, UsageStored,
};
use tollway_model::{AttachmentId, Node, Refusal, UsageRow, UsageTotals};
use tollway_proto::fleet::{self, Ack, ControlMessage, LiveReport, UsageAck, UsageReport, control_message};
use tonic::Status;

use super::{cursor::Held, hub::Attachment, sender::Unacknowledged, session::overtaken};
use crate::{
    app::{App, chain},
    bounds::RECORD_RETRY_INTERVAL,
    clock,
};

/// Something to write down.
pub(super) enum Record {
    Ack(Ack),
    Usage(UsageReport),
    Live(LiveReport),
}

/// The stream does not count any more: what comes over it is not from the node that serves the cell.
struct Overtaken;

/// Why something was not recorded.
enum RecordError {
    Datastore(DatastoreError),
    Overtaken,
}

impl From<DatastoreError> for RecordError {
    fn from(error: DatastoreError) -> Self {
        Self::Datastore(error)
    }
}

/// The recording half of one fleet stream.
pub(super) struct Recorder<'s> {
    pub(super) app: &'s App,
    pub(super) node: &'s Node,
    pub(super) attachment: &'s Attachment,
    pub(super) attachment_id: AttachmentId,
    pub(super) outbox: &'s mpsc::Sender<Result<ControlMessage, Status>>,
    pub(super) unacknowledged: &'s Unacknowledged,
}

impl Recorder<'_> {
    /// Ends when the stream does.
    pub(super) async fn run(self, mut records: mpsc::Receiver<Record>) -> Option<Status> {
        while let Some(record) = records.recv().await {
            let recorded = match record {
                Record::Ack(ack) => self.record_ack(ack).await,
                Record::Usage(report) => self.record_usage(report).await,
                Record::Live(report) => self.record_live(report).await,
            };
            if let Err(Overtaken) = recorded {
                return Some(overtaken());
            }
        }
        None
    }

    async fn record_ack(&self, mut ack: Ack) -> Result<(), Overtaken> {
        // Of the whole update: the node holds what it held, which says nothing new.
        if let Some(whole) = ack.refused.iter().position(|refusal| refusal.account.is_empty()) {
            let refusal = ack.refused.swap_remove(whole);
            return self.record_update_refusal(&refusal, &ack.request_id).await;
        }
        let Some(Held { cursor, mark }) = ack.cursor.map(Held::from) else {
            tracing::warn!("the node acknowledged without a cursor");
            return Ok(());
        };
        let snapshot = self.unacknowledged.acknowledged(cursor);
        // There may be room for another batch now.
        self.attachment.wake.notify_one();
        let refused: Vec<_> = ack
            .refused
            .into_iter()
            .filter_map(|refusal| {
                let account = refusal.account.parse().ok()?;
                Some(Refusal {
                    account,
                    code: refusal.code,
                    reason: refusal.reason,
                })
            })
            .collect();
        for refusal in &refused {
            tracing::warn!(
                request_id = ack.request_id, account = %refusal.account, code = refusal.code, reason = refusal.reason,
                "the node refused a document"
            );
        }
        tracing::debug!(request_id = ack.request_id, %cursor, refused = refused.len(), "the node acknowledged");
        let acknowledgement = Acknowledgement {
            cursor,
            mark,
            refused,
            snapshot,
        };
        let mut attempts = Attempts::new("note an acknowledgement");
        let noted = loop {
            match self.note(&acknowledgement).await {
                Ok(noted) => break noted,
                Err(error) if attempts.again(&error).await? => {}
                Err(_) => return Ok(()),
            }
        };
        match noted {
            Acknowledged::Noted => {
                self.app.hub().acknowledged(self.node.cell_id);
                if let Err(error) = self
                    .app
                    .fleet_datastore()
                    .signal(FleetSignal::Applied(self.node.cell_id))
                    .await
                {
                    tracing::debug!(error = chain(&error), "could not tell other control planes");
                }
            }
            Acknowledged::Foreign => tracing::warn!(%cursor, "the node acknowledged what it was never sent"),
            Acknowledged::Outdated => {}
        }
        Ok(())
    }

    async fn record_update_refusal(
        &self,
        refusal: &fleet::Refusal,
        request_id: &str,
    ) -> Result<(), Overtaken> {
        tracing::warn!(
            request_id,
            code = refusal.code,
            reason = refusal.reason,
            "the node refused an update as a whole"
        );
        let mut attempts = Attempts::new("note that an update was refused");
        while let Err(error) = self.note_update_refusal(refusal).await {
            if !attempts.again(&error).await? {
                break;
            }
        }
        Ok(())
    }

    async fn record_usage(&self, report: UsageReport) -> Result<(), Overtaken> {
        let rows: Vec<_> = report.rows.iter().filter_map(usage_row).collect();
        let unreadable = report.rows.len() - rows.len();
        let mut attempts = Attempts::new("store usage");
        let stored = loop {
            match self.store(&rows).await {
                Ok(stored) => break stored,
                Err(error) if attempts.again(&error).await? => {}
                Err(_) => return Ok(()),
            }
        };
        self.app.metrics().usage_rows_stored(stored.stored as u64);
        if stored.left_out() + unreadable > 0 {
            tracing::warn!(
                node = %self.node.id,
                node_name = %self.node.name,
                foreign = stored.foreign,
                untimely = stored.untimely,
                absurd = stored.absurd,
                unreadable,
                "rows of a usage report were left out"
            );
        }
        if stored.moved > 0 {
            tracing::warn!(
                node = %self.node.id,
                node_name = %self.node.name,
                moved = stored.moved,
                "usage of hours that are long over, or have not begun, was billed in the nearest hour; a clock was wrong"
            );
        }
        // Rows that were left out are acknowledged too: repeating them would change nothing.
        let ack = UsageAck {
            sequence: report.sequence,
        };
        let message = ControlMessage {
            message: Some(control_message::Message::UsageAck(ack)),
        };
        // A stream that has ended needs no acknowledgement; the node reports again on the next one.
        let _ = self.outbox.send(Ok(message)).await;
        Ok(())
    }

    async fn record_live(&self, report: LiveReport) -> Result<(), Overtaken> {
        let rows: Vec<_> = report
            .accounts
            .iter()
            .filter_map(|live| {
                let account = live.account.parse().ok()?;
                Some(LiveRow {
                    account,
                    connections: live.connections,
                    subscriptions: live.subscriptions,
                })
            })
            .collect();
        let mut attempts = Attempts::new("store what is open");
        // A node tells it when it changes, so the next report may be far away.
        while let Err(error) = self.replace_live(&rows).await {
            if !attempts.again(&error).await? {
                break;
            }
        }
        Ok(())
    }

    /// A transaction in which this stream counts, to its end.
    async fn begin(&self, purpose: &'static str) -> Result<SystemTx, RecordError> {
        let mut tx = self
            .app
            .fleet_datastore()
            .begin_system(&Scope::system(purpose))
            .await?;
        match tx.node_attached(self.node.id, self.attachment_id).await? {
            true => Ok(tx),
            false => Err(RecordError::Overtaken),
        }
    }

    async fn replace_live(&self, rows: &[LiveRow]) -> Result<(), RecordError> {
        let mut tx = self.begin("fleet").await?;
        tx.account_live_replace(self.node.id, rows, clock::now()).await?;
        Ok(tx.commit().await?)
    }

    async fn note(&self, acknowledgement: &Acknowledgement) -> Result<Acknowledged, RecordError> {
        let mut tx = self.begin("fleet").await?;
        let noted = tx
            .cell_acknowledge(self.node.cell_id, acknowledgement, clock::now())
            .await?;
        tx.commit().await?;
        Ok(noted)
    }

    async fn note_update_refusal(&self, refusal: &fleet::Refusal) -> Result<(), RecordError> {
        let mut tx = self.begin("fleet").await?;
        tx.cell_update_refuse(self.node.cell_id, &refusal.code, &refusal.reason, clock::now())
            .await?;
        Ok(tx.commit().await?)
    }

    async fn store(&self, rows: &[UsageRow]) -> Result<UsageStored, RecordError> {
        let mut tx = self.begin("metering").await?;
        let stored = tx.usage_store(self.node.id, rows, clock::now()).await?;
        tx.commit().await?;
        Ok(stored)
    }
}

/// Decides whether something that could not be stored is tried again, and waits before.
struct Attempts {
    what: &'static str,
    told: bool,
}

impl Attempts {
    fn new(what: &'static str) -> Self {
        Self { what, told: false }
    }

    /// `false` when the database will never take it.
    async fn again(&mut self, error: &RecordError) -> Result<bool, Overtaken> {
        let error = match error {
            RecordError::Datastore(error) => error,
            RecordError::Overtaken => return Err(Overtaken),
        };
        if !matches!(
            error,
            DatastoreError::Unavailable { .. } | DatastoreError::Contended { .. }
        ) {
            tracing::error!(
                error = chain(error),
                what = self.what,
                "what the node reports cannot be stored"
            );
            return Ok(false);
        }
        if !self.told {
            self.told = true;
            tracing::warn!(
                error = chain(error),
                what = self.what,
                "cannot store what the node reports; trying on"
            );
        }
        sleep(RECORD_RETRY_INTERVAL).await;
        Ok(true)
    }
}

fn usage_row(row: &fleet::UsageRow) -> Option<UsageRow> {
    Some(UsageRow {
        boot_id: row.boot_id.parse().ok()?,
        account: row.account.parse().ok()?,
        hour_unix: row.hour_unix,
        usage: UsageTotals {
            messages_in: row.messages_in,
            bytes_in: row.bytes_in,
            messages_out: row.messages_out,
            bytes_out: row.bytes_out,
            connections_opened: row.connections_opened,
        },
    })
}
