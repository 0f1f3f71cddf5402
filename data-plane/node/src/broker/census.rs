//! Who is there, for monitoring: accounts, connections, subscriptions.
//!
//! Each look holds a lock for as long as one account or one connection takes, never all of them.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use tollway_accounts::{AccountLimits, MeterTotals};
use tollway_claims::{AccountClaims, PublicKey};
use tollway_subject::FilterBuf;

use super::LiveCounts;
use super::account::Account;
use super::authority::Authority;
use super::card::ConnectionView;
use super::outbound::Outbound;
use super::shared::Shared;
use super::subscription::Subscription;
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
    /// Connections of it that were closed because they read too slowly.
    pub slow_consumers: u64,
}

/// All that there is to tell of one account.
#[derive(Debug, Clone)]
pub struct AccountDetail {
    /// What it has open and has moved.
    pub view: AccountView,
    /// What is in force.
    pub claims: AccountClaims,
    /// Since when.
    pub since: SystemTime,
    /// Whether that is a signed document, and not a configuration.
    pub is_signed: bool,
    /// Which of its imports work, in their order.
    pub imports_work: Vec<bool>,
}

/// A subscription that somebody looks at.
pub struct SubscriptionSeen<'a> {
    /// The account, as INFO says it.
    pub account: &'a str,
    account_name: &'a str,
    subscription: &'a Subscription,
}

impl SubscriptionSeen<'_> {
    /// The connection's number.
    pub fn connection(&self) -> u64 {
        self.subscription.client.id
    }

    /// The filter.
    pub fn filter(&self) -> &FilterBuf {
        &self.subscription.filter
    }

    /// All that there is to tell of it.
    pub fn view(&self) -> SubscriptionView {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        SubscriptionView {
            account: self.account.to_owned(),
            account_name: self.account_name.to_owned(),
            filter: text(self.subscription.filter.as_bytes()),
            queue: self.subscription.queue.as_deref().map(text),
            sid: text(&self.subscription.sid),
            delivered: self.subscription.delivered(),
            connection: self.subscription.client.id,
        }
    }
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

impl SubscriptionView {
    /// What it takes in a list, roughly.
    pub fn bytes(&self) -> usize {
        let texts = self.account.len() + self.account_name.len() + self.filter.len() + self.sid.len();
        texts + self.queue.as_ref().map_or(0, String::len) + 128
    }
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
        slow_consumers: account.meters.slow_consumers(),
    }
}

/// One account, as INFO says it.
pub(crate) fn account(shared: &Shared, label: &str) -> Option<AccountDetail> {
    let accounts = shared.accounts.read();
    let account = accounts
        .values()
        .find(|account| &*account.label == label)
        .cloned();
    drop(accounts);
    let account = account?;
    let served = account.served();
    Some(AccountDetail {
        view: view(&account),
        claims: served.claims().clone(),
        since: served.since(),
        is_signed: matches!(shared.authority.load().as_deref(), Some(Authority::Operator(_))),
        imports_work: shared.changes.lock().imports_work(&account.key),
    })
}

/// Shows every connection.
pub(crate) fn connections(shared: &Shared, visit: &mut dyn FnMut(ConnectionView)) {
    let outbounds: Vec<Arc<Outbound>> = shared.outbounds.lock().values().cloned().collect();
    for outbound in outbounds.iter().filter(|outbound| !outbound.card.is_ended()) {
        visit(connection(outbound).1);
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

/// Shows subscriptions of the accounts that are wanted, account by account, until there were enough.
pub(crate) fn subscriptions(
    shared: &Shared,
    wants: &dyn Fn(&str) -> bool,
    visit: &mut dyn FnMut(SubscriptionSeen<'_>) -> ControlFlow<()>,
) {
    let accounts: Vec<_> = shared.accounts.read().values().cloned().collect();
    for account in accounts.iter().filter(|account| wants(&account.label)) {
        let served = account.served();
        let flow = account.visit(&mut |subscription| {
            // Those of the node itself are nobody's.
            if !subscription.client.is_metered() {
                return ControlFlow::Continue(());
            }
            visit(SubscriptionSeen {
                account: &account.label,
                account_name: &served.claims().name,
                subscription,
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
