//! The client-facing half of the node: accepting, authenticating, routing,
//! isolating, limiting, counting.
//!
//! [`Broker`] is the handle that the rest of the node drives: it gives the
//! broker its trust and its accounts, lets it serve a listener, and reads what
//! it counted.
//!
//! ```text
//!  accept ─▶ connection (task, reads, timers) ─▶ session (operations) ─▶ route (who gets it)
//!                ▲                                  │ login                  │ staging
//!                │ signal: orders, socket was full  ▼                        ▼
//!            outbound ◀──────── one send per receiver and chunk ──────── receivers' outbounds
//!                ▲
//!  apply ────────┘  documents and trust change: orders to the clients on the account's roster
//! ```
//!
//! - An `account::Account` owns everything its clients share; two accounts
//!   have nothing mutable in common. Locks are per account or per connection
//!   and never held across a system call.
//! - The routing path is `connection`, `route`, `staging`, `outbound`: one task
//!   per connection, no task is woken just to send, see `outbound` for who sends.
//! - What comes from the network is refused with values. Should a task panic
//!   all the same, it takes one connection with it and cleans up behind it.

mod accept;
mod account;
mod activity;
mod apply;
mod authority;
pub(crate) mod behind_others;
pub mod bounds;
mod card;
mod census;
mod client;
mod clock;
mod close_reason;
mod closed;
mod common_rights;
mod connection;
mod crossing;
mod denials;
mod desk;
mod exchange;
mod inbox;
mod internal;
mod introduction;
mod known_users;
mod lane;
mod latency;
mod leaving;
pub mod listener;
mod login;
mod memory;
mod meters;
mod open_requests;
mod outbound;
mod recheck;
mod refusals;
mod request_info;
mod route;
mod runtime;
mod scratch;
mod session;
mod settings;
mod shared;
mod shares;
mod signal;
mod staging;
mod stats;
mod subscription;
mod system;
mod throttle;
mod user;
mod users;
mod waiting;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tollway_accounts::{Exchange, MeterTotals};
use tollway_claims::{AccountClaims, AccountDocument, Enforced, PublicKey, Trust};

use shared::{Shared, unix_now};

pub use authority::Authority;
pub use card::ConnectionView;
pub use census::{AccountDetail, AccountView, SubscriptionSeen, SubscriptionView};
pub use closed::{EndedSubscription, Ending};
pub use exchange::DocumentRefused;
pub use internal::{InternalReply, InternalRequest, InternalRequestError};
pub use runtime::{operator_runtime, runtime};
pub use settings::{BrokerSettings, Leaving, PROTOCOL_VERSION};
pub use stats::NodeStats;
pub use system::account_numbers::AccountNumbers;
pub use system::request::{AccountTopic, ServerTopic, SystemRequest};
pub use system::server::ServerView;
pub use system::service::SystemQuestion;
pub use system::user_info::UserInfo;
pub use users::{InvalidPassword, InvalidUserList, ListedProof, ListedUser, Nobody, UserList};

/// What of an account's document this node acts on.
pub const ENFORCED: Enforced = Enforced::ALL;

/// What is open now in one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// Client connections.
    pub connections: u32,
    /// Subscriptions of all of them together.
    pub subscriptions: u32,
}

/// An account of a configuration.
#[derive(Debug, Clone)]
pub struct ConfiguredAccount {
    /// What it is called where stock servers name accounts.
    pub name: String,
    /// What a signed document would say. Nobody looks at who signed it.
    pub claims: AccountClaims,
    /// What it shares, takes and renames, prepared from those claims.
    pub exchange: Exchange,
}

/// What kept the clients of an account from doing more, since the node started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restraint {
    /// How long its connections read nothing because of a rate, all of them together.
    pub throttled: Duration,
    /// How often something was refused, by kind (a stable word, such as `publish.rate`).
    pub refusals: BTreeMap<&'static str, u64>,
}

/// The broker of one node. Clones are the same broker.
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

impl Broker {
    /// A broker without trust and without accounts: it refuses every client.
    pub fn new(settings: BrokerSettings) -> Self {
        Self(Arc::new(Shared::new(settings)))
    }

    /// Accepts clients until `stop` is cancelled, then tells them (INFO `ldm`),
    /// closes them, and returns when they are gone or [`bounds::DRAIN`] is over.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        self.serve_with(listener, None, stop).await;
    }

    /// Serves websockets beside that, as `BrokerSettings::websocket` says.
    pub async fn serve_with(
        &self,
        listener: TcpListener,
        websocket: Option<TcpListener>,
        stop: CancellationToken,
    ) {
        let websocket = websocket.map(|listener| (listener, accept::Door::Websocket));
        let listeners = [Some((listener, accept::Door::Clients)), websocket];
        accept::serve(&self.0, listeners.into_iter().flatten().collect(), stop).await;
    }

    /// Lets nobody in any more, tells all clients to go elsewhere, and closes those that stay one by
    /// one. [`Broker::serve`] returns when the last one is gone, or when it is told to stop.
    pub fn leave(&self, how: Leaving) {
        // The first order counts.
        let _ = self.0.leaving_how.set(how);
        self.0.leaving.cancel();
    }

    /// Whose signatures count from now on. Live connections of accounts or
    /// users that the new trust does not cover are closed. `now` is seconds since 1970.
    pub fn trust_set(&self, trust: Trust, now: i64) {
        apply::trust_set(&self.0, trust, now);
    }

    /// Puts an account's verified document in force: for new connections at
    /// once, and live ones are told before this returns. Those of a suspended
    /// account, revoked users and the newest above the limit are closed; the
    /// others get other limits and permissions. `now` is seconds since 1970.
    ///
    /// Versions are the caller's business: this applies what it is given. An import that would
    /// form a cycle does not work, and the rest of the document counts.
    ///
    /// # Errors
    /// When what the account shares, takes or renames makes no sense; then it keeps what it had.
    pub fn account_apply(&self, document: AccountDocument, now: i64) -> Result<(), DocumentRefused> {
        apply::account_apply(&self.0, document, now)
    }

    /// Puts several documents in force as [`Self::account_apply`] does, all in one step for what
    /// crosses between their accounts. Gives those that are refused, also because their imports
    /// would form a cycle; their accounts keep what they had.
    pub fn accounts_apply(
        &self,
        documents: Vec<AccountDocument>,
        now: i64,
    ) -> Vec<(PublicKey, DocumentRefused)> {
        apply::accounts_apply(&self.0, documents, now)
    }

    /// Stops serving an account; its clients hear `Account Authentication Expired`.
    pub fn account_remove(&self, account: &PublicKey) {
        apply::account_remove(&self.0, account, unix_now());
    }

    /// Puts a whole configuration in force: these accounts and no others, and who decides about
    /// their users. Live clients are told before this returns: those whom the new configuration
    /// would not let in as they came are closed, the others get other limits and permissions.
    /// `now` is seconds since 1970.
    pub fn configure(&self, authority: Authority, accounts: Vec<ConfiguredAccount>, now: i64) {
        apply::configure(&self.0, authority, accounts, now);
    }

    /// Shows the cumulative meters of every account that was ever served since
    /// the start, removed ones included.
    pub fn meters_visit(&self, visit: &mut dyn FnMut(PublicKey, MeterTotals)) {
        for (account, meters) in self.0.meters.lock().iter() {
            visit(*account, meters.totals());
        }
    }

    /// Shows what is open now in every account that has something open.
    pub fn live_visit(&self, visit: &mut dyn FnMut(PublicKey, LiveCounts)) {
        for account in self.0.accounts.read().values() {
            let counts = LiveCounts {
                connections: u32::try_from(account.connections()).unwrap_or(u32::MAX),
                subscriptions: u32::try_from(account.subscriptions()).unwrap_or(u32::MAX),
            };
            if counts != LiveCounts::default() {
                visit(account.key, counts);
            }
        }
    }

    /// Publishes a request inside an account under a user JWT and collects up
    /// to `replies_max` replies, as many as arrive before the deadline.
    ///
    /// # Errors
    /// See [`InternalRequestError`]; with at least one reply it succeeds.
    pub async fn request(
        &self,
        request: InternalRequest,
    ) -> Result<Vec<InternalReply>, InternalRequestError> {
        internal::run(&self.0, request).await
    }

    /// What the broker was told at its start.
    pub fn settings(&self) -> &BrokerSettings {
        &self.0.settings
    }

    /// Whether clients have to log in, and the name of the system account.
    pub fn logins(&self) -> (bool, Option<String>) {
        let authority = self.0.authority.load();
        let system = authority
            .as_ref()
            .and_then(|authority| authority.system_account());
        let system = system.and_then(|key| self.0.account(&key));
        (
            self.0.greeting().auth_required,
            system.map(|account| account.label.to_string()),
        )
    }

    /// Shows every account that is served now.
    pub fn accounts_visit(&self, visit: &mut dyn FnMut(AccountView)) {
        census::accounts(&self.0, visit);
    }

    /// All that there is to tell of one account, as INFO says it.
    pub fn account_detail(&self, label: &str) -> Option<AccountDetail> {
        census::account(&self.0, label)
    }

    /// What INFO says for an account, if it is served.
    pub fn account_label(&self, key: &PublicKey) -> Option<String> {
        self.0.account(key).map(|account| account.label.to_string())
    }

    /// Shows every connection that is open now.
    pub fn connections_visit(&self, visit: &mut dyn FnMut(ConnectionView)) {
        census::connections(&self.0, visit);
    }

    /// Those of the connections that ended lately which are wanted, in no particular order.
    pub fn connections_closed(&self, wanted: &dyn Fn(&ConnectionView) -> bool) -> Vec<ConnectionView> {
        self.0.closed.list(wanted)
    }

    /// Has the round trip to a client measured, unless that was done lately; it is known soon afterwards.
    pub fn round_trip_measure(&self, client_id: u64) {
        let outbound = self.0.outbounds.lock().get(&client_id).cloned();
        if let Some(outbound) = outbound.filter(|outbound| outbound.card.wants_measuring(Instant::now())) {
            outbound.order_measure();
        }
    }

    /// Shows the subscriptions there are now in the accounts that are wanted (as INFO says them),
    /// until there were enough. While an account's are shown, nothing changes there.
    pub fn subscriptions_visit(
        &self,
        wants: &dyn Fn(&str) -> bool,
        visit: &mut dyn FnMut(SubscriptionSeen<'_>) -> ControlFlow<()>,
    ) {
        census::subscriptions(&self.0, wants, visit);
    }

    /// Shows what kept the clients of each account that was ever served from doing more.
    pub fn restraints_visit(&self, visit: &mut dyn FnMut(PublicKey, Restraint)) {
        for (account, meters) in self.0.meters.lock().iter() {
            let restraint = Restraint {
                throttled: meters.throttled(),
                refusals: meters.refusals(),
            };
            visit(*account, restraint);
        }
    }

    /// Tells one client, if it understands that, to look for another node. False when there is none
    /// with this number.
    pub fn lame_duck(&self, client_id: u64) -> bool {
        let outbounds = self.0.outbounds.lock();
        let outbound = outbounds
            .get(&client_id)
            .filter(|outbound| !outbound.is_closing());
        outbound.inspect(|outbound| outbound.order_lame_duck()).is_some()
    }

    /// Totals of the node.
    pub fn stats(&self) -> NodeStats {
        let mut stats = self.0.counters.read();
        stats.accounts = self.0.accounts.read().len() as u64;
        self.live_visit(&mut |_, live| stats.subscriptions += u64::from(live.subscriptions));
        self.meters_visit(&mut |_, totals| {
            stats.messages_in += totals.messages_in;
            stats.bytes_in += totals.bytes_in;
            stats.messages_out += totals.messages_out;
            stats.bytes_out += totals.bytes_out;
        });
        stats
    }
}
