//! What one user of an account takes of it, however many connections and credentials it has.
//!
//! A user has a share only when the account's document limits users: an account that does not keeps
//! nothing here. Shares stay for a while when their user is gone, because who comes back at once
//! must not find its buckets full again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tollway_accounts::RateBuckets;
use tollway_claims::{AccountClaims, Limit, PublicKey, UserShare};

use super::bounds::IDLE_SHARES_MAX;
use super::user::{Origin, User};

/// Who shares: all connections for which this is equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// The signing key, when its users have limits of their own.
    key: Option<PublicKey>,
    who: Who,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    /// What its credentials call it.
    User(Box<str>),
    /// Credentials that name nobody are a user of their own.
    Key(PublicKey),
}

/// One user's part of its account.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) identity: Identity,
    pub(crate) buckets: RateBuckets,
    /// Those that are on the account's roster; changed under its lock.
    connections: AtomicU64,
}

/// The shares of an account's users; part of its roster, and only touched under its lock.
#[derive(Debug, Default)]
pub(crate) struct Shares(HashMap<Identity, Arc<Share>>);

/// The user has as many connections as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyConnections {
    pub(crate) limit: u64,
}

impl Shares {
    /// A connection of this user is about to be on the roster. None when its user has no limits.
    pub(crate) fn enter(
        &mut self,
        claims: &AccountClaims,
        user: &User,
        now: Duration,
    ) -> Result<Option<Arc<Share>>, TooManyConnections> {
        let Some((identity, grant)) = granted(claims, user) else {
            return Ok(None);
        };
        let share = self.share(identity, &grant, now);
        let connections = share.connections.load(Relaxed) + 1;
        if let Some(Limit::AtMost(limit)) = grant.connections.filter(|limit| !limit.allows(connections)) {
            return Err(TooManyConnections { limit });
        }
        share.connections.store(connections, Relaxed);
        Ok(Some(share))
    }

    /// A connection is not on the roster any more.
    pub(crate) fn leave(&mut self, share: &Arc<Share>, now: Duration) {
        let connections = share.connections.load(Relaxed).saturating_sub(1);
        share.connections.store(connections, Relaxed);
        if connections == 0 && share.buckets.is_full(now) {
            self.0.remove(&share.identity);
        }
    }

    /// The document changed: nobody is counted until it entered again.
    pub(crate) fn recount(&mut self) {
        for share in self.0.values() {
            share.connections.store(0, Relaxed);
        }
    }

    fn share(&mut self, identity: Identity, grant: &UserShare, now: Duration) -> Arc<Share> {
        if let Some(share) = self.0.get(&identity) {
            share.buckets.change(&grant.rates, now);
            return share.clone();
        }
        if self.0.len() >= IDLE_SHARES_MAX {
            self.tidy(now);
        }
        let share = Arc::new(Share {
            identity: identity.clone(),
            buckets: RateBuckets::new(&grant.rates),
            connections: AtomicU64::new(0),
        });
        self.0.insert(identity, share.clone());
        share
    }

    /// Forgets users that are gone: those with full buckets, and when that is not enough others too.
    fn tidy(&mut self, now: Duration) {
        let gone = |share: &Share| share.connections.load(Relaxed) == 0;
        self.0
            .retain(|_, share| !gone(share) || !share.buckets.is_full(now));
        let idle = self.0.values().filter(|share| gone(share)).count();
        let mut excess = idle.saturating_sub(IDLE_SHARES_MAX / 2);
        self.0.retain(|_, share| {
            let forgotten = excess > 0 && gone(share);
            excess -= usize::from(forgotten);
            !forgotten
        });
    }
}

/// What the document grants this user, when it grants less than everything.
fn granted(claims: &AccountClaims, user: &User) -> Option<(Identity, UserShare)> {
    let claim = claims.tollway.as_ref()?;
    let Origin::Signed(login) = &user.origin else {
        return None;
    };
    let shown = login.user.claims();
    let grant = claims.user_share(&shown.issuer);
    let unlimited = !matches!(grant.connections, Some(Limit::AtMost(_))) && grant.rates.is_unlimited();
    if unlimited {
        return None;
    }
    let who = match &shown.user {
        Some(user) => Who::User(user.as_str().into()),
        None => Who::Key(shown.subject),
    };
    let key = claim
        .signing_keys
        .contains_key(&shown.issuer)
        .then_some(shown.issuer);
    Some((Identity { key, who }, grant))
}
