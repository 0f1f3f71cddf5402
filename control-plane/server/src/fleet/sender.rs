//! Sends one node what its cell should hold, for as long as its stream is open.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tollway_authz::{Action, Scope};
use tollway_claims::Trust;
use tollway_datastore::{Datastore, DatastoreError, NewAuditEvent, NewEpoch, SystemTx};
use tollway_model::{AttachmentId, AuditEventId, Cell, CellDocument, Cursor, Mark, Node};
use tollway_proto::fleet::{AccountDocument, ControlMessage, Update, control_message};
use tonic::Status;

use super::{
    cursor::{Held, Start},
    epoch::{EpochDoubt, check_cell, check_publication, next_epoch},
    hub::Attachment,
    session::overtaken,
};
use crate::{
    app::{App, chain},
    bounds::{
        EPOCH_DOUBT_WAIT, FLEET_POLL_INTERVAL, NODE_SEEN_INTERVAL, NODE_UNACKED_BATCHES_MAX,
        UPDATE_PART_ACCOUNTS_MAX, UPDATE_PART_BYTES_MAX,
    },
    clock,
    compile::{CompileError, epoch_statement},
    secrets::random_array,
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
    Hello(Option<Held>),
    UpTo(Held),
}

/// Why sending stopped.
enum SendError {
    Datastore(DatastoreError),
    /// The node would have to take a new epoch, and we will not sign it.
    Doubt(EpochDoubt),
    /// We cannot sign it.
    Sign(CompileError),
    /// The stream is over.
    Gone,
    /// It does not count any more.
    Overtaken,
}

impl From<DatastoreError> for SendError {
    fn from(error: DatastoreError) -> Self {
        Self::Datastore(error)
    }
}

impl Sender<'_> {
    /// Ends when the stream does. Without the database it waits, and goes on where it was.
    pub(super) async fn run(self, held: Option<Held>) -> Option<Status> {
        let mut sent = Sent::Hello(held);
        let mut database_away = false;
        let mut seen_next = Instant::now() + NODE_SEEN_INTERVAL;
        loop {
            let mut pause = FLEET_POLL_INTERVAL;
            match self.look(&mut sent).await {
                Ok(()) if database_away => {
                    database_away = false;
                    tracing::info!("the database is back");
                }
                Ok(()) => {}
                Err(SendError::Gone) => return None,
                Err(SendError::Overtaken) => return Some(overtaken()),
                // Said once: the node serves on, and we look again every second.
                Err(SendError::Datastore(error)) if !database_away => {
                    database_away = true;
                    tracing::warn!(
                        error = chain(&error),
                        "cannot read what the cell should hold; trying on"
                    );
                }
                Err(SendError::Datastore(_)) => {}
                // The node serves on with what it has, which is newer than what it would get.
                Err(SendError::Doubt(doubt)) => {
                    pause = EPOCH_DOUBT_WAIT;
                    tracing::error!(
                        error = chain(&doubt),
                        "the node holds a history that the database does not know, but this is no backup that was \
                         restored: somebody wrote to the database by hand. No new epoch begins"
                    );
                    if let Err(error) = self.note_doubt(&doubt).await {
                        tracing::debug!(
                            error = chain(&error),
                            "could not note why the node is sent nothing"
                        );
                    }
                }
                Err(SendError::Sign(error)) => {
                    pause = EPOCH_DOUBT_WAIT;
                    tracing::error!(error = chain(&error), "cannot begin a new epoch of the cell");
                }
            }
            if Instant::now() >= seen_next && !database_away {
                seen_next = Instant::now() + NODE_SEEN_INTERVAL;
                match self.seen().await {
                    Ok(true) => {}
                    Ok(false) => return Some(overtaken()),
                    Err(error) => {
                        tracing::debug!(error = chain(&error), "could not note that the node is there");
                    }
                }
            }
            let _ = timeout(pause, self.attachment.wake.notified()).await;
        }
    }

    async fn seen(&self) -> Result<bool, DatastoreError> {
        let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
        let counts = tx.node_seen(self.node.id, self.attachment_id).await?;
        tx.commit().await?;
        Ok(counts)
    }

    /// Shows it with the cell, where a node's own refusal of an update stands too.
    async fn note_doubt(&self, doubt: &EpochDoubt) -> Result<(), DatastoreError> {
        let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
        let reason = format!("no new epoch begins: {}", chain(doubt));
        tx.cell_update_refuse(self.node.cell_id, "epoch_doubted", &reason, clock::now())
            .await?;
        tx.commit().await
    }

    /// Sends what is new, if anything is.
    async fn look(&self, sent: &mut Sent) -> Result<(), SendError> {
        if self.unacknowledged.len() >= NODE_UNACKED_BATCHES_MAX {
            return Ok(());
        }
        let before = match *sent {
            Sent::Hello(held) => held,
            Sent::UpTo(held) => Some(held),
        };
        let (cell, known) = self.cell(before).await?;
        let lag = cell.cursor.revision.saturating_sub(cell.applied_revision());
        self.app.metrics().cell_revision_lag(cell.name.as_str(), lag);
        let start = match *sent {
            Sent::Hello(held) => Start::of_hello(held, cell.cursor, known, cell.applied),
            Sent::UpTo(held) => Start::of(held, cell.cursor, known),
        };
        let wanted = Held::wanted(&cell);
        let mut statement = cell.epoch_statement.clone();
        let (wanted, snapshot) = match (start, before) {
            (Start::NewEpoch, Some(held)) => match self.begin_epoch(held, &cell).await? {
                Some((begun, signed)) => {
                    statement = signed;
                    (begun, true)
                }
                // Somebody else began one: the next look finds it.
                None => return Ok(()),
            },
            (Start::NewEpoch, None) | (Start::Snapshot, _) => (wanted, true),
            // It holds everything, and we know that it does.
            (Start::After(revision), _) if revision == cell.cursor.revision => {
                *sent = Sent::UpTo(wanted);
                return Ok(());
            }
            (Start::After(revision), _) => {
                self.send_delta(wanted, revision).await?;
                (wanted, false)
            }
        };
        if snapshot {
            self.send_snapshot(wanted, statement).await?;
        }
        tracing::debug!(cursor = %wanted, snapshot, "sent what the cell should hold");
        *sent = Sent::UpTo(wanted);
        Ok(())
    }

    fn datastore(&self) -> &Datastore {
        self.app.fleet_datastore()
    }

    /// The cell, and the mark that the database has for the revision of `held`.
    async fn cell(&self, held: Option<Held>) -> Result<(Cell, Option<Mark>), SendError> {
        let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
        if !tx.node_attached(self.node.id, self.attachment_id).await? {
            return Err(SendError::Overtaken);
        }
        // A node of a cell that was deleted has no business here any more.
        let cell = tx
            .cell_get(&self.node.cell_id.into())
            .await?
            .ok_or(SendError::Gone)?;
        let known = match held {
            Some(held) => tx.cell_mark(cell.id, held.cursor.revision).await?,
            None => None,
        };
        Ok((cell, known))
    }

    /// Begins a new epoch because of what the node holds, and gives its statement; `None` when another one
    /// has begun meanwhile.
    async fn begin_epoch(&self, held: Held, cell: &Cell) -> Result<Option<(Held, String)>, SendError> {
        let now = clock::now();
        let operator = self.app.operator();
        let trust = Trust::from_operator_jwt(&operator.jwt)
            .map_err(|source| EpochDoubt::Operator { source })
            .map_err(SendError::Doubt)?;
        check_cell(&trust, cell, now.unix_timestamp()).map_err(SendError::Doubt)?;
        let epoch = next_epoch(cell.cursor.epoch, held.cursor.epoch, clock::unix_ms(now));
        let statement = epoch_statement(cell.id, epoch, &operator.signer, now.unix_timestamp())
            .map_err(SendError::Sign)?;
        let new = NewEpoch { epoch, statement };
        let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
        let Some(cursor) = tx.cell_epoch_advance(cell.id, cell.cursor.epoch, &new).await? else {
            return Ok(None);
        };
        // The cell's row is locked: nothing is published meanwhile.
        self.check_publications(&mut tx, &trust, now.unix_timestamp())
            .await?;
        // A snapshot of what is there now: a change between the look and this lock is in the next delta.
        let mark = tx
            .cell_mark(cell.id, cursor.revision)
            .await?
            .ok_or(SendError::Gone)?;
        let event = NewAuditEvent {
            id: AuditEventId::new(clock::unix_ms(now), random_array()),
            action: Action::SystemRun,
            target: cell.id.to_string(),
            detail: json!({
                "epoch_began": cursor.epoch,
                "because": "the node holds a history that the database does not know",
                "node": self.node.id,
                "node_cursor": held.to_string(),
                "database_cursor": cell.cursor.to_string(),
            }),
            request_id: String::new(),
            at: now,
        };
        tx.audit_append(None, &event).await?;
        tx.commit().await?;
        tracing::warn!(
            node_cursor = %held, database_cursor = %cell.cursor, epoch = cursor.epoch,
            "the node holds a history that the database does not know, as after a restore: a new epoch begins"
        );
        Ok(Some((Held { cursor, mark }, new.statement)))
    }

    async fn check_publications(&self, tx: &mut SystemTx, trust: &Trust, now: i64) -> Result<(), SendError> {
        let mut after = None;
        loop {
            let page = tx
                .cell_publications(self.node.cell_id, after.as_ref(), UPDATE_PART_ACCOUNTS_MAX)
                .await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.account.clone());
            let trust = trust.clone();
            // A signature each: not on a thread that others wait for.
            let checked = spawn_blocking(move || {
                page.iter()
                    .try_for_each(|stored| check_publication(&trust, stored, now))
            });
            checked
                .await
                .expect("checking signatures does not panic")
                .map_err(SendError::Doubt)?;
        }
    }

    /// Sends what changed after `after`. The parts are read one by one: what changes meanwhile moves to
    /// a higher revision. It may or may not be in a later part; the next delta begins at `wanted` and has
    /// it in any case.
    async fn send_delta(&self, wanted: Held, mut after: u64) -> Result<(), SendError> {
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
                return batch.finish(wanted, None).await;
            }
        }
    }

    /// Sends everything. What changes after `wanted` was read may or may not be in it already; the next
    /// delta begins at `wanted` and has it in any case.
    async fn send_snapshot(&self, wanted: Held, statement: String) -> Result<(), SendError> {
        let mut batch = Outgoing::new(self, true);
        batch.epoch_statement = statement;
        let mut after = None;
        loop {
            let mut tx = self.datastore().begin_system(&Scope::system("fleet")).await?;
            let documents = tx
                .cell_snapshot(self.node.cell_id, after.as_ref(), UPDATE_PART_ACCOUNTS_MAX)
                .await?;
            let is_last = documents.len() < UPDATE_PART_ACCOUNTS_MAX as usize;
            // An account that was created meanwhile makes the snapshot look incomplete, and one that was
            // deleted more than complete. The node doubts only what would empty it, and asks again.
            let accounts = match is_last {
                true => Some(tx.cell_account_count(self.node.cell_id).await?),
                false => None,
            };
            drop(tx);
            after = documents.last().map(|last| last.account.clone());
            batch.add(documents).await?;
            if is_last {
                return batch.finish(wanted, accounts).await;
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
    /// Of a snapshot.
    epoch_statement: String,
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
            epoch_statement: String::new(),
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

    async fn finish(mut self, wanted: Held, accounts_in_cell: Option<u64>) -> Result<(), SendError> {
        let mut last = std::mem::take(&mut self.part);
        last.last = true;
        last.request_id = self.request_id.take().unwrap_or_default();
        last.cursor = Some(wanted.into());
        last.accounts_in_cell = accounts_in_cell;
        last.epoch_statement = std::mem::take(&mut self.epoch_statement);
        // Before it is sent: the answer may come at once.
        self.sender.unacknowledged.push(wanted.cursor, last.snapshot);
        self.send(last).await
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
