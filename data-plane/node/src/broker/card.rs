//! What there is to tell of one connection: who it is, since when, and what it sent and got.
//!
//! Written by whoever works for the connection anyway, without a lock; read when somebody looks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::bounds::ROUND_TRIP_LOOK;
use super::client::Client;
use super::closed::Ending;
use super::meters::Tally;
use super::request_info::RequestInfo;
use crate::transport::TlsFacts;

/// Characters of each text that a client said of itself and that others are told.
const INTRODUCED_CHARACTERS_MAX: usize = 256;

/// The card of one connection.
pub(crate) struct Card {
    peer: SocketAddr,
    since: SystemTime,
    began: Instant,
    /// Microseconds after `began`.
    heard_at: AtomicU64,
    /// Nanoseconds to the client and back, as last measured, and one more; 0 before.
    round_trip: AtomicU64,
    /// When measuring began last: microseconds after `began`, and one more; 0 before.
    measured_at: AtomicU64,
    tls: Option<Box<TlsFacts>>,
    over_websocket: bool,
    /// It is remembered among those that ended; its last words may still be on their way.
    ended: AtomicBool,
    received: Traffic,
    sent: Traffic,
    holder: Mutex<Option<Box<Holder>>>,
}

/// What a client said of itself when it logged in.
pub(crate) struct Holder {
    pub(crate) client: Weak<Client>,
    pub(crate) name: Option<String>,
    pub(crate) lang: Option<String>,
    pub(crate) version: Option<String>,
}

/// Messages and their bytes. One thread at a time counts.
#[derive(Default)]
struct Traffic {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    fn count(&self, tally: Tally) {
        // Cheaper than adding: nobody else writes.
        self.messages
            .store(self.messages.load(Relaxed) + tally.messages, Relaxed);
        self.bytes.store(self.bytes.load(Relaxed) + tally.bytes, Relaxed);
    }

    fn read(&self) -> (u64, u64) {
        (self.messages.load(Relaxed), self.bytes.load(Relaxed))
    }
}

impl Card {
    /// Adds what the connection and its client say of themselves.
    pub(crate) fn introduce(&self, info: RequestInfo) -> RequestInfo {
        let holder = self.holder.lock();
        let said = |of: fn(&Holder) -> &Option<String>| {
            let text = holder.as_ref().and_then(|holder| of(holder).clone());
            // As much as anybody reads: a client's name goes into every request that it shares.
            text.as_deref().map(introduced)
        };
        RequestInfo {
            host: Some(self.peer.ip().to_canonical().to_string()),
            name: said(|holder| &holder.name),
            lang: said(|holder| &holder.lang),
            ver: said(|holder| &holder.version),
            ..info
        }
    }

    pub(crate) fn new(peer: SocketAddr, tls: Option<Box<TlsFacts>>, over_websocket: bool) -> Self {
        Self {
            peer,
            since: SystemTime::now(),
            began: Instant::now(),
            heard_at: AtomicU64::new(0),
            round_trip: AtomicU64::new(0),
            measured_at: AtomicU64::new(0),
            tls,
            over_websocket,
            ended: AtomicBool::new(false),
            received: Traffic::default(),
            sent: Traffic::default(),
            holder: Mutex::new(None),
        }
    }

    /// Something arrived from the client.
    pub(crate) fn hear(&self, now: Instant) {
        let micros = now.saturating_duration_since(self.began).as_micros();
        self.heard_at
            .store(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
    }

    /// The client answered something that was sent at this time.
    pub(crate) fn note_round_trip(&self, sent: Instant) {
        let nanos = sent.elapsed().as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX - 1);
        self.round_trip.store(nanos.saturating_add(1), Relaxed);
    }

    /// When it was greeted: what it says first is the answer to that.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// From now on it is not one of those that are open.
    pub(crate) fn end(&self) {
        self.ended.store(true, Relaxed);
    }

    /// Whether that was said.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Whether the round trip was not measured lately. Who is told so measures it.
    pub(crate) fn wants_measuring(&self, now: Instant) -> bool {
        let micros = now.saturating_duration_since(self.began).as_micros();
        let now = u64::try_from(micros).unwrap_or(u64::MAX - 1).saturating_add(1);
        let last = self.measured_at.load(Relaxed);
        let due = last == 0 || u128::from(now.saturating_sub(last)) >= ROUND_TRIP_LOOK.as_micros();
        due && self
            .measured_at
            .compare_exchange(last, now, Relaxed, Relaxed)
            .is_ok()
    }

    /// The client published this. Only the connection's own task counts here.
    pub(crate) fn count_received(&self, tally: Tally) {
        if tally.messages > 0 {
            self.received.count(tally);
        }
    }

    /// The client is sent this. Only who holds the lock of its outbound counts here.
    pub(crate) fn count_sent(&self, tally: Tally) {
        if tally.messages > 0 {
            self.sent.count(tally);
        }
    }

    /// The connection has logged in.
    pub(crate) fn hand_to(&self, holder: Holder) {
        *self.holder.lock() = Some(Box::new(holder));
    }

    /// What the card says; the rest is left empty.
    pub(crate) fn read(&self, id: u64) -> (ConnectionView, Option<Arc<Client>>) {
        let (in_messages, in_bytes) = self.received.read();
        let (out_messages, out_bytes) = self.sent.read();
        let mut view = ConnectionView {
            id,
            peer: self.peer,
            since: self.since,
            heard: self.since + Duration::from_micros(self.heard_at.load(Relaxed)),
            round_trip: match self.round_trip.load(Relaxed) {
                0 => None,
                nanos => Some(Duration::from_nanos(nanos - 1)),
            },
            over_websocket: self.over_websocket,
            tls: self.tls.as_deref().cloned(),
            ending: None,
            pending_bytes: 0,
            in_messages,
            in_bytes,
            out_messages,
            out_bytes,
            subscriptions: 0,
            name: None,
            lang: None,
            version: None,
            user: None,
            account: None,
            account_name: None,
        };
        let mut client = None;
        if let Some(holder) = &*self.holder.lock() {
            let shown = |text: &Option<String>| text.as_deref().map(introduced);
            view.name = shown(&holder.name);
            view.lang = shown(&holder.lang);
            view.version = shown(&holder.version);
            client = holder.client.upgrade();
        }
        (view, client)
    }
}

/// As much as anybody is told.
fn introduced(text: &str) -> String {
    text.chars().take(INTRODUCED_CHARACTERS_MAX).collect()
}

/// One connection at one moment.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    /// Its number, as INFO says it.
    pub id: u64,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// When it began.
    pub since: SystemTime,
    /// When something last came from it.
    pub heard: SystemTime,
    /// How long it takes to the client and back, once that was measured.
    pub round_trip: Option<Duration>,
    /// Whether it came over a websocket.
    pub over_websocket: bool,
    /// What there is to tell of TLS, if it came over that.
    pub tls: Option<TlsFacts>,
    /// How it ended; none while it is open.
    pub ending: Option<Ending>,
    /// Bytes that wait for it.
    pub pending_bytes: usize,
    /// Messages it published, and their bytes (subject, reply, headers and payload).
    pub in_messages: u64,
    /// See `in_messages`.
    pub in_bytes: u64,
    /// Messages for it, and their bytes (subject, reply, headers and payload).
    pub out_messages: u64,
    /// See `out_messages`.
    pub out_bytes: u64,
    /// Its subscriptions.
    pub subscriptions: u64,
    /// The client's name for itself.
    pub name: Option<String>,
    /// The language of its library.
    pub lang: Option<String>,
    /// The version of its library.
    pub version: Option<String>,
    /// The user: its name, or its key.
    pub user: Option<String>,
    /// The account, as INFO says it; none before login.
    pub account: Option<String>,
    /// What people call the account.
    pub account_name: Option<String>,
}
