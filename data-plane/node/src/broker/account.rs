//! One account as it is served: its document, its clients, its interest, its
//! meters. Accounts share nothing mutable: what crosses between two of them is in values that
//! never change ([`super::crossing`]), and nobody holds locks of two accounts.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use tollway_accounts::{AccountLimits, RateBuckets};
use tollway_claims::{AccountClaims, AccountDocument, Limit, PublicKey};
use tollway_subject::{Key, Tour, Trie, Walk, WalkEnd};

use super::bounds::{LOOK_STEPS_MAX, VISIT_STEPS_MAX};
use super::client::{Client, Sink};
use super::clock;
use super::close_reason::CloseReason;
use super::crossing::Crossing;
use super::denials::Denials;
use super::memory::Memory;
use super::meters::Meters;
use super::open_requests::OpenRequests;
use super::shared::random_seed;
use super::shares::{Shares, TooManyConnections};
use super::subscription::Subscription;

/// An account with a document in force.
pub(crate) struct Account {
    pub(crate) key: PublicKey,
    /// What people call it: the name in a configuration, else the key.
    pub(crate) label: Box<str>,
    /// Tells accounts apart where the key would be too long to compare.
    pub(crate) number: u64,
    pub(crate) meters: Arc<Meters>,
    pub(crate) memory: Arc<Memory>,
    /// What its clients may send and receive, all together.
    pub(crate) buckets: Arc<RateBuckets>,
    /// What its clients were refused lately.
    pub(crate) denials: Denials,
    /// What it asks others and others have not answered.
    pub(crate) requests: OpenRequests,
    /// Where the node itself is asked.
    service: Mutex<Option<Arc<Subscription>>>,
    served: ArcSwap<Served>,
    crossing: ArcSwap<Crossing>,
    roster: Mutex<Roster>,
    interest: RwLock<Interest>,
    /// Grows with each change of `interest` and `crossing`: what was matched before is to be
    /// matched again.
    generation: AtomicU64,
}

/// What is in force for an account, with what is asked of it often. It comes from a signed
/// document, or from a configuration, which says the same in other words.
pub(crate) struct Served {
    claims: AccountClaims,
    suspended: bool,
    since: SystemTime,
    pub(crate) limits: AccountLimits,
}

impl Served {
    pub(crate) fn claims(&self) -> &AccountClaims {
        &self.claims
    }

    /// Since when it is in force.
    pub(crate) fn since(&self) -> SystemTime {
        self.since
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended
    }
}

impl From<AccountDocument> for Served {
    fn from(document: AccountDocument) -> Self {
        Self {
            suspended: document.statement.suspended.is_some(),
            ..Self::from(document.claims)
        }
    }
}

impl From<AccountClaims> for Served {
    fn from(claims: AccountClaims) -> Self {
        let limits = AccountLimits::from(&claims);
        Self {
            claims,
            suspended: false,
            since: SystemTime::now(),
            limits,
        }
    }
}

/// The account's clients, oldest first. Who logs in and who changes the
/// document hold this lock, so that no login slips past a change.
#[derive(Default)]
pub(crate) struct Roster {
    pub(crate) clients: BTreeMap<u64, Arc<Client>>,
    /// What each of its users takes.
    shares: Shares,
    /// The account is not served any more.
    pub(crate) removed: bool,
}

impl Roster {
    /// Gives each client what the document now grants its user. Gives the clients that their users
    /// have too many of: the newest, because who was there before the limit keeps working.
    pub(crate) fn regrant(&mut self, claims: &AccountClaims) -> Vec<Arc<Client>> {
        let now = clock::now();
        let mut excess = Vec::new();
        self.shares.recount();
        for client in self.clients.values() {
            match self.shares.enter(claims, &client.user(), now) {
                Ok(share) => client.share_set(share),
                Err(TooManyConnections { .. }) => {
                    client.share_set(None);
                    excess.push(client.clone());
                }
            }
        }
        excess
            .iter()
            .for_each(|client| drop(self.clients.remove(&client.id)));
        excess
    }
}

#[derive(Default)]
struct Interest {
    trie: Trie<Arc<Subscription>>,
    /// Those of clients of the network: internal ones are not the tenant's.
    subscriptions: u64,
}

/// Why a login that authenticated cannot be taken.
pub(crate) enum EnterError {
    /// The account or the operator changed meanwhile: authenticate again.
    Changed,
    Removed,
    /// The account has as many as it may have, or its user.
    TooManyConnections,
    UserTooManyConnections,
}

/// Why there can be no more subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The account, or its connection, has as many as it may have.
    Limit,
    /// The account, or the node, holds as much as it may hold for good.
    Memory,
}

impl Account {
    pub(crate) fn new(
        key: PublicKey,
        label: Box<str>,
        number: u64,
        meters: Arc<Meters>,
        memory: Arc<Memory>,
        served: Served,
        requests_bytes_max: usize,
    ) -> Self {
        let crossing: Arc<Crossing> = Arc::default();
        let requests = OpenRequests::new(
            random_seed(),
            memory.clone(),
            requests_bytes_max,
            crossing.clone(),
        );
        Self {
            key,
            label,
            number,
            meters,
            memory,
            buckets: Arc::new(RateBuckets::new(&served.limits.rates)),
            denials: Denials::default(),
            requests,
            service: Mutex::default(),
            served: ArcSwap::from_pointee(served),
            crossing: ArcSwap::new(crossing),
            roster: Mutex::default(),
            interest: RwLock::new(Interest {
                trie: Trie::with_seed(random_seed()),
                subscriptions: 0,
            }),
            generation: AtomicU64::new(1),
        }
    }

    pub(crate) fn served(&self) -> Arc<Served> {
        self.served.load_full()
    }

    /// What leaves it, and how it renames.
    pub(crate) fn crossing(&self) -> Arc<Crossing> {
        self.crossing.load_full()
    }

    /// Puts other grants and mappings in force.
    pub(crate) fn crossing_set(&self, crossing: Arc<Crossing>) {
        self.crossing.store(crossing.clone());
        self.requests.regrant(&crossing);
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Takes a client in that was authenticated against `served` and an authority,
    /// if both are still in force and there is room.
    pub(crate) fn enter(
        &self,
        client: &Arc<Client>,
        served: &Arc<Served>,
        authority_in_force: impl FnOnce() -> bool,
    ) -> Result<(), EnterError> {
        let mut roster = self.roster.lock();
        if roster.removed {
            return Err(EnterError::Removed);
        }
        if !Arc::ptr_eq(&self.served.load(), served) || !authority_in_force() {
            return Err(EnterError::Changed);
        }
        if !served.limits.connections.allows(roster.clients.len() as u64 + 1) {
            return Err(EnterError::TooManyConnections);
        }
        let share = roster
            .shares
            .enter(&served.claims, &client.user(), clock::now())
            .map_err(|_| EnterError::UserTooManyConnections)?;
        client.share_set(share);
        roster.clients.insert(client.id, client.clone());
        self.meters.add_connection();
        Ok(())
    }

    /// The client is gone. Harmless when it was evicted before.
    pub(crate) fn leave(&self, client: &Client) {
        let mut roster = self.roster.lock();
        if roster.clients.remove(&client.id).is_some()
            && let Some(share) = client.share()
        {
            roster.shares.leave(&share, clock::now());
        }
    }

    /// Puts another document in force, if there is one, and shows the account's
    /// clients to `revisit` before anybody else can log in.
    pub(crate) fn change(&self, served: Option<Served>, revisit: impl FnOnce(&mut Roster, &Served)) {
        let mut roster = self.roster.lock();
        if let Some(served) = served {
            self.buckets.change(&served.limits.rates, clock::now());
            self.served.store(Arc::new(served));
        }
        revisit(&mut roster, &self.served.load());
    }

    /// Closes those of its connections for which most is held, until so many bytes are free.
    pub(crate) fn close_largest(&self, mut excess: usize) {
        let mut holders: Vec<_> = self
            .roster
            .lock()
            .clients
            .values()
            .filter_map(|client| match &client.sink {
                Sink::Socket(outbound) if !outbound.is_closing() => Some((outbound.held(), outbound.clone())),
                _ => None,
            })
            .filter(|(held, _)| *held > 0)
            .collect();
        holders.sort_unstable_by_key(|(held, _)| std::cmp::Reverse(*held));
        for (held, outbound) in holders {
            if excess == 0 {
                break;
            }
            outbound.order_close(CloseReason::AccountMemory);
            excess = excess.saturating_sub(held);
        }
    }

    /// Shows its clients, oldest first.
    pub(crate) fn clients(&self) -> Vec<Arc<Client>> {
        self.roster.lock().clients.values().cloned().collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.roster.lock().clients.len()
    }

    pub(crate) fn subscriptions(&self) -> u64 {
        self.interest.read().subscriptions
    }

    /// Whether anybody asked for what the node tells on a subject: who subscribed to all there is, or
    /// to `*.>`, did not mean that. A look is all that it takes; what that does not decide counts as yes.
    pub(crate) fn listens(&self, subject: &[u8]) -> bool {
        let first = subject.iter().position(|&byte| byte == b'.').unwrap_or(0);
        let (mut walk, mut steps, mut found) = (Walk::new(), LOOK_STEPS_MAX, false);
        let (end, _) = self.look(&mut walk, subject, &mut steps, &mut |subscription| {
            found = subscription.filter.as_bytes().starts_with(&subject[..first]);
            match found {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        found || end == WalkEnd::Paused || !self.crossing.load().streams(subject).is_empty()
    }

    /// Whether anybody could hear what the node tells here, whatever the subject is.
    pub(crate) fn may_hear(&self) -> bool {
        self.interest.read().subscriptions > 0 || !self.crossing.load().is_empty()
    }

    /// Whether anybody hears what the node tells on a subject. Unlike [`Self::listens`] this counts
    /// who subscribed to everything too.
    pub(crate) fn hears(&self, subject: &[u8]) -> bool {
        let (mut walk, mut steps, mut found) = (Walk::new(), LOOK_STEPS_MAX, false);
        let (end, _) = self.look(&mut walk, subject, &mut steps, &mut |_| {
            found = true;
            ControlFlow::Break(())
        });
        found || end == WalkEnd::Paused || !self.crossing.load().streams(subject).is_empty()
    }

    /// The account begins to be served, and answers for the node.
    pub(crate) fn service_set(&self, service: Arc<Subscription>) {
        *self.service.lock() = Some(service);
    }

    /// The end of that.
    pub(crate) fn take_service(&self) -> Option<Arc<Subscription>> {
        self.service.lock().take()
    }

    /// Adds a subscription.
    pub(crate) fn subscribe(
        &self,
        subscription: &Arc<Subscription>,
        connection_max: Limit,
    ) -> Result<(), NoRoom> {
        let client = &subscription.client;
        let mut interest = self.interest.write();
        if client.is_metered() {
            let own = client.subscriptions.load(Ordering::Relaxed) + 1;
            let total_max = self.served.load().limits.subscriptions;
            if !self.memory.has_room_to_keep() {
                return Err(NoRoom::Memory);
            }
            if !connection_max.allows(own) || !total_max.allows(interest.subscriptions + 1) {
                return Err(NoRoom::Limit);
            }
            interest.subscriptions += 1;
        }
        client.subscriptions.fetch_add(1, Ordering::Relaxed);
        let before = interest.trie.bytes();
        let key = interest
            .trie
            .insert(subscription.filter.as_filter(), subscription.clone());
        subscription.key.store(key.number(), Ordering::Relaxed);
        self.memory
            .keep(before, interest.trie.bytes() + subscription.bytes());
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Removes a subscription. False when it was over already.
    pub(crate) fn unsubscribe(&self, subscription: &Arc<Subscription>) -> bool {
        if !subscription.end() {
            return false;
        }
        let mut interest = self.interest.write();
        // Written under this lock, when it was inserted.
        let before = interest.trie.bytes() + subscription.bytes();
        let key = Key::from_number(subscription.key.load(Ordering::Relaxed));
        let removed = interest.trie.remove_key(subscription.filter.as_filter(), key);
        debug_assert!(
            removed.is_some(),
            "a subscription that is not over is in the trie"
        );
        self.memory.keep(before, interest.trie.bytes());
        if subscription.client.is_metered() {
            interest.subscriptions -= 1;
        }
        subscription.client.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Release);
        true
    }

    /// Shows the subscriptions, in no particular order, until there were enough. Few at a time: the
    /// threads of all accounts wait while a client of this one waits for the lock.
    pub(crate) fn visit(
        &self,
        visit: &mut impl FnMut(&Arc<Subscription>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut tour = Tour::default();
        loop {
            let mut steps = VISIT_STEPS_MAX;
            let interest = self.interest.read();
            match tour.go_on(&interest.trie, &mut steps, &mut |subscription| {
                visit(subscription)
            }) {
                WalkEnd::Paused => {}
                WalkEnd::Finished => return ControlFlow::Continue(()),
                WalkEnd::Stopped => return ControlFlow::Break(()),
            }
        }
    }

    /// Goes on with a walk to the subscriptions that match a subject, for so many steps. Says for
    /// which generation that is right, when it is the whole walk.
    pub(crate) fn look(
        &self,
        walk: &mut Walk,
        subject: &[u8],
        steps: &mut usize,
        visit: &mut impl FnMut(&Arc<Subscription>) -> ControlFlow<()>,
    ) -> (WalkEnd, u64) {
        let interest = self.interest.read();
        let end = walk.go_on(&interest.trie, subject, steps, &mut |subscription| {
            visit(subscription)
        });
        // Under the lock nothing can change between the look and the number.
        (end, self.generation())
    }
}
