//! What an account has open and what it sent and got, as events and answers say it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tollway_claims::PublicKey;

use super::super::account::Account;
use super::super::bounds::{ACCOUNT_NUMBERS_INTERVAL, ACCOUNT_NUMBERS_PAUSE};
use super::super::census::{self, AccountView};
use super::super::latency::{id, rfc3339};
use super::super::shared::Shared;
use super::server::ServerView;

/// In the fields of stock servers. A node has clients only, so what others would take is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountNumbers {
    /// What INFO calls it.
    pub acc: String,
    /// What people call it.
    pub name: String,
    conns: u64,
    leafnodes: u64,
    total_conns: u64,
    num_subscriptions: u64,
    /// What its clients got.
    sent: ByPeer,
    /// What its clients sent.
    received: ByPeer,
    slow_consumers: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Traffic {
    msgs: u64,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct ByPeer {
    #[serde(flatten)]
    all: Traffic,
    gateways: Traffic,
    routes: Traffic,
    leafs: Traffic,
}

#[derive(Serialize)]
struct Event<'e> {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerView,
    #[serde(flatten)]
    numbers: &'e AccountNumbers,
}

impl AccountNumbers {
    /// Of an account at one moment.
    pub fn of(view: &AccountView) -> Self {
        let totals = &view.totals;
        let all = |msgs, bytes| ByPeer {
            all: Traffic { msgs, bytes },
            ..ByPeer::default()
        };
        let connections = u64::from(view.live.connections);
        Self {
            acc: view.account.clone(),
            name: view.name.clone(),
            conns: connections,
            leafnodes: 0,
            total_conns: connections,
            num_subscriptions: u64::from(view.live.subscriptions),
            sent: all(totals.messages_out, totals.bytes_out),
            received: all(totals.messages_in, totals.bytes_in),
            slow_consumers: view.slow_consumers,
        }
    }

    /// Whether anything is open.
    pub fn is_in_use(&self) -> bool {
        self.conns > 0
    }
}

/// The event, also as an answer.
pub(crate) fn event(shared: &Shared, numbers: &AccountNumbers) -> Vec<u8> {
    let event = Event {
        r#type: "io.nats.server.advisory.v1.account_connections",
        id: id(),
        timestamp: rfc3339(OffsetDateTime::now_utc()),
        server: shared.system.server(&shared.settings),
        numbers,
    };
    serde_json::to_vec(&event).expect("texts and numbers are JSON")
}

/// Tells the numbers of accounts when they changed, and of those in use from time to time, until
/// `stop`. However often they change, each account is told about a few times a second.
pub(crate) async fn work(shared: Arc<Shared>, stop: CancellationToken) {
    let mut heartbeat = tokio::time::interval(ACCOUNT_NUMBERS_INTERVAL);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    heartbeat.reset();
    loop {
        let (accounts, all) = tokio::select! {
            () = stop.cancelled() => return,
            () = shared.system.changed_wake.notified() => {
                (std::mem::take(&mut *shared.system.changed.lock()), false)
            }
            _ = heartbeat.tick() => (shared.accounts.read().clone(), true),
        };
        tell(&shared, accounts, all).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ACCOUNT_NUMBERS_PAUSE) => {}
        }
    }
}

async fn tell(shared: &Arc<Shared>, accounts: HashMap<PublicKey, Arc<Account>>, in_use_only: bool) {
    for account in accounts.values() {
        if shared.system.listener().is_none() {
            return;
        }
        if in_use_only && account.connections() == 0 {
            continue;
        }
        // The same event on both: older tools listen on the second one.
        let payload = OnceLock::new();
        for subject in [
            format!("$SYS.ACCOUNT.{}.SERVER.CONNS", account.label),
            format!("$SYS.SERVER.ACCOUNT.{}.CONNS", account.label),
        ] {
            let made = || event(shared, &AccountNumbers::of(&census::view(account)));
            super::tell_now(shared, &subject, || payload.get_or_init(made).clone()).await;
        }
    }
}
