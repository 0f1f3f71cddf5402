//! `/accstatz`: what the accounts have open and have moved.

use std::time::SystemTime;

use serde::Serialize;

use super::query::{InvalidQuery, Query};
use super::written::time;
use crate::broker::{AccountView, Broker};

/// The page.
#[derive(Debug, Serialize)]
pub(crate) struct Accstatz {
    server_id: String,
    now: String,
    account_statz: Vec<AccountStat>,
}

/// One account. A node has no other kinds of connections than clients'.
#[derive(Debug, Serialize)]
pub(crate) struct AccountStat {
    acc: String,
    name: String,
    conns: u32,
    leafnodes: u32,
    total_conns: u32,
    num_subscriptions: u32,
    /// To clients.
    sent: Moved,
    /// From clients.
    received: Moved,
    slow_consumers: u64,
}

#[derive(Debug, Default, Serialize)]
struct Moved {
    msgs: u64,
    bytes: u64,
    gateways: Count,
    routes: Count,
    leafs: Count,
}

#[derive(Debug, Default, Serialize)]
struct Count {
    msgs: u64,
    bytes: u64,
}

impl Moved {
    fn of(msgs: u64, bytes: u64) -> Self {
        Self {
            msgs,
            bytes,
            ..Self::default()
        }
    }
}

impl AccountStat {
    pub(crate) fn of(view: &AccountView) -> Self {
        let totals = &view.totals;
        Self {
            acc: view.account.clone(),
            name: view.name.clone(),
            conns: view.live.connections,
            leafnodes: 0,
            total_conns: view.live.connections,
            num_subscriptions: view.live.subscriptions,
            sent: Moved::of(totals.messages_out, totals.bytes_out),
            received: Moved::of(totals.messages_in, totals.bytes_in),
            slow_consumers: view.slow_consumers,
        }
    }
}

impl Accstatz {
    /// Accounts that somebody is connected to, or all; or the one that is named.
    pub(crate) fn now(broker: &Broker, query: &Query) -> Result<Self, InvalidQuery> {
        let (unused, named) = (query.switch("unused")?, query.text("acc"));
        let mut account_statz = Vec::new();
        broker.accounts_visit(&mut |view| {
            let is_wanted = named.is_none_or(|named| named == view.account);
            if is_wanted && (unused || view.live.connections > 0) {
                account_statz.push(AccountStat::of(&view));
            }
        });
        account_statz.sort_unstable_by(|a, b| a.acc.cmp(&b.acc));
        Ok(Self {
            server_id: broker.settings().server_id.clone(),
            now: time(SystemTime::now()),
            account_statz,
        })
    }
}
