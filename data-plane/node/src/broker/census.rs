//! Who is there, for monitoring: accounts, connections, subscriptions.
//!
//! Each look holds a lock for as long as one account or one connection takes, never all of them.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tollway_accounts::{AccountLimits, MeterTotals};
use tollway_claims::PublicKey;

use super::LiveCounts;
use super::account::Account;
use super::card::ConnectionView;
use super::outbound::Outbound;
use super::shared::Shared;
use super::user::{Origin, User};

/// One account at one moment.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Its key.
    pub key: PublicKey,
    /// As INFO says it: the name in a configuration, else the key.
    pub account: String,
    /// What people call it.
    pub name: String,
    /// What is open now.
    pub live: LiveCounts,
    /// What it counted since the start.
    pub totals: MeterTotals,
    /// What it is granted.
    pub limits: AccountLimits,
}

/// One subscription at one moment.
#[derive(Debug, Clone)]
pub struct SubscriptionView {
    /// The account, as INFO says it.
    pub account: String,
    /// What people call the account.
    pub account_name: String,
    /// The filter.
    pub filter: String,
    /// The queue group.
    pub queue: Option<String>,
    /// The client's number for it.
    pub sid: String,
    /// Messages delivered.
    pub delivered: u64,
    /// The connection's number.
    pub connection: u64,
}

/// Shows every account.
pub(crate) fn accounts(shared: &Shared, visit: &mut dyn FnMut(AccountView)) {
    let accounts: Vec<_> = shared.accounts.read().values().cloned().collect();
    for account in accounts {
        visit(view(&account));
    }
}

/// One account.
pub(crate) fn view(account: &Account) -> AccountView {
    let served = account.served();
    AccountView {
        key: account.key,
        account: account.label.to_string(),
        name: served.claims().name.clone(),
        live: LiveCounts {
            connections: u32::try_from(account.connections()).unwrap_or(u32::MAX),
            subscriptions: u32::try_from(account.subscriptions()).unwrap_or(u32::MAX),
        },
        totals: account.meters.totals(),
        limits: served.limits,
    }
}

/// Shows every connection.
pub(crate) fn connections(shared: &Shared, visit: &mut dyn FnMut(ConnectionView)) {
    let outbounds: Vec<Arc<Outbound>> = shared.outbounds.lock().values().cloned().collect();
    for outbound in outbounds {
        visit(connection(&outbound).1);
    }
}

/// One connection, and the account that it is in.
pub(crate) fn connection(outbound: &Outbound) -> (Option<PublicKey>, ConnectionView) {
    let (mut view, client) = outbound.card.read(outbound.id);
    view.pending_bytes = outbound.pending();
    let Some(client) = client else {
        return (None, view);
    };
    view.subscriptions = client.subscriptions.load(Relaxed);
    view.user = label(&client.user());
    view.account = Some(client.account.label.to_string());
    view.account_name = Some(client.account.served().claims().name.clone());
    (Some(client.account.key), view)
}

/// Shows subscriptions, account by account, until there were enough.
pub(crate) fn subscriptions(shared: &Shared, visit: &mut dyn FnMut(SubscriptionView) -> ControlFlow<()>) {
    let accounts: Vec<_> = shared.accounts.read().values().cloned().collect();
    for account in accounts {
        let name = account.served().claims().name.clone();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let flow = account.visit(&mut |subscription| {
            // Those of the node itself are nobody's.
            if !subscription.client.is_metered() {
                return ControlFlow::Continue(());
            }
            visit(SubscriptionView {
                account: account.label.to_string(),
                account_name: name.clone(),
                filter: text(subscription.filter.as_bytes()),
                queue: subscription.queue.as_deref().map(text),
                sid: text(&subscription.sid),
                delivered: subscription.delivered(),
                connection: subscription.client.id,
            })
        });
        if flow.is_break() {
            return;
        }
    }
}

/// What a user is called: its name, or its key.
fn label(user: &User) -> Option<String> {
    match &user.origin {
        Origin::Listed(listed) => listed.name.clone(),
        Origin::Signed(login) => Some(login.user.claims().subject.to_string()),
    }
}
