//! The bytes on their way to one client, and who is sending them.
//!
//! Any thread that delivers something sends it itself, without waking another:
//!
//! ```text
//! push ──▶ nobody sends (Idle)    ──▶ Sending: straight from the staging buffer
//!      └─▶ somebody does          ──▶ appended to `tail`; the sender comes round for it
//! socket full, or sent for long   ──▶ Owner: the connection's own task goes on when the socket can
//! ```
//!
//! What must hold, or bytes are forgotten until the next message:
//! - `writer` changes only under the lock, together with the bytes it speaks about.
//! - Whoever leaves `Sending` has looked at `tail` under that same lock.
//! - `writer == Owner` implies that the signal was raised after it was set.
//! - The lock is never held across a system call.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::bounds::{FLUSH_ROUNDS_MAX, SEND_TURN_MAX, TAIL_KEEP_MAX};
use super::close_reason::CloseReason;
use super::signal::Signal;

/// The sending side of one connection, shared by all who deliver to it.
pub(crate) struct Outbound {
    /// Unique in the process, never used again.
    pub(crate) id: u64,
    pending_max: usize,
    /// Set once; a hint for those who choose receivers. `State::sealed` decides.
    closing: AtomicBool,
    /// Whether the owner has to send; written under the lock.
    owner_sends: AtomicBool,
    state: Mutex<State>,
    signal: Signal,
}

#[derive(Default)]
struct State {
    /// Taken when the connection ends, so that the descriptor is closed then
    /// and not when the last subscription is forgotten.
    socket: Option<Arc<TcpStream>>,
    writer: Writer,
    /// What the socket did not take, from `unsent_from` on; sent before `tail`.
    unsent: Vec<u8>,
    unsent_from: usize,
    tail: Vec<u8>,
    /// Bytes that the sender has taken out and not reported back.
    in_flight: usize,
    /// Nothing is accepted any more but the last words.
    sealed: bool,
    orders: Orders,
}

/// Whose turn it is to send.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Writer {
    #[default]
    Idle,
    Sending,
    Owner,
}

/// What others want the owner of a connection to do.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// End the connection.
    pub(crate) close: Option<CloseReason>,
    /// The user, its permissions or limits changed.
    pub(crate) reload: bool,
    /// Tell the client that the node is about to stop.
    pub(crate) lame_duck: bool,
}

/// What became of pushed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// They are sent or wait.
    Accepted,
    /// They wait behind so many others that the publisher should pause.
    Stall,
    /// The connection ends; they are gone.
    Refused,
}

impl Outbound {
    pub(crate) fn new(id: u64, socket: Arc<TcpStream>, pending_max: usize) -> Self {
        let state = State {
            socket: Some(socket),
            ..State::default()
        };
        Self {
            id,
            pending_max,
            closing: AtomicBool::new(false),
            owner_sends: AtomicBool::new(false),
            state: Mutex::new(state),
            signal: Signal::default(),
        }
    }

    /// Whether it makes no sense to choose this receiver.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// What wakes the owner.
    pub(crate) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Sends `bytes`, or has them sent by who is sending already. The buffer's
    /// content is used up; usually its room stays with the caller.
    pub(crate) fn push(&self, bytes: &mut Vec<u8>) -> Pushed {
        let mut state = self.state.lock();
        if state.sealed {
            return Pushed::Refused;
        }
        let pending = state.pending() + bytes.len();
        if pending > self.pending_max {
            self.seal(&mut state, CloseReason::PendingBytes);
            return Pushed::Refused;
        }
        if state.writer != Writer::Idle {
            state.tail.extend_from_slice(bytes);
            let stall = pending > self.pending_max / 4 * 3;
            return if stall { Pushed::Stall } else { Pushed::Accepted };
        }
        let Some(socket) = state.start_sending(bytes.len()) else {
            return Pushed::Refused;
        };
        drop(state);
        self.send(&socket, bytes, 0);
        Pushed::Accepted
    }

    /// The owner's turn: sends what waits. Says whether the socket took anything.
    pub(crate) fn flush(&self) -> bool {
        let mut state = self.state.lock();
        if state.writer != Writer::Owner {
            return false;
        }
        self.owner_sends.store(false, Ordering::Relaxed);
        let mut bytes = std::mem::take(&mut state.unsent);
        let mut from = std::mem::take(&mut state.unsent_from);
        if from == bytes.len() {
            bytes = std::mem::take(&mut state.tail);
            from = 0;
        }
        let Some(socket) = state.start_sending(bytes.len() - from) else {
            return false;
        };
        drop(state);
        self.send(&socket, &mut bytes, from)
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

    /// Asks the owner to tell its client that the node is about to stop.
    pub(crate) fn order_lame_duck(&self) {
        self.state.lock().orders.lame_duck = true;
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
            return;
        }
        state.tail.extend_from_slice(last_words);
        if state.writer == Writer::Idle && !state.tail.is_empty() {
            self.hand_to_owner(&mut state);
        }
        drop(state);
        self.flush();
    }

    /// Whether everything accepted was given to the socket.
    pub(crate) fn is_flushed(&self) -> bool {
        self.state.lock().pending() == 0
    }

    /// Lets go of the socket. Nothing can be sent afterwards.
    pub(crate) fn release(&self) {
        let mut state = self.state.lock();
        state.sealed = true;
        state.socket = None;
        state.drop_waiting();
    }

    /// Sends `bytes[from..]` and then what others appended meanwhile. Must be
    /// called by who set `Sending`. Says whether the socket took anything.
    fn send(&self, socket: &TcpStream, bytes: &mut Vec<u8>, mut from: usize) -> bool {
        let mut progress = false;
        for round in 1.. {
            let (sent, end) = write(socket, &bytes[from..]);
            progress |= sent > 0;
            from += sent;

            let mut state = self.state.lock();
            state.in_flight = 0;
            match end {
                WriteEnd::Failed => {
                    state.writer = Writer::Idle;
                    self.seal(&mut state, CloseReason::Io);
                    break;
                }
                WriteEnd::Full | WriteEnd::Enough => {
                    // Not copied: much may be waiting, and the socket takes it in small parts.
                    state.unsent = std::mem::take(bytes);
                    state.unsent_from = from;
                    self.hand_to_owner(&mut state);
                    break;
                }
                WriteEnd::All if state.tail.is_empty() => {
                    state.writer = Writer::Idle;
                    if state.tail.capacity() > TAIL_KEEP_MAX {
                        state.tail = Vec::new();
                    }
                    break;
                }
                WriteEnd::All if round >= FLUSH_ROUNDS_MAX => {
                    self.hand_to_owner(&mut state);
                    break;
                }
                WriteEnd::All => {
                    bytes.clear();
                    std::mem::swap(bytes, &mut state.tail);
                    from = 0;
                    state.in_flight = bytes.len();
                }
            }
        }
        progress
    }

    fn hand_to_owner(&self, state: &mut State) {
        state.writer = Writer::Owner;
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
        self.signal.raise();
    }
}

impl State {
    fn pending(&self) -> usize {
        self.in_flight + (self.unsent.len() - self.unsent_from) + self.tail.len()
    }

    /// Makes the caller the sender of so many bytes, if there is a socket.
    fn start_sending(&mut self, bytes: usize) -> Option<Arc<TcpStream>> {
        let socket = self.socket.clone()?;
        self.writer = Writer::Sending;
        self.in_flight = bytes;
        Some(socket)
    }

    /// Forgets what waits. What a sender has taken out is its own business.
    fn drop_waiting(&mut self) {
        self.unsent = Vec::new();
        self.unsent_from = 0;
        self.tail = Vec::new();
    }
}

enum WriteEnd {
    All,
    /// The socket takes no more; the runtime knows that and will say when it does.
    Full,
    /// The socket would take more, but others want their turn.
    Enough,
    Failed,
}

/// Writes as much as the socket takes. Says how much that was.
fn write(socket: &TcpStream, bytes: &[u8]) -> (usize, WriteEnd) {
    let mut sent = 0;
    while sent < bytes.len() {
        if sent >= SEND_TURN_MAX {
            return (sent, WriteEnd::Enough);
        }
        match socket.try_write(&bytes[sent..]) {
            Ok(0) => return (sent, WriteEnd::Failed),
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (sent, WriteEnd::Full),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return (sent, WriteEnd::Failed),
        }
    }
    (sent, WriteEnd::All)
}
