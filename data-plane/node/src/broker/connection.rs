//! One connection: the task that reads, hands operations to the session, and
//! sends what publishers could not.
//!
//! ```text
//! wait for: an order or something to send (signal) │ socket writable │ time │ socket readable
//!    └── turn: read a chunk, do every complete operation in it, flush receivers, maybe yield
//! ```

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;
use tollway_wire::{Decoder, ProtocolError, encoder};

use super::behind_others::behind_others;
use super::bounds::{
    CARRY_COPY_MAX, CLOSE_FLUSH, CLOSE_LINGER, CLOSE_LINGER_BYTES_MAX, OVERTIME_TURNS_MAX, PUBLISHER_STALL,
    TURNS_IN_A_ROW_MAX,
};
use super::card::Card;
use super::census;
use super::clock;
use super::close_reason::CloseReason;
use super::closed::Ending;
use super::introduction::Introduction;
use super::outbound::Outbound;
use super::scratch::{self, Scratch};
use super::session::{Flow, Progress, Session};
use super::shared::Shared;
use super::staging::Staging;
use super::stats::Counters;
use crate::transport::{Arrival, ReadEnd, Transport};

/// A connection from accept to close.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    transport: Arc<Transport>,
    outbound: Arc<Outbound>,
    peer: SocketAddr,
    session: Session,
    decoder: Decoder,
    /// Bytes that were read and not used: an unfinished frame, or what a long turn left.
    carry: Vec<u8>,
    /// What the account's memory knows of that.
    carried: usize,
    /// The carry holds complete operations: the next turn begins with those.
    backlog: bool,
    /// The last turn did an operation to its end.
    progress: bool,
    timer: Pin<Box<Sleep>>,
    /// Turns that a stranger had since its time was over.
    overtime_turns: u8,
    /// A receiver is so far behind, or so much is owed to a rate, that nothing is read until then.
    paused_until: Option<Instant>,
    /// The last thing done was sending what others could not.
    sent_last: bool,
    /// When the socket last took something, while there is something to send.
    blocked_since: Option<Instant>,
    /// Last, so that everything else is gone when the connection stops counting.
    _open: Open,
}

/// What the task waited for.
enum Event {
    Signal,
    Writable,
    Time,
    Turn,
}

/// How a turn ended.
enum Turn {
    /// The socket has nothing more at present.
    Drained,
    /// There is more to do; others first.
    Yield,
}

impl Connection {
    /// In a box: the task's state is moved and kept in several places otherwise,
    /// and most connections are idle.
    pub(crate) fn new(
        shared: Arc<Shared>,
        transport: Transport,
        peer: SocketAddr,
        introduction: Introduction,
        mut arrival: Option<Box<Arrival>>,
    ) -> Box<Self> {
        let transport = Arc::new(transport);
        let forwarded_for = arrival.as_ref().and_then(|arrival| arrival.forwarded_for());
        let shown = forwarded_for.map_or(peer, |address| SocketAddr::new(address, peer.port()));
        let (tls, over_websocket) = match &mut arrival {
            Some(arrival) => (arrival.tls.take(), arrival.upgrade.is_some()),
            None => (None, false),
        };
        let outbound = Arc::new(Outbound::new(
            introduction.client_id,
            transport.clone(),
            Card::new(shown, tls, over_websocket),
            shared.settings.max_pending,
        ));
        let session = Session::new(shared.clone(), outbound.clone(), introduction, arrival);
        Box::new(Self {
            _open: Open::new(shared.clone(), outbound.clone()),
            timer: Box::pin(tokio::time::sleep_until(session.poll_timeout().into())),
            decoder: Decoder::new(session.decoder_settings()),
            shared,
            transport,
            outbound,
            peer,
            session,
            carry: Vec::new(),
            carried: 0,
            backlog: false,
            progress: false,
            overtime_turns: 0,
            paused_until: None,
            sent_last: false,
            blocked_since: None,
        })
    }

    /// Runs until the connection ends, for whatever reason.
    pub(crate) async fn run(mut self: Box<Self>) {
        let mut out = Vec::new();
        if self.session.greeting(&mut out) {
            self.outbound.push_control(&mut out);
        }
        drop(out);
        let reason = self.live().await;
        Box::pin(self.end(reason)).await;
    }

    /// Greets a client that there is no room for, and sends it away.
    pub(crate) async fn refuse(self: Box<Self>) {
        let mut out = Vec::new();
        self.session.greeting(&mut out);
        self.outbound.push_control(&mut out);
        let reason = CloseReason::Told(ProtocolError::MaximumConnectionsExceeded);
        Box::pin(self.end(reason)).await;
    }

    async fn live(&mut self) -> CloseReason {
        let mut turns = 0;
        loop {
            let flow = match std::future::poll_fn(|context| self.poll_event(context)).await {
                Event::Signal => self.handle_orders(),
                Event::Writable => {
                    let flow = self.handle_writable();
                    if self.outbound.owner_sends() {
                        turns = TURNS_IN_A_ROW_MAX;
                    }
                    flow
                }
                Event::Time => self.handle_time(),
                Event::Turn if self.session.is_flushing() => {
                    turns = TURNS_IN_A_ROW_MAX;
                    scratch::with(|scratch| self.go_on_flushing(&mut scratch.staging));
                    ControlFlow::Continue(())
                }
                Event::Turn if self.session.is_rechecking() => {
                    turns = TURNS_IN_A_ROW_MAX;
                    self.go_on_rechecking()
                }
                Event::Turn => match scratch::with(|scratch| self.turn(scratch)) {
                    ControlFlow::Continue(Turn::Drained) => ControlFlow::Continue(()),
                    ControlFlow::Continue(Turn::Yield) => {
                        turns = TURNS_IN_A_ROW_MAX;
                        ControlFlow::Continue(())
                    }
                    ControlFlow::Break(reason) => ControlFlow::Break(reason),
                },
            };
            if let ControlFlow::Break(reason) = flow {
                return reason;
            }
            turns += 1;
            if turns > TURNS_IN_A_ROW_MAX {
                turns = 0;
                behind_others().await;
            }
        }
    }

    /// What is to be done next. Everything that may become ready is asked, so
    /// that it wakes the task.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if self.outbound.signal().poll_raised(context).is_ready() {
            return Poll::Ready(Event::Signal);
        }
        // Looked at after the signal was registered: who sets it later raises the signal.
        let writable = self.outbound.owner_sends() && self.transport.poll_write_ready(context).is_ready();
        let time = self.timer.as_mut().poll(context).is_ready();
        // An error of the socket shows again when reading.
        let turn = self.session.is_flushing()
            || self.session.is_rechecking()
            || self.paused_until.is_none()
                && !self.session.is_waiting()
                && (self.backlog || self.transport.poll_read_ready(context));
        // The login of a stranger may have arrived in time and found no thread free. What the layers
        // below take for themselves has no end, so the turns for it are counted.
        if time {
            if !turn || !self.session.is_stranger() || self.overtime_turns >= OVERTIME_TURNS_MAX {
                return Poll::Ready(Event::Time);
            }
            self.overtime_turns += 1;
        }
        // Both in turn: neither a flood of messages to the client nor one from it starves the other.
        self.sent_last = writable && !(turn && self.sent_last);
        match (self.sent_last, turn) {
            (true, _) => Poll::Ready(Event::Writable),
            (false, true) => Poll::Ready(Event::Turn),
            (false, false) => Poll::Pending,
        }
    }

    /// Reads once and does what was asked in what was read.
    fn turn(&mut self, scratch: &mut Scratch) -> ControlFlow<CloseReason, Turn> {
        let Scratch { read, staging } = scratch;
        let now = Instant::now();
        let account = self.session.account_number();
        let budget = self.shared.activity.budget(account, now);
        staging.begin_turn(budget.steps);
        let mut read_max = budget.bytes;
        if let Some(ration) = self.session.ration() {
            // What is missing of a message costs nothing before that is whole.
            let missing = self
                .decoder
                .frame_len()
                .unwrap_or(0)
                .saturating_sub(self.carry.len());
            read_max = read_max.min(ration.read.max(missing));
            staging.ration(ration.messages, ration.deliveries);
        }
        let mut drained = false;
        let (front, chunk) = read.split_at_mut(CARRY_COPY_MAX);
        let mut arrived = 0;
        if !self.backlog {
            arrived = match self.transport.read(&mut chunk[..read_max]) {
                Ok(0) => return ControlFlow::Break(CloseReason::ClientClosed),
                Ok(arrived) => arrived,
                Err(ReadEnd::Nothing) => {
                    self.pay_layers();
                    return ControlFlow::Continue(Turn::Drained);
                }
                Err(ReadEnd::Failed) => return ControlFlow::Break(CloseReason::Io),
                Err(ReadEnd::Websocket(error)) => {
                    return ControlFlow::Break(CloseReason::Websocket(error));
                }
            };
            self.pay_layers();
            drained = self.transport.is_drained(arrived, read_max);
            self.outbound.card.hear(now);
        }

        let mut carry = std::mem::take(&mut self.carry);
        let flow = if carry.len() <= CARRY_COPY_MAX {
            let start = CARRY_COPY_MAX - carry.len();
            front[start..].copy_from_slice(&carry);
            let bytes = &read[start..CARRY_COPY_MAX + arrived];
            let (used, flow) = self.handle_ops(bytes, staging);
            self.progress = used > 0;
            let rest = &bytes[used..];
            // Nothing is kept for a connection that has nothing unfinished.
            carry = if rest.is_empty() {
                Vec::new()
            } else {
                self.keep(carry, rest)
            };
            flow
        } else {
            carry.extend_from_slice(&chunk[..arrived]);
            let (used, flow) = self.handle_ops(&carry, staging);
            self.progress = used > 0;
            if used == carry.len() {
                carry = Vec::new();
            } else {
                carry.drain(..used);
            }
            flow
        };
        if !carry.is_empty() {
            self.session.handle_part();
        }
        self.carry = carry;
        self.session.flush(staging);
        self.end_turn(staging);
        flow?;
        ControlFlow::Continue(if drained && !self.backlog {
            Turn::Drained
        } else {
            Turn::Yield
        })
    }

    fn go_on_flushing(&mut self, staging: &mut Staging) {
        self.session.go_on_flushing(staging);
        self.end_turn(staging);
    }

    /// After receivers were sent to: what that means for memory, and for how fast to read.
    fn end_turn(&mut self, staging: &mut Staging) {
        let mut carried = self.transport.held() + self.session.outgoing_bytes();
        if self.carry.capacity() > CARRY_COPY_MAX {
            carried += self.carry.capacity();
        }
        if carried != self.carried {
            self.carried = carried;
            self.outbound.carry(carried);
        }
        self.session.make_room(staging);
        let stall = staging.take_stall().then_some(PUBLISHER_STALL);
        let pause = match self.session.is_flushing() {
            true => stall,
            false => self.session.pace(self.progress).max(stall),
        };
        if let Some(pause) = pause {
            self.paused_until = Some(Instant::now() + pause);
        }
        if self.session.take_timeout_changed() || pause.is_some() {
            if !self.session.is_stranger() {
                self.transport.trust(self.decoder.settings().max_payload as usize);
            }
            self.set_timer();
        }
    }

    /// Does every complete operation in `bytes`, unless they are too much for
    /// one turn. Says how many bytes that took.
    fn handle_ops(&mut self, bytes: &[u8], staging: &mut Staging) -> (usize, Flow) {
        let mut used = 0;
        self.backlog = false;
        loop {
            let (op, length) = match self.decoder.decode(&bytes[used..]) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => return (used, ControlFlow::Continue(())),
                Err(error) => return (used, ControlFlow::Break(CloseReason::Protocol(error))),
            };
            match self.session.handle(op, self.decoder.settings_mut(), staging) {
                ControlFlow::Continue(Progress::Done) => used += length,
                ControlFlow::Continue(Progress::Unfinished) => {
                    self.backlog = true;
                    return (used, ControlFlow::Continue(()));
                }
                ControlFlow::Break(reason) => return (used + length, ControlFlow::Break(reason)),
            }
            if staging.is_spent() && used < bytes.len() {
                self.backlog = true;
                return (used, ControlFlow::Continue(()));
            }
        }
    }

    /// Keeps the beginning of a frame for the next read, with room for all of
    /// it when its length is known.
    fn keep(&self, mut carry: Vec<u8>, rest: &[u8]) -> Vec<u8> {
        carry.clear();
        let frame = self.decoder.frame_len().unwrap_or(0);
        carry.reserve_exact(rest.len().max(frame));
        carry.extend_from_slice(rest);
        carry
    }

    /// A layer of the transport wants to say something: the owner sends it in its next turn.
    fn pay_layers(&self) {
        if self.transport.owes() {
            self.outbound.nudge();
        }
    }

    fn handle_orders(&mut self) -> Flow {
        let orders = self.outbound.take_orders();
        if orders.refused > 0 {
            self.session.handle_refused(orders.refused);
        }
        if let Some(reason) = orders.close {
            return ControlFlow::Break(reason);
        }
        let mut out = Vec::new();
        if orders.reload {
            let flow = self.session.handle_reload(self.decoder.settings_mut(), &mut out);
            if flow.is_break() {
                self.outbound.push_control(&mut out);
                return flow;
            }
            if self.paused_until.is_some() {
                self.paused_until = self
                    .session
                    .handle_change_in_pause()
                    .map(|pause| Instant::now() + pause);
            }
        }
        if orders.measure {
            self.session.handle_measure(&mut out);
        }
        if orders.lame_duck {
            self.session.handle_lame_duck(&mut out);
        }
        if !out.is_empty() {
            self.outbound.push_control(&mut out);
        }
        if self.outbound.owner_sends() && self.blocked_since.is_none() {
            self.blocked_since = Some(Instant::now());
        }
        self.set_timer();
        ControlFlow::Continue(())
    }

    fn go_on_rechecking(&mut self) -> Flow {
        let mut out = Vec::new();
        let flow = self.session.go_on_rechecking(&mut out);
        if !out.is_empty() {
            self.outbound.push_control(&mut out);
        }
        flow
    }

    fn handle_writable(&mut self) -> Flow {
        let progress = self.outbound.flush();
        self.blocked_since = match self.outbound.owner_sends() {
            false => None,
            true if progress => Some(Instant::now()),
            true => self.blocked_since.or_else(|| Some(Instant::now())),
        };
        self.set_timer();
        ControlFlow::Continue(())
    }

    fn handle_time(&mut self) -> Flow {
        let now = Instant::now();
        self.overtime_turns = 0;
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = self.session.handle_pause_end().map(|pause| now + pause);
        }
        if self
            .outbound
            .paid_at()
            .is_some_and(|paid_at| paid_at <= clock::now())
        {
            self.outbound.resume();
        }
        let deadline = self.shared.settings.write_deadline;
        if self
            .blocked_since
            .is_some_and(|since| now.duration_since(since) >= deadline)
        {
            return ControlFlow::Break(CloseReason::WriteDeadline);
        }
        let mut out = Vec::new();
        self.session.handle_timeout(now, &mut out)?;
        if !out.is_empty() {
            self.outbound.push_control(&mut out);
        }
        self.set_timer();
        ControlFlow::Continue(())
    }

    fn set_timer(&mut self) {
        let write_deadline = self
            .blocked_since
            .map(|since| since + self.shared.settings.write_deadline);
        let paid_at = self
            .outbound
            .paid_at()
            .map(|paid_at| Instant::now() + paid_at.saturating_sub(clock::now()));
        let next = [write_deadline, self.paused_until, paid_at]
            .into_iter()
            .flatten()
            .fold(self.session.poll_timeout(), Instant::min);
        self.timer.as_mut().reset(next.into());
    }

    /// Keeps what there is to tell of it for those who ask later.
    fn remember(&self, reason: &CloseReason) {
        let ending = Ending::now(reason.stock(), self.session.subscriptions());
        let (account, mut view) = census::connection(&self.outbound);
        view.ending = Some(ending);
        self.outbound.card.end();
        self.shared.closed.remember(account, view);
    }

    async fn end(self: Box<Self>, reason: CloseReason) {
        let counters = &self.shared.counters;
        if reason.is_slow_consumer() {
            Counters::add(&counters.slow_consumers);
        }
        if reason.is_protocol_error() {
            Counters::add(&counters.protocol_errors);
        }
        if reason == CloseReason::Stale {
            Counters::add(&counters.stale_connections);
        }
        self.session.note_end(&reason);
        self.remember(&reason);
        tracing::debug!(client = self.outbound.id, peer = %self.peer, reason = reason.text(), "connection ended");

        let Self {
            mut session,
            outbound,
            transport,
            _open,
            ..
        } = *self;
        // What was accepted before the end is delivered.
        while session.is_flushing() {
            scratch::with(|scratch| {
                session.go_on_flushing(&mut scratch.staging);
                session.make_room(&mut scratch.staging);
            });
            behind_others().await;
        }
        let leaving = session.leave_for(&reason);
        let mut last_words = Vec::new();
        if let Some(error) = reason.told() {
            encoder::error(&mut last_words, &error);
        }
        // From here on nobody delivers to it.
        outbound.finish(&last_words, reason.flushes());
        drop(session);
        if let Some(mut leaving) = leaving {
            while !leaving.go_on() {
                behind_others().await;
            }
        }
        if reason.flushes() {
            let ending = async {
                drain(&outbound, &transport).await;
                transport.close(reason.websocket_code(), &reason.text()).await;
            };
            let _ = tokio::time::timeout(CLOSE_FLUSH, ending).await;
            transport.shutdown();
            if reason.lingers(&last_words) {
                let _ = tokio::time::timeout(CLOSE_LINGER, transport.linger(CLOSE_LINGER_BYTES_MAX)).await;
            }
        } else if reason == CloseReason::ClientClosed {
            transport.close_now(reason.websocket_code());
        }
        outbound.release();
    }
}

/// Sends what is left to send.
async fn drain(outbound: &Outbound, transport: &Transport) {
    while !outbound.is_flushed() {
        if outbound.owner_sends() {
            if transport.writable().await.is_err() {
                return;
            }
            outbound.flush();
        } else {
            // A publisher is in the middle of sending; it is done, or hands over, any moment.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

/// Counts the connection and keeps it known for as long as it lives.
struct Open {
    shared: Arc<Shared>,
    outbound: Arc<Outbound>,
}

impl Open {
    fn new(shared: Arc<Shared>, outbound: Arc<Outbound>) -> Self {
        shared.outbounds.lock().insert(outbound.id, outbound.clone());
        shared.counters.connections.fetch_add(1, Relaxed);
        shared.counters.connections_total.fetch_add(1, Relaxed);
        Self { shared, outbound }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.outbound.release();
        self.shared.outbounds.lock().remove(&self.outbound.id);
        self.shared.counters.connections.fetch_sub(1, Relaxed);
    }
}
