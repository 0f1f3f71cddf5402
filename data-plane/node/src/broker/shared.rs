//! What all connections of a broker share. Nothing here is touched per message
//! but the activity hint.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;
use tollway_claims::PublicKey;
use tollway_wire::Info;

use super::account::Account;
use super::activity::Activity;
use super::authority::{Authority, Greeting};
use super::closed::ClosedConnections;
use super::common_rights::CommonRights;
use super::desk::Desk;
use super::exchange::Exchanges;
use super::known_users::KnownUsers;
use super::memory::{Memory, NodeMemory};
use super::meters::Meters;
use super::outbound::Outbound;
use super::refusals::RefusalLog;
use super::settings::{BrokerSettings, Leaving, PROTOCOL_VERSION};
use super::staging::Staging;
use super::stats::Counters;
use super::system::System;
use super::users::hashing::Hashing;
use crate::transport::Crowd;

pub(crate) struct Shared {
    pub(crate) settings: BrokerSettings,
    /// Who decides about logins; nobody before the first configuration.
    pub(crate) authority: ArcSwapOption<Authority>,
    pub(crate) hashing: Hashing,
    /// Accounts with a document in force.
    pub(crate) accounts: RwLock<HashMap<PublicKey, Arc<Account>>>,
    /// Of every account ever served: what was used is to be billed, even when the account is gone.
    pub(crate) meters: Mutex<HashMap<PublicKey, Arc<Meters>>>,
    pub(crate) memory: Arc<NodeMemory>,
    /// Open connections, to tell them all that the node stops.
    pub(crate) outbounds: Mutex<HashMap<u64, Arc<Outbound>>>,
    pub(crate) closed: ClosedConnections,
    pub(crate) counters: Counters,
    pub(crate) refusals: RefusalLog,
    pub(crate) known_users: KnownUsers,
    pub(crate) common_rights: CommonRights,
    pub(crate) activity: Activity,
    pub(crate) lame_duck: AtomicBool,
    /// Nobody new is let in, and those who are there go one by one, in this way.
    pub(crate) leaving: CancellationToken,
    pub(crate) leaving_how: OnceLock<Leaving>,
    /// Connections before their first operation, with TLS or a websocket to open.
    pub(crate) crowd: Arc<Crowd>,
    next_id: AtomicU64,
    /// What is to be done by nobody's turn.
    pub(crate) desk: Arc<Desk>,
    /// Who runs the node hears and asks there.
    pub(crate) system: Arc<System>,
    /// Documents change one at a time: two changes of one account in the wrong
    /// order would leave the older one in force. See [`super::exchange`] for the order of locks.
    pub(crate) changes: Mutex<Exchanges>,
}

impl Shared {
    pub(crate) fn new(settings: BrokerSettings) -> Self {
        let crowd = Arc::new(Crowd::new(settings.handshakes_max));
        let memory = Arc::new(NodeMemory::new(settings.node_memory_max));
        let system = Arc::new(System::new(&settings));
        let closed = ClosedConnections::new(settings.closed_connections_max);
        Self {
            settings,
            authority: ArcSwapOption::empty(),
            hashing: Hashing::new(),
            accounts: RwLock::default(),
            meters: Mutex::default(),
            memory,
            outbounds: Mutex::default(),
            closed,
            counters: Counters::default(),
            refusals: RefusalLog::new(),
            known_users: KnownUsers::default(),
            common_rights: CommonRights::default(),
            activity: Activity::new(),
            lame_duck: AtomicBool::new(false),
            leaving: CancellationToken::new(),
            leaving_how: OnceLock::new(),
            crowd,
            next_id: AtomicU64::new(1),
            desk: Arc::new(Desk::new()),
            system,
            changes: Mutex::default(),
        }
    }

    /// A number for a connection, an internal client or an account.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    pub(crate) fn account(&self, key: &PublicKey) -> Option<Arc<Account>> {
        self.accounts.read().get(key).cloned()
    }

    /// The memory of an account that begins to be served.
    pub(crate) fn memory_of_account(&self) -> Arc<Memory> {
        Arc::new(Memory::new(self.settings.account_memory_max, self.memory.clone()))
    }

    /// After something was published in an account, if it was in one: what that added must not be more
    /// than this account, or those it crossed to, may make the node hold. Whoever publishes asks for
    /// this before it stages more, the node too.
    pub(crate) fn make_room_after(&self, account: Option<&Account>, staging: &mut Staging) {
        for account in staging.take_crowded() {
            self.make_room(&account);
        }
        if let Some(account) = account
            && account.memory.is_over()
        {
            self.make_room(account);
        }
    }

    /// Closes receivers that hold much until there is room: those of this account if it holds more
    /// than it may, else those of the account that holds most of a node that is full.
    pub(crate) fn make_room(&self, account: &Account) {
        let Some(_one_at_a_time) = self.memory.making_room.try_lock() else {
            return;
        };
        match account.memory.excess() {
            0 => {}
            excess => return account.close_largest(excess),
        }
        match self.memory.excess() {
            0 => {}
            excess => {
                let accounts = self.accounts.read();
                let largest = accounts
                    .values()
                    .max_by_key(|account| account.memory.waiting())
                    .cloned();
                drop(accounts);
                if let Some(largest) = largest {
                    largest.close_largest(excess);
                }
            }
        }
    }

    pub(crate) fn meters_of(&self, key: &PublicKey) -> Arc<Meters> {
        self.meters.lock().entry(*key).or_default().clone()
    }

    /// What clients hear that are not in yet.
    pub(crate) fn greeting(&self) -> Greeting {
        let authority = self.authority.load();
        authority
            .as_ref()
            .map_or(Greeting::SIGN, |authority| authority.greeting())
    }

    /// What every INFO of this node says.
    pub(crate) fn info(&self, client_id: u64, client_ip: String) -> Info {
        let settings = &self.settings;
        Info {
            server_id: settings.server_id.clone(),
            server_name: settings.server_name.clone(),
            version: PROTOCOL_VERSION.to_owned(),
            proto: 1,
            host: settings.host.clone(),
            port: settings.port,
            headers: true,
            auth_required: self.greeting().auth_required,
            max_payload: u32::try_from(settings.max_payload).unwrap_or(u32::MAX),
            client_id,
            client_ip,
            lame_duck_mode: self.lame_duck.load(Relaxed),
            tollway_version: settings.software_version.clone(),
            ..Info::default()
        }
    }
}

/// Accounts that lead to each other would keep each other.
impl Drop for Shared {
    fn drop(&mut self) {
        self.system.forget();
        for account in self.accounts.get_mut().values() {
            super::exchange::forget(account);
            super::system::service::close(account);
        }
    }
}

/// For the tables of one account: prepared subjects slow down nobody else's. Without a random
/// source they still work.
pub(crate) fn random_seed() -> u64 {
    let mut seed = [0; 8];
    let _ = getrandom::fill(&mut seed);
    u64::from_le_bytes(seed)
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}
