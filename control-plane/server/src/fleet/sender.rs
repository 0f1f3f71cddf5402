//! Sends one node what its cell should hold, for as long as its stream is open.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tollway_authz::Scope;
use tollway_datastore::{Datastore, DatastoreError};
use tollway_model::{AttachmentId, Cell, CellDocument, Cursor, Node};
use tollway_proto::fleet::{self, AccountDocument, ControlMessage, Update, control_message};
use tonic::Status;

use super::{cursor::Start, hub::Attachment};
use crate::{
    app::{App, chain},
    bounds::{
        FLEET_POLL_INTERVAL, NODE_SEEN_INTERVAL, NODE_UNACKED_BATCHES_MAX, UPDATE_PART_ACCOUNTS_MAX,
        UPDATE_PART_BYTES_MAX,
    },
    clock,
};

/// Batches that were sent and are not acknowledged yet, oldest first.
#[derive(Default)]
pub(super) struct Unacknowledged(Mutex<VecDeque<Batch>>);

struct Batch {
    cursor: Cursor,
    snapshot: bool,
}

impl Unacknowledged {
    fn push(&self, cursor: Cursor, snapshot: bool) {
        self.0.lock().push_back(Batch { cursor, snapshot });
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Takes out what an acknowledgement answers; says whether a snapshot was among it.
    pub(super) fn acknowledged(&self, cursor: Cursor) -> bool {
        let mut batches = self.0.lock();
        // A node names exactly what it was sent, and its answers come in order; anything else answers nothing.
        let Some(answered) = batches.iter().position(|batch| batch.cursor == cursor) else {
            return false;
        };
        batches
            .drain(..=answered)
            .filter(|batch| batch.cursor.epoch == cursor.epoch)
            .any(|batch| batch.snapshot)
    }
}

/// The sending half of one fleet stream.
pub(super) struct Sender<'s> {
    pub(super) app: &'s App,
    pub(super) node: &'s Node,
    pub(super) attachment: &'s Attachment,
    pub(super) attachment_id: AttachmentId,
    pub(super) outbox: &'s mpsc::Sender<Result<ControlMessage, Status>>,
    pub(super) unacknowledged: &'s Unacknowledged,
}

/// Where the node will be when it has taken everything sent so far.
#[derive(Debug, Clone, Copy)]
enum Sent {
    /// Nothing was sent yet; what the node said it holds.
    Hello(Option<Cursor>),
    UpTo(Cursor),
}

/// Why sending stopped.
enum SendError {
    Datastore(DatastoreError),
    /// The stream is over.
    Gone,
}

impl From<DatastoreError> for SendError {
    fn from(error: DatastoreError) -> Self {
        Self::Datastore(error)
    }
}

impl Sender<'_> {
    /// Ends when the stream does. Without the database it waits, and goes on where it was.
    pub(super) async fn run(self, held: Option<Cursor>) {
        let mut sent = Sent::Hello(held);
        let mut database_away = false;
        let mut seen_next = Instant::now() + NODE_SEEN_INTERVAL;
        loop {
            match self.look(&mut sent).await {
                Ok(()) if database_away => {
                    database_away = false;
                    tracing::info!("the database is back");
                }
                Ok(()) => {}
                Err(SendError::Gone) => return,
                // Said once: the node serves on, and we look again every second.
                Err(SendError::Datastore(error)) if !database_away => {
                    database_away = true;
                    tracing::warn!(
                        error = chain(&error),
                        "cannot read what the cell should hold; trying on"
                    );
                }
                Err(SendError::Datastore(_)) => {}
            }
            if Instant::now() >= seen_next && !database_away {
                seen_next = Instant::now() + NODE_SEEN_INTERVAL;
                if let Err(error) = self.seen().await {
                    tracing::debug!(error = chain(&error), "could not note that the node is there");
                }
            }
            let _ = timeout(FLEET_POLL_INTERVAL, self.attachment.wake.notified()).await;
        }
    }

    async fn seen(&self) -> Result<(), DatastoreError> {
        let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
        tx.node_seen(self.node.id, self.attachment_id).await?;
        tx.commit().await
    }

    /// Sends what is new, if anything is.
    async fn look(&self, sent: &mut Sent) -> Result<(), SendError> {
        if self.unacknowledged.len() >= NODE_UNACKED_BATCHES_MAX {
            return Ok(());
        }
        let cell = self.cell().await?;
        let lag = cell.cursor.revision.saturating_sub(cell.applied_revision());
        self.app.metrics().cell_revision_lag(cell.name.as_str(), lag);
        let start = match *sent {
            Sent::Hello(held) => Start::of(held, cell.cursor, cell.applied),
            Sent::UpTo(sent) if sent.covers(&cell.cursor) => return Ok(()),
            Sent::UpTo(sent) if sent.epoch == cell.cursor.epoch => Start::After(sent.revision),
            Sent::UpTo(_) => Start::Snapshot,
        };
        let (cursor, snapshot) = match start {
            Start::NewEpoch => {
                let cursor = self.begin_epoch().await?;
                tracing::warn!(%cursor, "the node holds revisions that the database does not: a new epoch begins");
                (self.send_snapshot(cursor).await?, true)
            }
            Start::Snapshot => (self.send_snapshot(cell.cursor).await?, true),
            // It holds everything, and we know that it does.
            Start::After(revision) if revision == cell.cursor.revision => {
                *sent = Sent::UpTo(cell.cursor);
                return Ok(());
            }
            Start::After(revision) => (self.send_delta(cell.cursor, revision).await?, false),
        };
        tracing::debug!(%cursor, snapshot, "sent what the cell should hold");
        *sent = Sent::UpTo(cursor);
        Ok(())
    }

    fn datastore(&self) -> &Datastore {
        self.app.datastore()
    }

    async fn cell(&self) -> Result<Cell, SendError> {
        let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
        // A cell with a node is never deleted.
        tx.cell_get(&self.node.cell_id.into())
            .await?
            .ok_or(SendError::Gone)
    }

    async fn begin_epoch(&self) -> Result<Cursor, SendError> {
        let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
        let cursor = tx.cell_epoch_advance(self.node.cell_id, clock::now()).await?;
        tx.commit().await?;
        Ok(cursor)
    }

    /// Sends what changed after `after`. The parts are read one by one: what changes meanwhile moves to
    /// a higher revision, and is either in a later part or in the next delta.
    async fn send_delta(&self, wanted: Cursor, mut after: u64) -> Result<Cursor, SendError> {
        let mut batch = Outgoing::new(self, false);
        loop {
            let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
            let documents = tx
                .cell_delta(self.node.cell_id, after, UPDATE_PART_ACCOUNTS_MAX)
                .await?;
            drop(tx);
            let is_last = documents.len() < UPDATE_PART_ACCOUNTS_MAX as usize;
            after = documents.last().map_or(after, |last| last.revision);
            batch.add(documents).await?;
            if is_last {
                let cursor = Cursor {
                    epoch: wanted.epoch,
                    revision: after.max(wanted.revision),
                };
                return batch.finish(cursor).await;
            }
        }
    }

    /// Sends everything. What changes after `wanted` was read may or may not be in it already; the next
    /// delta begins at `wanted` and has it in any case.
    async fn send_snapshot(&self, wanted: Cursor) -> Result<Cursor, SendError> {
        let mut batch = Outgoing::new(self, true);
        let mut after = None;
        loop {
            let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
            let documents = tx
                .cell_snapshot(self.node.cell_id, after.as_ref(), UPDATE_PART_ACCOUNTS_MAX)
                .await?;
            drop(tx);
            let is_last = documents.len() < UPDATE_PART_ACCOUNTS_MAX as usize;
            after = documents.last().map(|last| last.account.clone());
            batch.add(documents).await?;
            if is_last {
                return batch.finish(wanted).await;
            }
        }
    }
}

/// One snapshot or delta on its way, in parts of bounded size.
struct Outgoing<'b> {
    sender: &'b Sender<'b>,
    part: Update,
    bytes: usize,
    /// The one request that caused everything in the batch, if it is one.
    request_id: Option<String>,
    documents: usize,
}

impl<'b> Outgoing<'b> {
    fn new(sender: &'b Sender<'b>, snapshot: bool) -> Self {
        let part = Update {
            snapshot,
            first: true,
            ..Update::default()
        };
        Self {
            sender,
            part,
            bytes: 0,
            request_id: None,
            documents: 0,
        }
    }

    async fn add(&mut self, documents: Vec<CellDocument>) -> Result<(), SendError> {
        for document in documents {
            let bytes = document.account_jwt.len() + document.statement_jwt.len();
            if self.bytes > 0 && self.bytes + bytes > UPDATE_PART_BYTES_MAX {
                let next = Update {
                    snapshot: self.part.snapshot,
                    ..Update::default()
                };
                let full = std::mem::replace(&mut self.part, next);
                self.bytes = 0;
                self.send(full).await?;
            }
            self.bytes += bytes;
            self.documents += 1;
            self.request_id = (self.documents == 1).then_some(document.request_id);
            if document.removed {
                self.part.removed.push(document.account.into());
            } else {
                self.part.accounts.push(AccountDocument {
                    account: document.account.into(),
                    account_jwt: document.account_jwt,
                    statement_jwt: document.statement_jwt,
                });
            }
        }
        Ok(())
    }

    async fn finish(mut self, cursor: Cursor) -> Result<Cursor, SendError> {
        let mut last = std::mem::take(&mut self.part);
        last.last = true;
        last.request_id = self.request_id.take().unwrap_or_default();
        last.cursor = Some(fleet::Cursor {
            epoch: cursor.epoch,
            revision: cursor.revision,
        });
        // Before it is sent: the answer may come at once.
        self.sender.unacknowledged.push(cursor, last.snapshot);
        self.send(last).await?;
        Ok(cursor)
    }

    async fn send(&self, part: Update) -> Result<(), SendError> {
        let message = ControlMessage {
            message: Some(control_message::Message::Update(part)),
        };
        self.sender
            .outbox
            .send(Ok(message))
            .await
            .map_err(|_| SendError::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(epoch: u64, revision: u64) -> Cursor {
        Cursor { epoch, revision }
    }

    #[test]
    fn an_acknowledgement_answers_everything_up_to_its_cursor() {
        let batches = Unacknowledged::default();
        batches.push(cursor(1, 5), true);
        batches.push(cursor(1, 6), false);
        batches.push(cursor(1, 9), false);
        assert!(batches.acknowledged(cursor(1, 6)));
        assert_eq!(batches.len(), 1);
        assert!(!batches.acknowledged(cursor(1, 9)));
        assert_eq!(batches.len(), 0);
        assert!(!batches.acknowledged(cursor(1, 9)), "nothing is waited for twice");
    }

    #[test]
    fn a_snapshot_of_a_new_epoch_is_not_answered_by_the_old_one() {
        let batches = Unacknowledged::default();
        batches.push(cursor(1, 9), false);
        batches.push(cursor(2, 3), true);
        assert!(!batches.acknowledged(cursor(1, 9)));
        assert!(batches.acknowledged(cursor(2, 3)));
    }
}
