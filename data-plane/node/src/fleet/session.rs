//! One stream to the control plane, from Hello to its end.

use std::time::Instant;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tollway_proto::fleet::control_message::Message as Control;
use tollway_proto::fleet::fleet_service_client::FleetServiceClient;
use tollway_proto::fleet::node_message::Message as Node;
use tollway_proto::fleet::{
    Ack, ControlMessage, Hello, LiveAccount, LiveReport, NodeMessage, Refusal, RenewCertificateRequest,
    Update, Welcome,
};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::batch::{BatchError, BatchParts};
use super::bounds::{
    CALL_WAIT, FAREWELL_WAIT, LIVE_ACCOUNTS_MAX, MESSAGE_BYTES_MAX, OUTBOX_MESSAGES_MAX, RENEWAL_RETRY,
    REPORT_INTERVAL, RESYNC_WAIT, SEND_WAIT, USAGE_ACK_WAIT, WELCOME_WAIT,
};
use super::channel::{DialError, dial};
use super::identity::{IdentityError, KeyRequest};
use super::last_known_good::LastKnownGoodError;
use super::link::LinkParts;
use super::request_lane::RequestLane;
use super::unkept::Unkept;
use crate::error_text;
use crate::unix_clock::unix_now;

/// Why a stream ended that should be begun again.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("this node's identity cannot be used")]
    Identity(#[from] IdentityError),
    #[error("the control plane ended the stream: {} ({:?})", .0.message(), .0.code())]
    Status(Box<Status>),
    #[error("the control plane closed the stream")]
    Closed,
    #[error("the control plane did not say Welcome first")]
    NoWelcome,
    #[error("the control plane does not read what this node sends")]
    Stuck,
    #[error("the control plane sent an update that makes no sense")]
    Batch(#[from] BatchError),
    #[error("the disk took none of several updates; asking for all of them at once")]
    NotKept,
    #[error("applying an update failed inside this node")]
    Panicked(#[source] tokio::task::JoinError),
    #[error("an update was refused as a whole; asking again")]
    Resync,
    #[error("no answer to the renewal of the certificate within {CALL_WAIT:?}")]
    RenewalTimedOut,
}

impl From<Status> for SessionError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Why a stream ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionEnd {
    /// The node stops.
    Stopped,
    /// The next stream has to show the new certificate.
    CertificateRenewed,
}

/// A stream after its Welcome.
pub(super) struct Session<'l> {
    parts: &'l LinkParts,
    channel: Channel,
    outbox: mpsc::Sender<NodeMessage>,
    inbound: Streaming<ControlMessage>,
    lane: RequestLane,
    batch: BatchParts,
    /// What the last live report said, once there was one.
    live: Option<Vec<LiveAccount>>,
    /// When the usage report under way was sent.
    usage_sent: Option<Instant>,
    /// Set when a batch was refused as a whole: when to ask again.
    resync_at: Option<Instant>,
    /// In force, but not on disk.
    unkept: Unkept,
    renewal: Option<JoinHandle<Result<(), SessionError>>>,
    renewal_at: Instant,
}

impl<'l> Session<'l> {
    /// Dials, says Hello, and waits for the Welcome.
    pub(super) async fn open(parts: &'l LinkParts) -> Result<Self, SessionError> {
        let identity = parts.identity.current();
        let channel = dial(&parts.control_plane, identity.tls()?).await?;
        let (outbox, outgoing) = mpsc::channel(OUTBOX_MESSAGES_MAX);
        let hello = Hello {
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: parts.boot.to_string(),
            cursor: parts.configuration.lock().hello_cursor().map(Into::into),
            client_url: parts.client_url.clone(),
        };
        outbox
            .try_send(message(Node::Hello(hello)))
            .expect("an empty queue has room");
        let mut client =
            FleetServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let begun = async {
            let mut inbound = client.attach(ReceiverStream::new(outgoing)).await?.into_inner();
            let first = inbound.message().await?.ok_or(SessionError::Closed)?;
            let Some(Control::Welcome(welcome)) = first.message else {
                return Err(SessionError::NoWelcome);
            };
            Ok((inbound, welcome))
        };
        let (inbound, welcome) = timeout(WELCOME_WAIT, begun)
            .await
            .unwrap_or(Err(SessionError::NoWelcome))?;
        let session = Self {
            parts,
            channel,
            outbox,
            inbound,
            lane: RequestLane::new(parts.broker.clone()),
            batch: BatchParts::default(),
            live: None,
            usage_sent: None,
            resync_at: None,
            unkept: Unkept::new(Instant::now()),
            renewal: None,
            renewal_at: renewal_at(identity.certificate_life()?),
        };
        session.welcome(&welcome);
        Ok(session)
    }

    fn welcome(&self, welcome: &Welcome) {
        let shift = self.parts.clock.set(welcome.server_time_unix_ms, Instant::now());
        if shift.abs() > 2_000 {
            tracing::warn!(
                shift_ms = shift,
                "this machine's clock and the control plane's differ; billing follows the latter"
            );
        }
        if welcome.operator_jwt.is_empty() {
            return;
        }
        match self.parts.identity.operator_jwt_offer(&welcome.operator_jwt) {
            Ok(None) => {}
            Ok(Some(trust)) => {
                tracing::info!("took another JWT of the operator");
                self.parts.configuration.lock().trust_set(trust, unix_now());
            }
            Err(error) => {
                let error = error_text::chain(&error);
                tracing::error!(error, "refused the JWT of the operator; trusting the one before");
            }
        }
    }

    /// Runs until the stream ends. `stop` is cancelled when nothing more will be counted.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<SessionEnd, SessionError> {
        let mut ticks = interval(REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once: what is open now is told whatever it is.
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    self.farewell().await;
                    return Ok(SessionEnd::Stopped);
                }
                received = self.inbound.message() => {
                    let received = received?.ok_or(SessionError::Closed)?;
                    self.handle(received).await?;
                }
                responses = self.lane.poll_responses() => {
                    for response in responses {
                        self.send(Node::Response(response)).await?;
                    }
                }
                _ = ticks.tick() => {
                    if self.tick().await? {
                        return Ok(SessionEnd::CertificateRenewed);
                    }
                }
            }
        }
    }

    async fn handle(&mut self, received: ControlMessage) -> Result<(), SessionError> {
        match received.message {
            Some(Control::Welcome(welcome)) => self.welcome(&welcome),
            Some(Control::Update(update)) => self.update(update).await?,
            Some(Control::Request(request)) => {
                if let Some(response) = self.lane.handle_request(request) {
                    self.send(Node::Response(response)).await?;
                }
            }
            Some(Control::UsageAck(ack)) => {
                self.parts.usage.handle_ack(ack.sequence);
                self.usage_sent = None;
                // A backlog is told as fast as it is stored; news wait for the tick.
                if self.parts.usage.has_backlog() {
                    self.report_usage()?;
                }
            }
            // Of a newer control plane.
            None => {}
        }
        Ok(())
    }

    async fn update(&mut self, update: Update) -> Result<(), SessionError> {
        let Some(batch) = self.batch.handle_part(update)? else {
            return Ok(());
        };
        let request_id = batch.request_id.clone();
        let trust = self.parts.identity.trust();
        let cell = self.parts.identity.cell_id();
        let configuration = self.parts.configuration.clone();
        // Signatures and a sync of the disk: not on a thread that serves clients.
        let applying = tokio::task::spawn_blocking(move || {
            let mut configuration = configuration.lock();
            let applied = configuration.apply(batch, &trust, &cell, unix_now());
            (applied, configuration.cursor())
        });
        let (applied, kept) = applying.await.map_err(SessionError::Panicked)?;
        let status = &self.parts.status;
        status.cursor_set(kept);
        let applied = match applied {
            Ok(applied) => applied,
            Err(refused) => {
                tracing::error!(
                    request_id,
                    code = refused.code(),
                    reason = error_text::chain(&refused),
                    "refused an update as a whole; serving what was there before"
                );
                status.refused(refused.code());
                self.resync_at.get_or_insert(Instant::now() + RESYNC_WAIT);
                let refusal = Refusal {
                    account: String::new(),
                    code: refused.code().into(),
                    reason: error_text::chain(&refused),
                };
                return self
                    .send(Node::Ack(Ack {
                        cursor: kept.map(Into::into),
                        refused: vec![refusal],
                        request_id,
                    }))
                    .await;
            }
        };
        tracing::info!(
            request_id,
            epoch = applied.cursor.epoch,
            revision = applied.cursor.revision,
            accounts = applied.accounts,
            removed = applied.removed,
            refused = applied.refused.len(),
            "applied an update"
        );
        for refusal in &applied.refused {
            status.refused(&refusal.code);
        }
        let ack = Ack {
            cursor: Some(applied.cursor.into()),
            refused: applied.refused,
            request_id,
        };
        match applied.kept {
            Ok(()) => {
                self.acknowledge_kept().await?;
                self.send(Node::Ack(ack)).await
            }
            Err(error) => self.withhold(ack, &error),
        }
    }

    /// What is in force and not on disk is not acknowledged: a restart would bring back what was before.
    fn withhold(&mut self, ack: Ack, error: &LastKnownGoodError) -> Result<(), SessionError> {
        tracing::error!(
            request_id = ack.request_id,
            error = error_text::chain(error),
            "an update is in force but not on disk, so it is not acknowledged; trying on"
        );
        self.unkept.handle_failure(ack, Instant::now());
        if self.unkept.is_full() {
            return Err(SessionError::NotKept);
        }
        Ok(())
    }

    /// Everything in force is on disk.
    async fn acknowledge_kept(&mut self) -> Result<(), SessionError> {
        if self.unkept.is_empty() {
            return Ok(());
        }
        tracing::info!("what is in force is on disk again");
        for ack in self.unkept.handle_kept() {
            self.send(Node::Ack(ack)).await?;
        }
        Ok(())
    }

    /// Writes again what the disk did not take.
    async fn keep(&mut self) -> Result<(), SessionError> {
        let configuration = self.parts.configuration.clone();
        let keeping = tokio::task::spawn_blocking(move || {
            let mut configuration = configuration.lock();
            let kept = configuration.keep();
            (kept, configuration.cursor())
        });
        let (kept, cursor) = keeping.await.map_err(SessionError::Panicked)?;
        match kept {
            Ok(()) => {
                self.parts.status.cursor_set(cursor);
                self.acknowledge_kept().await
            }
            Err(error) => {
                let error = error_text::chain(&error);
                tracing::warn!(error, "what is in force is still not on disk");
                self.unkept.handle_failed_retry(Instant::now());
                Ok(())
            }
        }
    }

    /// What is due each second. True when the stream has to be begun again with a new certificate.
    async fn tick(&mut self) -> Result<bool, SessionError> {
        let now = Instant::now();
        if self.resync_at.is_some_and(|at| now >= at) {
            return Err(SessionError::Resync);
        }
        if self.unkept.is_due(now) {
            self.keep().await?;
        }
        self.report_live()?;
        if self.usage_sent.is_some_and(|at| now - at >= USAGE_ACK_WAIT) {
            self.parts.usage.handle_lost();
            self.usage_sent = None;
        }
        self.report_usage()?;
        self.renew(now).await
    }

    fn report_live(&mut self) -> Result<(), SessionError> {
        let mut accounts = Vec::new();
        self.parts.broker.live_visit(&mut |account, live| {
            accounts.push(LiveAccount {
                account: account.to_string(),
                connections: live.connections,
                subscriptions: live.subscriptions,
            });
        });
        accounts.sort_by(|a, b| a.account.cmp(&b.account));
        accounts.truncate(LIVE_ACCOUNTS_MAX);
        if self.live.as_ref() == Some(&accounts) {
            return Ok(());
        }
        let report = LiveReport {
            accounts: accounts.clone(),
        };
        if self.offer(Node::Live(report))? {
            self.live = Some(accounts);
        }
        Ok(())
    }

    fn report_usage(&mut self) -> Result<(), SessionError> {
        let Some(report) = self.parts.usage.poll_report() else {
            return Ok(());
        };
        if self.offer(Node::Usage(report))? {
            self.usage_sent = Some(Instant::now());
        } else {
            self.parts.usage.handle_lost();
        }
        Ok(())
    }

    /// Begins a renewal when it is due, and sees how the last one went.
    async fn renew(&mut self, now: Instant) -> Result<bool, SessionError> {
        if let Some(renewal) = self.renewal.take_if(|renewal| renewal.is_finished()) {
            match renewal.await.map_err(SessionError::Panicked)? {
                Ok(()) => {
                    tracing::info!("renewed this node's certificate");
                    return Ok(true);
                }
                Err(error) => {
                    let error = error_text::chain(&error);
                    tracing::warn!(
                        error,
                        "could not renew this node's certificate; trying again later"
                    );
                    self.renewal_at = now + RENEWAL_RETRY;
                }
            }
        } else if self.renewal.is_none() && now >= self.renewal_at {
            let identity = self.parts.identity.clone();
            let mut client = FleetServiceClient::new(self.channel.clone());
            self.renewal = Some(tokio::spawn(async move {
                let key = KeyRequest::generate()?;
                let call = RenewCertificateRequest {
                    certificate_request: key.certificate_request.clone(),
                };
                let answer = timeout(CALL_WAIT, client.renew_certificate(call))
                    .await
                    .map_err(|_| SessionError::RenewalTimedOut)??;
                Ok(identity.certificate_replace(key, answer.into_inner().certificate)?)
            }));
        }
        Ok(false)
    }

    /// The last usage, so that it need not wait for this node's next start;
    /// what is not acknowledged in time waits on the disk.
    async fn farewell(&mut self) {
        let ends = tokio::time::Instant::now() + FAREWELL_WAIT;
        let telling = async {
            self.report_live()?;
            while !self.parts.usage.status().acknowledged {
                self.report_usage()?;
                let received = self.inbound.message().await?.ok_or(SessionError::Closed)?;
                if let Some(Control::UsageAck(ack)) = received.message {
                    self.parts.usage.handle_ack(ack.sequence);
                }
            }
            Ok::<_, SessionError>(())
        };
        if !matches!(timeout_at(ends, telling).await, Ok(Ok(()))) {
            tracing::info!("the last usage could not be told; it will be at the next start");
        }
    }

    /// Sends what is told again anyway, if there is room. While its database is
    /// away the control plane stops reading reports, and that must not end a
    /// stream on which requests and updates still travel.
    fn offer(&self, node: Node) -> Result<bool, SessionError> {
        match self.outbox.try_send(message(node)) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(TrySendError::Closed(_)) => Err(SessionError::Closed),
        }
    }

    /// A control plane that does not read for long is as good as gone; waiting
    /// for ever would be a deadlock when it waits for us to read.
    async fn send(&self, node: Node) -> Result<(), SessionError> {
        match timeout(SEND_WAIT, self.outbox.send(message(node))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(SessionError::Closed),
            Err(_) => Err(SessionError::Stuck),
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.parts.usage.handle_lost();
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }
}

fn message(message: Node) -> NodeMessage {
    NodeMessage {
        message: Some(message),
    }
}

/// Two thirds of a certificate's life: time enough to try again for days.
fn renewal_at((from, to): (i64, i64)) -> Instant {
    let due = from.saturating_add(to.saturating_sub(from).max(0) / 3 * 2);
    let wait = u64::try_from(due.saturating_sub(unix_now())).unwrap_or(0);
    // A life without end gives no point in time; a day later is looked at again on the next stream.
    let now = Instant::now();
    now.checked_add(std::time::Duration::from_secs(wait))
        .unwrap_or(now + std::time::Duration::from_secs(86_400))
}
