//! The bytes on their way to one client, and who is sending them.
//!
//! Any thread that delivers something sends it itself, without waking another:
//!
//! ```text
//! push ──▶ nobody sends (Idle)    ──▶ Sending: straight from the staging buffer
//!      └─▶ somebody does          ──▶ appended to `tail`; the sender comes round for it
//! socket full, or sent for long   ──▶ Owner: the connection's own task goes on when the socket can
//! a rate is used up               ──▶ Rate: the connection's own task goes on when that is paid
//! ```
//!
//! What must hold, or bytes are forgotten until the next message:
//! - `writer` changes only under the lock, together with the bytes it speaks about.
//! - Whoever leaves `Sending` has looked at `tail` under that same lock.
//! - `writer == Owner` implies that the signal was raised after it was set, and so does `Rate`.
//! - The lock is never held across a system call.
//! - Messages are billed when the socket took them: what is thrown away never is.

mod rated;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::account::Account;
use super::bounds::{FLUSH_ROUNDS_MAX, SEND_TURN_MAX, TAIL_KEEP_MAX, UNCOUNTED_BYTES_MAX};
use super::card::Card;
use super::clock;
use super::close_reason::CloseReason;
use super::lane::Lane;
use super::memory::Memory;
use super::meters::{Meters, Tally};
use super::signal::Signal;
use super::waiting::{Source, Waiting};
use crate::transport::{Transport, WriteEnd};

/// The sending side of one connection, shared by all who deliver to it.
pub(crate) struct Outbound {
    /// Unique in the process, never used again.
    pub(crate) id: u64,
    pub(crate) card: Card,
    pending_max: usize,
    /// Set once; a hint for those who choose receivers. `State::sealed` decides.
    closing: AtomicBool,
    /// So much waits for a rate that other accounts are to ask somebody else; written under the lock.
    behind: AtomicBool,
    /// When the rate is paid for which everything waits, in nanoseconds; 0 when nothing does.
    paid_at: AtomicU64,
    /// Whether the owner has to send; written under the lock.
    owner_sends: AtomicBool,
    /// Bytes that are counted in the memory of its account; written under the lock.
    held: AtomicUsize,
    state: Mutex<State>,
    signal: Signal,
}

#[derive(Default)]
struct State {
    /// Taken when the connection ends, so that the descriptor is closed then
    /// and not when the last subscription is forgotten.
    socket: Option<Arc<Transport>>,
    writer: Writer,
    /// What the socket did not take; sent before `tail`.
    unsent: Waiting,
    tail: Waiting,
    /// Room that the owner has for an unfinished message of the client.
    carried: usize,
    payer: Option<Payer>,
    /// The rates that are kept here, if there are any. What is in `tail` is not paid for yet.
    lane: Option<Box<Lane>>,
    /// Bytes that the sender has taken out and not reported back.
    in_flight: usize,
    /// Nothing is accepted any more but the last words.
    sealed: bool,
    /// See [`Outbound::nudge`]; only while somebody is sending.
    nudged: bool,
    orders: Orders,
}

/// The account that the client is in.
#[derive(Clone)]
struct Payer {
    memory: Arc<Memory>,
    meters: Arc<Meters>,
}

/// Whose turn it is to send.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Writer {
    #[default]
    Idle,
    Sending,
    Owner,
    Rate,
}

/// What others want the owner of a connection to do.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// End the connection.
    pub(crate) close: Option<CloseReason>,
    /// The user, its permissions or limits changed.
    pub(crate) reload: bool,
    /// Tell the client to look for another node.
    pub(crate) lame_duck: bool,
    /// Tell the account of so many messages that the client was not given because of a rate.
    pub(crate) refused: u64,
    /// Measure the round trip to the client.
    pub(crate) measure: bool,
}

/// What became of pushed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// They are sent; the caller bills them.
    Sent,
    /// They wait, or a part of them, and are billed when they are sent.
    Waiting,
    /// They wait behind so many others that the publisher should pause.
    Stall,
    /// They are gone, because they are requests of others and too much waits; who asks should pause.
    Shed,
    /// The connection ends; they are gone.
    Refused,
}

impl Outbound {
    pub(crate) fn new(id: u64, socket: Arc<Transport>, card: Card, pending_max: usize) -> Self {
        let state = State {
            socket: Some(socket),
            ..State::default()
        };
        Self {
            id,
            card,
            pending_max,
            closing: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            paid_at: AtomicU64::new(0),
            owner_sends: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            state: Mutex::new(state),
            signal: Signal::default(),
        }
    }

    /// Whether it makes no sense to choose this receiver.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// The client is in this account from now on.
    pub(crate) fn belong_to(&self, account: &Account) {
        let mut state = self.state.lock();
        if let Some(before) = state.payer.take() {
            // Rare: a second CONNECT with messages of the other account still on their way.
            before.meters.add_out(state.unsent.take_tally());
            before.meters.add_out(state.tail.take_tally());
            before.memory.wait(self.held(), 0);
        }
        account.memory.wait(0, self.held());
        self.lane_put(&mut state, None);
        state.payer = Some(Payer {
            memory: account.memory.clone(),
            meters: account.meters.clone(),
        });
    }

    /// How much the node holds for this client, when that is worth counting.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The owner has so much room for an unfinished message.
    pub(crate) fn carry(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.carried = bytes;
        self.recount(&state);
    }

    /// What wakes the owner.
    pub(crate) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Sends bytes that are no messages.
    pub(crate) fn push_control(&self, bytes: &mut Vec<u8>) {
        self.push(bytes, Tally::default(), Source::Home);
    }

    /// Sends `bytes`, or has them sent by who is sending already. The buffer's
    /// content is used up; usually its room stays with the caller.
    pub(crate) fn push(&self, bytes: &mut Vec<u8>, tally: Tally, source: Source) -> Pushed {
        let mut state = self.state.lock();
        if state.sealed {
            return Pushed::Refused;
        }
        let pending = state.pending() + bytes.len();
        if source == Source::Request && pending > self.pending_max / 4 * 3 {
            // Chosen before it was known how far behind it is. Who only asks has nobody closed.
            self.refuse(&mut state, tally.messages);
            return Pushed::Shed;
        }
        if pending > self.pending_max {
            self.seal(&mut state, CloseReason::PendingBytes);
            return Pushed::Refused;
        }
        if state.lane.as_ref().is_some_and(|lane| lane.concerns(source)) {
            return self.push_rated(state, bytes, tally, source);
        }
        self.card.count_sent(tally);
        if state.writer != Writer::Idle {
            state.tail.append(bytes, tally, source.is_home());
            self.recount(&state);
            let stall = pending > self.pending_max / 4 * 3;
            return if stall { Pushed::Stall } else { Pushed::Waiting };
        }
        let Some(socket) = state.start_sending(bytes.len()) else {
            return Pushed::Refused;
        };
        drop(state);
        let (sent, end) = socket.write(bytes, SEND_TURN_MAX);

        let mut state = self.state.lock();
        state.in_flight = 0;
        if sent < bytes.len() {
            let mut waiting = Waiting::begun(std::mem::take(bytes), 0, tally);
            let billed = waiting.advance(sent);
            debug_assert_eq!(billed, Tally::default(), "a part is billed as a whole");
            self.stop(&mut state, waiting, end);
            return Pushed::Waiting;
        }
        if end != WriteEnd::All {
            // A layer has something of its own left to send.
            self.stop(&mut state, Waiting::default(), end);
            return Pushed::Sent;
        }
        if state.tail.is_empty() {
            self.rest(&mut state);
            return Pushed::Sent;
        }
        // The room goes to those who append while we send what they appended before.
        let mut waiting = Waiting::new(std::mem::take(bytes));
        let payer = state.take_tail(&mut waiting);
        drop(state);
        self.send(&socket, &mut waiting, payer, FLUSH_ROUNDS_MAX - 1);
        *bytes = waiting.into_room();
        Pushed::Sent
    }

    /// The owner's turn: sends what waits. Says whether the socket took anything.
    pub(crate) fn flush(&self) -> bool {
        let mut state = self.state.lock();
        if state.writer != Writer::Owner {
            return false;
        }
        self.owner_sends.store(false, Ordering::Relaxed);
        let mut waiting = std::mem::take(&mut state.unsent);
        let Some(socket) = state.start_sending(waiting.unsent().len()) else {
            return false;
        };
        let payer = match waiting.is_empty() {
            true => state.take_tail(&mut waiting),
            false => state.payer.clone(),
        };
        drop(state);
        self.send(&socket, &mut waiting, payer, FLUSH_ROUNDS_MAX)
    }

    /// A layer of the transport has something of its own to send: the owner comes for it.
    pub(crate) fn nudge(&self) {
        let mut state = self.state.lock();
        match state.writer {
            Writer::Idle | Writer::Rate if state.socket.is_some() => self.hand_to_owner(&mut state),
            // It may have looked for such things already.
            Writer::Sending => state.nudged = true,
            Writer::Idle | Writer::Rate | Writer::Owner => {}
        }
    }

    /// Whether the owner has to call [`Outbound::flush`] when the socket is writable.
    pub(crate) fn owner_sends(&self) -> bool {
        self.owner_sends.load(Ordering::Acquire)
    }

    /// Asks the owner to end the connection. The first reason counts.
    pub(crate) fn order_close(&self, reason: CloseReason) {
        self.seal(&mut self.state.lock(), reason);
    }

    /// Asks the owner to look at its user and its limits again.
    pub(crate) fn order_reload(&self) {
        self.state.lock().orders.reload = true;
        self.signal.raise();
    }

    /// Asks the owner to tell its client to look for another node.
    pub(crate) fn order_lame_duck(&self) {
        self.state.lock().orders.lame_duck = true;
        self.signal.raise();
    }

    /// Asks the owner to measure the round trip to its client.
    pub(crate) fn order_measure(&self) {
        self.state.lock().orders.measure = true;
        self.signal.raise();
    }

    /// What the owner has to do.
    pub(crate) fn take_orders(&self) -> Orders {
        std::mem::take(&mut self.state.lock().orders)
    }

    /// The owner ends the connection: nothing is accepted any more but these
    /// last words. Unless `flush`, what waited is dropped.
    pub(crate) fn finish(&self, last_words: &[u8], flush: bool) {
        self.closing.store(true, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.sealed = true;
        if !flush {
            state.drop_waiting();
            self.recount(&state);
            return;
        }
        self.lane_end(&mut state);
        state.tail.append(last_words, Tally::default(), true);
        if state.writer == Writer::Idle && !state.tail.is_empty() {
            self.hand_to_owner(&mut state);
        }
        drop(state);
        self.flush();
    }

    /// Bytes that wait for the client.
    pub(crate) fn pending(&self) -> usize {
        self.state.lock().pending()
    }

    /// Whether everything accepted was given to the socket.
    pub(crate) fn is_flushed(&self) -> bool {
        let state = self.state.lock();
        state.pending() == 0 && state.writer == Writer::Idle
    }

    /// Lets go of the socket. Nothing can be sent afterwards.
    pub(crate) fn release(&self) {
        let mut state = self.state.lock();
        state.sealed = true;
        state.socket = None;
        state.drop_waiting();
        state.lane = None;
        state.carried = 0;
        self.recount(&state);
    }

    /// Sends this and then what others append meanwhile, in so many rounds. Must be called by who
    /// set `Sending`. Says whether the socket took anything.
    fn send(
        &self,
        socket: &Transport,
        waiting: &mut Waiting,
        mut payer: Option<Payer>,
        rounds: usize,
    ) -> bool {
        let mut progress = false;
        for round in 1.. {
            let (sent, end) = socket.write(waiting.unsent(), SEND_TURN_MAX);
            progress |= sent > 0;
            let billed = waiting.advance(sent);
            if let Some(payer) = &payer {
                payer.meters.add_out(billed);
            }

            let mut state = self.state.lock();
            state.in_flight = 0;
            if !matches!(end, WriteEnd::All) {
                self.stop(&mut state, std::mem::take(waiting), end);
                break;
            }
            if state.tail.is_empty() {
                self.rest(&mut state);
                break;
            }
            if round >= rounds {
                self.hand_to_owner(&mut state);
                self.recount(&state);
                break;
            }
            payer = state.take_tail(waiting);
            if waiting.is_empty() {
                self.wait_for_rate(&mut state);
                break;
            }
        }
        progress
    }

    /// The sender has nothing more to send.
    fn rest(&self, state: &mut State) {
        state.tail.shrink(TAIL_KEEP_MAX);
        self.recount(state);
        if std::mem::take(&mut state.nudged) && state.socket.is_some() {
            self.hand_to_owner(state);
        } else {
            state.writer = Writer::Idle;
        }
    }

    /// The sender cannot go on, and this is left.
    fn stop(&self, state: &mut State, waiting: Waiting, end: WriteEnd) {
        // Not copied: much may be waiting, and the socket takes it in small parts.
        state.unsent = waiting;
        if matches!(end, WriteEnd::Failed) {
            state.writer = Writer::Idle;
            self.seal(state, CloseReason::WriteFailed);
        } else if state.socket.is_none() {
            // The owner is gone, so nobody would come for it.
            state.writer = Writer::Idle;
            state.drop_waiting();
        } else {
            self.hand_to_owner(state);
            self.recount(state);
        }
    }

    /// Counts in the account's memory what is held now.
    fn recount(&self, state: &State) {
        let behind_rate = |lane: &Lane| lane.is_behind(clock::now());
        // Half of the room is for the requests of others, so that they leave some to its own account.
        let behind = state.pending() > self.pending_max / 2 || state.lane.as_deref().is_some_and(behind_rate);
        if behind != self.behind.load(Ordering::Relaxed) {
            self.behind.store(behind, Ordering::Relaxed);
        }
        let mut held = state.unsent.room() + state.tail.room() + state.carried;
        if held <= UNCOUNTED_BYTES_MAX {
            held = 0;
        }
        let before = self.held.load(Ordering::Relaxed);
        if before == held {
            return;
        }
        // Under the lock, so nobody else writes it.
        self.held.store(held, Ordering::Relaxed);
        if let Some(payer) = &state.payer {
            payer.memory.wait(before, held);
        }
    }

    fn hand_to_owner(&self, state: &mut State) {
        state.writer = Writer::Owner;
        self.paid_at.store(0, Ordering::Relaxed);
        self.owner_sends.store(true, Ordering::Release);
        self.signal.raise();
    }

    fn seal(&self, state: &mut State, reason: CloseReason) {
        self.closing.store(true, Ordering::Relaxed);
        if !reason.flushes() {
            state.drop_waiting();
        }
        state.sealed = true;
        state.orders.close.get_or_insert(reason);
        self.recount(state);
        self.signal.raise();
    }
}

impl State {
    fn pending(&self) -> usize {
        self.in_flight + self.unsent.unsent().len() + self.tail.unsent().len()
    }

    /// Makes the caller the sender of so many bytes, if there is a socket.
    fn start_sending(&mut self, bytes: usize) -> Option<Arc<Transport>> {
        let socket = self.socket.clone()?;
        self.writer = Writer::Sending;
        self.in_flight = bytes;
        Some(socket)
    }

    /// Gives the sender what was appended and no rate holds back, in exchange for the room of what it
    /// sent, and who pays.
    fn take_tail(&mut self, sent: &mut Waiting) -> Option<Payer> {
        let mut room = Waiting::new(std::mem::take(sent).into_room());
        *sent = match &mut self.lane {
            None => std::mem::replace(&mut self.tail, room),
            Some(lane) => {
                lane.take(&mut self.tail, &mut room, clock::now());
                room
            }
        };
        self.in_flight = sent.unsent().len();
        self.payer.clone()
    }

    /// Forgets what waits. What a sender has taken out is its own business.
    fn drop_waiting(&mut self) {
        let sent = std::mem::take(&mut self.unsent).abandon();
        self.tail = Waiting::default();
        if let Some(payer) = &self.payer {
            payer.meters.add_out(sent);
        }
    }
}
