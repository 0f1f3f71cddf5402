//! What has to be done later, or by nobody's turn: requests that nobody answers end, response
//! times are told, activations begin and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tollway_wire::Message;

use super::account::Account;
use super::behind_others::behind_others;
use super::bounds::{EVENTS_WAITING_MAX, MEASUREMENTS_WAITING_MAX, OPEN_REQUESTS_LOOK};
use super::client::{Client, ClientOptions, Sink};
use super::exchange;
use super::inbox::Inbox;
use super::latency::{Measured, Measurement, Outcome};
use super::route::{Published, Publisher};
use super::scratch;
use super::shared::{Shared, unix_now};
use super::user::User;

/// The longest that the desk sleeps until a time of the calendar: the wall clock may be set meanwhile.
const CALENDAR_LOOK: Duration = Duration::from_secs(600);

/// Where publishers leave it.
pub(crate) struct Desk {
    /// Accounts with open requests.
    watched: Mutex<Vec<Arc<Account>>>,
    wake: Notify,
    /// When activations begin or end next, seconds since 1970.
    deadline: AtomicI64,
    measurements: mpsc::Sender<Measurement>,
    /// What accounts are told of themselves, each of them little: apart, so that who has much measured
    /// takes nobody's place here.
    events: mpsc::Sender<Measurement>,
    /// Taken by who works at the desk.
    inbound: Mutex<Option<Inbound>>,
}

struct Inbound {
    measurements: mpsc::Receiver<Measurement>,
    events: mpsc::Receiver<Measurement>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let (measurements, measurements_inbound) = mpsc::channel(MEASUREMENTS_WAITING_MAX);
        let (events, events_inbound) = mpsc::channel(EVENTS_WAITING_MAX);
        let inbound = Inbound {
            measurements: measurements_inbound,
            events: events_inbound,
        };
        Self {
            watched: Mutex::default(),
            wake: Notify::new(),
            deadline: AtomicI64::new(i64::MAX),
            measurements,
            events,
            inbound: Mutex::new(Some(inbound)),
        }
    }

    /// An account has open requests, and had none before.
    pub(crate) fn watch(&self, account: Arc<Account>) {
        self.watched.lock().push(account);
        self.wake.notify_one();
    }

    /// Activations begin or end at this time next, if any do.
    pub(crate) fn deadline_set(&self, at: Option<i64>) {
        let at = at.unwrap_or(i64::MAX);
        if self.deadline.swap(at, Relaxed) != at {
            self.wake.notify_one();
        }
    }

    /// A measured request ended. Publishers do not wait: when more is measured than can be told,
    /// the rest is not.
    pub(crate) fn tell(&self, measured: Measured, outcome: &Outcome) {
        let _ = self.measurements.try_send(measured.end(outcome));
    }

    /// Tells an account something of itself. When more is waiting than can be told, this is not.
    pub(crate) fn publish(&self, event: Measurement) {
        let _ = self.events.try_send(event);
    }

    /// Closes what is over. True when there is more to come by for.
    fn expire(&self, now: Instant) -> bool {
        let mut watched = std::mem::take(&mut *self.watched.lock());
        watched.retain(|account| {
            account
                .requests
                .expire(now, |measured| self.tell(*measured, &Outcome::Timeout))
        });
        let mut all = self.watched.lock();
        all.append(&mut watched);
        !all.is_empty()
    }
}

/// Works until `stop`. Does nothing when somebody does already.
pub(crate) async fn work(shared: Arc<Shared>, stop: CancellationToken) {
    let desk = shared.desk.clone();
    let Some(mut inbound) = desk.inbound.lock().take() else {
        return;
    };
    let Inbound { measurements, events } = &mut inbound;
    let mut requests_look: Option<Instant> = None;
    loop {
        let mut sleep = until(desk.deadline.load(Relaxed)).min(CALENDAR_LOOK);
        if let Some(at) = requests_look {
            sleep = sleep.min(at.saturating_duration_since(Instant::now()));
        }
        // What is due is done, however much there is to tell: who has much measured must not keep
        // the requests of others open, nor an activation that ended.
        if stop.is_cancelled() {
            break;
        }
        if !sleep.is_zero() {
            let told = tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(sleep) => None,
                () = desk.wake.notified() => None,
                measurement = measurements.recv() => measurement,
                event = events.recv() => event,
            };
            if let Some(told) = told {
                publish(&shared, told).await;
                continue;
            }
        }
        let now = Instant::now();
        requests_look = desk.expire(now).then(|| now + OPEN_REQUESTS_LOOK);
        if desk.deadline.load(Relaxed) <= unix_now() {
            let shared = shared.clone();
            // Waits for documents that are being put in force.
            let _ = tokio::task::spawn_blocking(move || exchange::handle_timeout(&shared, unix_now())).await;
        }
    }
    *desk.inbound.lock() = Some(inbound);
}

/// Publishes in an account, as a client of it that nobody sees.
pub(crate) async fn publish(shared: &Shared, measurement: Measurement) {
    let Measurement {
        exporter,
        subject,
        payload,
    } = measurement;
    let options = ClientOptions {
        headers: true,
        echo: false,
        no_responders: false,
        pedantic: false,
        verbose: false,
    };
    let sink = Sink::Inbox(Arc::new(Inbox::default()));
    let user = Arc::new(User::of_node(exporter.key));
    let account = exporter.clone();
    let client = Arc::new(Client::new(shared.next_id(), exporter, sink, options, user));
    let mut publisher = Publisher::new(client);
    let message = Message::new(subject.as_bytes(), None, &payload);
    loop {
        let published = scratch::with(|scratch| {
            let published = publisher.publish(&message, &mut scratch.staging);
            publisher.flush(&mut scratch.staging);
            shared.make_room_after(Some(&account), &mut scratch.staging);
            published
        });
        while publisher.is_flushing() {
            behind_others().await;
            scratch::with(|scratch| {
                publisher.go_on_flushing(&mut scratch.staging);
                shared.make_room_after(Some(&account), &mut scratch.staging);
            });
        }
        behind_others().await;
        if !matches!(published, Ok(Published::Unfinished)) {
            break;
        }
    }
}

/// How long to sleep until a point of the calendar.
fn until(unix: i64) -> Duration {
    let seconds = unix.saturating_sub(unix_now());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
