//! The system account: where who runs the node hears what happens on it, and asks and tells it things.
//!
//! ```text
//!  connection ends ──▶ events ──▶ queue ──▶ work ──▶ $SYS.ACCOUNT.<account>.DISCONNECT ...
//!  $SYS.REQ... asked ──▶ service ──▶ lane ──▶ a task of the operator ──▶ the asker's reply subject
//! ```
//!
//! - Nothing is told in any other account, and what a tenant publishes on `$SYS.>` is its own.
//!   Tenants ask about themselves alone, see [`request`].
//! - Events are made only when somebody listens, and as long as there is room for them: whoever
//!   connects a million times makes the node do no more than that.

pub(crate) mod account_numbers;
mod api;
pub(crate) mod events;
pub(crate) mod request;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod user_info;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tollway_claims::PublicKey;
use tollway_subject::FilterBuf;

use super::account::Account;
use super::bounds::{QUESTIONS_WAITING_MAX, SYSTEM_EVENTS_WAITING_MAX};
use super::desk;
use super::latency::Measurement;
use super::settings::BrokerSettings;
use super::shared::Shared;
use service::{Lane, SystemQuestion};

/// What there is of the system account beside the account itself.
pub(crate) struct System {
    pub(crate) server_id: String,
    /// The account, when it is served.
    account: ArcSwapOption<Account>,
    /// Labels that the configuration gives the node.
    tags: ArcSwap<Vec<String>>,
    /// What the node said so far.
    said: AtomicU64,
    operators: Lane,
    tenants: Lane,
    events: mpsc::Sender<Measurement>,
    /// Taken by who tells them.
    inbound: Mutex<Option<mpsc::Receiver<Measurement>>>,
    /// Events that there was no room for.
    dropped: AtomicU64,
    /// Accounts whose numbers changed since they were told.
    changed: Mutex<HashMap<PublicKey, Arc<Account>>>,
    changed_wake: Notify,
}

impl System {
    pub(crate) fn new(settings: &BrokerSettings) -> Self {
        let (events, inbound) = mpsc::channel(SYSTEM_EVENTS_WAITING_MAX);
        Self {
            server_id: settings.server_id.clone(),
            account: ArcSwapOption::empty(),
            tags: ArcSwap::default(),
            said: AtomicU64::new(0),
            operators: Lane::new(QUESTIONS_WAITING_MAX),
            tenants: Lane::new(QUESTIONS_WAITING_MAX),
            events,
            inbound: Mutex::new(Some(inbound)),
            dropped: AtomicU64::new(0),
            changed: Mutex::default(),
            changed_wake: Notify::new(),
        }
    }

    /// Whether this is the system account.
    fn is_account(&self, key: &PublicKey) -> bool {
        self.account
            .load()
            .as_ref()
            .is_some_and(|account| account.key == *key)
    }

    pub(crate) fn tags_set(&self, tags: Vec<String>) {
        self.tags.store(Arc::new(tags));
    }

    fn tags(&self) -> Vec<String> {
        self.tags.load().to_vec()
    }

    /// The system account, if anybody in it could hear anything.
    fn listener(&self) -> Option<Arc<Account>> {
        self.account.load_full().filter(|account| account.may_hear())
    }

    /// Tells something in the system account, if anybody listens there and there is room.
    pub(crate) fn tell(&self, subject: &str, payload: impl FnOnce() -> Vec<u8>) {
        let Some(account) = self.listener() else { return };
        self.tell_in(account, subject, payload);
    }

    fn tell_in(&self, account: Arc<Account>, subject: &str, payload: impl FnOnce() -> Vec<u8>) {
        if !account.hears(subject.as_bytes()) {
            return;
        }
        // The name of an account can be none that a subject can have.
        let Ok(subject) = FilterBuf::new(subject.as_bytes()) else {
            return;
        };
        let Ok(place) = self.events.try_reserve() else {
            if self.dropped.fetch_add(1, Relaxed) == 0 {
                tracing::warn!("more happens than the system account can be told: some events are left out");
            }
            return;
        };
        place.send(Measurement {
            exporter: account,
            subject,
            payload: payload(),
        });
    }

    /// The numbers of this account are others, and are told some time soon.
    fn note_change(&self, account: &Arc<Account>) {
        let mut changed = self.changed.lock();
        if changed.insert(account.key, account.clone()).is_none() {
            drop(changed);
            self.changed_wake.notify_one();
        }
    }

    /// The next question of the operator's.
    pub(crate) async fn question_of_operator(&self) -> SystemQuestion {
        self.operators.next().await
    }

    /// The next question of a tenant.
    pub(crate) async fn question_of_tenant(&self) -> SystemQuestion {
        self.tenants.next().await
    }

    /// The broker ends.
    pub(crate) fn forget(&self) {
        self.account.store(None);
        self.changed.lock().clear();
    }
}

/// Accounts, or who decides about them, are others: so may be the system account. Who calls this
/// changes one thing at a time.
pub(crate) fn follow(shared: &Shared) {
    let authority = shared.authority.load();
    let key = authority
        .as_ref()
        .and_then(|authority| authority.system_account());
    let account = key.and_then(|key| shared.account(&key));
    shared.system.account.store(account);
}

/// Tells events until `stop`. Does nothing when somebody does already.
pub(crate) async fn work(shared: Arc<Shared>, stop: CancellationToken) {
    let system = shared.system.clone();
    let Some(mut inbound) = system.inbound.lock().take() else {
        return;
    };
    loop {
        tokio::select! {
            // What happened before the end is told.
            biased;
            measurement = inbound.recv() => match measurement {
                Some(measurement) => desk::publish(&shared, measurement).await,
                None => break,
            },
            () = stop.cancelled() => break,
        }
    }
    *system.inbound.lock() = Some(inbound);
}

/// Tells what becomes of the node, while there are clients to hear it.
pub(crate) async fn tell_of_node(shared: &Shared, what: &str) {
    let subject = format!("$SYS.SERVER.{}.{what}", shared.settings.server_id);
    tell_now(shared, &subject, || {
        let server = shared.system.server(&shared.settings);
        serde_json::to_vec(&server).expect("texts and numbers are JSON")
    })
    .await;
}

/// Tells something at once, if anybody listens.
pub(crate) async fn tell_now(shared: &Shared, subject: &str, payload: impl FnOnce() -> Vec<u8>) {
    let Some(account) = shared.system.listener() else {
        return;
    };
    if account.hears(subject.as_bytes())
        && let Ok(subject) = FilterBuf::new(subject.as_bytes())
    {
        let measurement = Measurement {
            exporter: account,
            subject,
            payload: payload(),
        };
        desk::publish(shared, measurement).await;
    }
}

/// Answers a question where it was asked.
pub(crate) async fn answer(shared: &Shared, question: &SystemQuestion, payload: Vec<u8>) {
    // A reply that is no subject is one that nobody can listen on.
    if let Ok(subject) = FilterBuf::new(&question.reply) {
        let measurement = Measurement {
            exporter: question.asked_in.clone(),
            subject,
            payload,
        };
        desk::publish(shared, measurement).await;
    }
}
