//! One fleet stream from its Hello to its end.

use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use tollway_authz::Scope;
use tollway_datastore::{DatastoreError, Hello};
use tollway_model::{AttachmentId, BootId, ClientUrl, Node};
use tollway_proto::fleet::{ControlMessage, NodeMessage, Welcome, control_message, node_message};
use tonic::{Status, Streaming};

use super::{
    cursor::Held,
    lane::Lane,
    recorder::{Record, Recorder},
    sender::{Sender, Unacknowledged},
    service::look_again,
};
use crate::{
    app::{App, chain},
    bounds::{
        ACK_REFUSALS_MAX, HELLO_WAIT, LIVE_REPORT_ACCOUNTS_MAX, NODE_INBOX_RECORDS_MAX, USAGE_REPORT_ROWS_MAX,
    },
    clock,
    secrets::random_array,
};

/// A stream of a node whose certificate was checked.
pub(super) struct Session {
    pub(super) app: App,
    pub(super) node: Node,
    /// What the stream was opened with.
    pub(super) certificate_sha256: [u8; 32],
    pub(super) inbound: Streaming<NodeMessage>,
    pub(super) outbox: mpsc::Sender<Result<ControlMessage, Status>>,
    pub(super) stop: CancellationToken,
}

impl Session {
    /// Runs until either side ends the stream, and leaves no trace of it in the hub.
    pub(super) async fn run(mut self) {
        let (hello, held) = match self.hello().await {
            Ok(hello) => hello,
            Err(status) => return self.end(status),
        };
        let attachment_id = hello.attachment_id;
        match self.connected(&hello).await {
            Ok(true) => look_again(&self.app, self.node.cell_id).await,
            Ok(false) => {
                return self.end(Status::permission_denied(
                    "the certificate is no longer this node's: enrol again",
                ));
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "could not attach a node");
                return self.end(Status::unavailable(
                    "the control plane cannot reach its database; try again",
                ));
            }
        }
        let lane = Lane::new(self.outbox.clone());
        let attachment = self
            .app
            .hub()
            .attach(self.node.id, self.node.cell_id, attachment_id, lane);
        let held_text = held.map_or_else(|| "nothing".to_owned(), |held| held.to_string());
        tracing::info!(boot = %hello.boot_id, version = hello.software_version, held = held_text, "a node attached");

        let welcome = Welcome {
            server_time_unix_ms: clock::unix_ms(clock::now()) as i64,
            operator_jwt: self.app.operator().jwt.clone(),
        };
        let welcome = ControlMessage {
            message: Some(control_message::Message::Welcome(welcome)),
        };
        if self.outbox.send(Ok(welcome)).await.is_ok() {
            let unacknowledged = Unacknowledged::default();
            let (records, recorded) = mpsc::channel(NODE_INBOX_RECORDS_MAX);
            let sender = Sender {
                app: &self.app,
                node: &self.node,
                attachment: &attachment,
                attachment_id,
                outbox: &self.outbox,
                unacknowledged: &unacknowledged,
            };
            let recorder = Recorder {
                app: &self.app,
                node: &self.node,
                attachment: &attachment,
                attachment_id,
                outbox: &self.outbox,
                unacknowledged: &unacknowledged,
            };
            let end = tokio::select! {
                end = read(&mut self.inbound, &attachment.lane, records) => end,
                end = sender.run(held) => end,
                end = recorder.run(recorded) => end,
                () = attachment.replaced.cancelled() => {
                    Some(overtaken())
                }
                () = self.stop.cancelled() => Some(Status::unavailable("the control plane stops; attach again")),
            };
            if let Some(status) = end {
                tracing::info!(reason = status.message(), "a fleet stream ends");
                // A full outbox or a node that is gone: the end of the stream says enough.
                let _ = self.outbox.try_send(Err(status));
            }
        }
        drop(attachment);
        tracing::info!("a node detached");
        if let Err(error) = self.disconnected(attachment_id).await {
            // Its row says "connected" until the node has been silent for a while.
            tracing::debug!(error = chain(&error), "could not note that a node detached");
        }
    }

    /// Waits for the node's first message.
    async fn hello(&mut self) -> Result<(Hello, Option<Held>), Status> {
        let first = timeout(HELLO_WAIT, self.inbound.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no Hello came in time"))??;
        let Some(node_message::Message::Hello(hello)) = first.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("the first message of a stream is Hello"));
        };
        let boot_id: BootId = hello
            .boot_id
            .parse()
            .map_err(|_| Status::invalid_argument("boot_id must be a UUID"))?;
        let held = hello.cursor.map(Held::from);
        let client_url = self.client_url(&hello.client_url);
        let hello = Hello {
            attachment_id: AttachmentId::new(clock::unix_ms(clock::now()), random_array()),
            boot_id,
            software_version: hello.software_version,
            client_url,
        };
        Ok((hello, held))
    }

    /// Where the node says that clients reach it. What is no such URL is left out, because people paste it;
    /// the node is not: its accounts need what changes, whatever it calls itself.
    fn client_url(&self, said: &str) -> Option<ClientUrl> {
        if said.is_empty() {
            return None;
        }
        match said.parse() {
            Ok(url) => Some(url),
            Err(error) => {
                tracing::warn!(
                    node = %self.node.id, node_name = %self.node.name, said, reason = %error,
                    "the node's client URL is left out; start it with another --client-url"
                );
                None
            }
        }
    }

    async fn connected(&self, hello: &Hello) -> Result<bool, DatastoreError> {
        let mut tx = self
            .app
            .fleet_datastore()
            .begin_system(&Scope::system("fleet"))
            .await?;
        let connected = tx
            .node_connected(self.node.id, &self.certificate_sha256, hello)
            .await?;
        tx.commit().await?;
        Ok(connected)
    }

    async fn disconnected(&self, attachment_id: AttachmentId) -> Result<(), DatastoreError> {
        let mut tx = self
            .app
            .fleet_datastore()
            .begin_system(&Scope::system("fleet"))
            .await?;
        tx.node_disconnected(self.node.id, attachment_id).await?;
        tx.commit().await
    }

    fn end(self, status: Status) {
        tracing::info!(reason = status.message(), "a fleet stream ends before it began");
        let _ = self.outbox.try_send(Err(status));
    }
}

/// What a node hears whose stream does not count any more.
pub(super) fn overtaken() -> Status {
    Status::aborted("a newer stream of this node took the place of this one, or it was enrolled again")
}

/// Reads until the node ends the stream (`None`) or breaks the protocol.
async fn read(
    inbound: &mut Streaming<NodeMessage>,
    lane: &Lane,
    records: mpsc::Sender<Record>,
) -> Option<Status> {
    loop {
        let message = match inbound.message().await {
            Ok(Some(message)) => message.message,
            Ok(None) => return None,
            Err(status) => {
                tracing::info!(reason = status.message(), "a fleet stream broke");
                return None;
            }
        };
        let record = match message {
            Some(node_message::Message::Response(response)) => {
                lane.handle_response(response);
                continue;
            }
            Some(node_message::Message::Ack(ack)) if ack.refused.len() <= ACK_REFUSALS_MAX => {
                Record::Ack(ack)
            }
            Some(node_message::Message::Usage(report)) if report.rows.len() <= USAGE_REPORT_ROWS_MAX => {
                Record::Usage(report)
            }
            Some(node_message::Message::Live(report))
                if report.accounts.len() <= LIVE_REPORT_ACCOUNTS_MAX =>
            {
                Record::Live(report)
            }
            Some(node_message::Message::Hello(_)) => {
                return Some(Status::invalid_argument("a stream has one Hello"));
            }
            Some(_) => {
                return Some(Status::invalid_argument(
                    "a report has too many rows; send several",
                ));
            }
            // A message of a newer release; what we do not know, we do not need.
            None => continue,
        };
        if records.send(record).await.is_err() {
            return None;
        }
    }
}
