//! How many connections each peer has: one address must not take every place.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use axum::extract::FromRequestParts;
use http::{Extensions, request::Parts};
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use crate::bounds::{
    PUBLIC_CONNECTIONS_PER_PEER_MAX, REFUSAL_WAIT_MAX, REFUSALS_AT_ONCE_MAX, REFUSALS_PER_SECOND,
};

/// Who is at the other end of a connection: an address, or an IPv6 network, which whoever has one address of
/// it has whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl Peer {
    /// Who has this address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address => address,
        })
    }

    /// Who makes a call; those who came over no network are all the same one.
    pub(crate) fn of_call(extensions: &Extensions) -> Self {
        let nobody = Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        extensions.get::<Self>().copied().unwrap_or(nobody)
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of_call(&parts.extensions))
    }
}

/// Peers with connections. Clones share the counts.
#[derive(Clone, Default)]
pub(crate) struct Peers(Arc<Mutex<HashMap<Peer, State>>>);

struct State {
    connections: usize,
    /// When the answer to the next refused call is due, if they come evenly.
    next_refusal: Instant,
}

/// A peer's place, until it is dropped.
pub(crate) struct PeerPlace {
    peers: Peers,
    peer: Peer,
}

impl Peers {
    /// `None` when the peer has as many as it may have.
    pub(crate) fn take(&self, peer: Peer) -> Option<PeerPlace> {
        let mut peers = self.0.lock();
        let state = peers.entry(peer).or_insert_with(|| State {
            connections: 0,
            next_refusal: Instant::now(),
        });
        if state.connections >= PUBLIC_CONNECTIONS_PER_PEER_MAX {
            return None;
        }
        state.connections += 1;
        Some(PeerPlace {
            peers: self.clone(),
            peer,
        })
    }
}

impl PeerPlace {
    /// Whose it is.
    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }

    /// How long a refused call of the peer waits for its answer; `None` when there are too many of them.
    ///
    /// A refusal costs a caller nothing, and whoever calls again at once with what is none keeps us busy for
    /// nothing: those of one peer are answered at a pace.
    pub(crate) fn refusal_wait(&self, now: Instant) -> Option<Duration> {
        let pace = Duration::from_secs(1) / REFUSALS_PER_SECOND;
        let mut peers = self.peers.0.lock();
        let state = peers.get_mut(&self.peer).expect("a place is counted");
        let next = state.next_refusal.max(now);
        let wait = (next - now).saturating_sub(pace * REFUSALS_AT_ONCE_MAX);
        if wait > REFUSAL_WAIT_MAX {
            return None;
        }
        state.next_refusal = next + pace;
        Some(wait)
    }
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let mut peers = self.peers.0.lock();
        if let Some(state) = peers.get_mut(&self.peer) {
            state.connections -= 1;
            if state.connections == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_with_all_its_places_takes_none_of_others_and_is_forgotten_when_it_leaves() {
        let peers = Peers::default();
        let address = |text: &str| Peer::of(text.parse().unwrap());
        let mut places: Vec<_> = (0..PUBLIC_CONNECTIONS_PER_PEER_MAX)
            .map(|last| peers.take(address(&format!("2001:db8::{last:x}"))).unwrap())
            .collect();
        assert!(peers.take(address("2001:db8::ffff:1")).is_none());
        assert!(peers.take(address("2001:db8:0:1::1")).is_some());
        assert!(peers.take(address("192.0.2.1")).is_some());
        places.pop();
        assert!(peers.take(address("2001:db8::1")).is_some());
        places.clear();
        assert!(peers.0.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_one_peer_wait_for_each_other_and_for_those_of_no_other() {
        let peers = Peers::default();
        let place = |last| peers.take(Peer::of([192, 0, 2, last].into())).unwrap();
        let (busy, other, now) = (place(1), place(2), Instant::now());
        for _ in 0..REFUSALS_AT_ONCE_MAX {
            assert_eq!(busy.refusal_wait(now), Some(Duration::ZERO));
        }
        let mut waits = Vec::new();
        while let Some(wait) = busy.refusal_wait(now) {
            waits.push(wait);
        }
        assert!(
            waits.is_sorted() && waits.last() > Some(&Duration::ZERO),
            "{waits:?}"
        );
        assert_eq!(other.refusal_wait(now), Some(Duration::ZERO));
        let later = now + REFUSAL_WAIT_MAX + Duration::from_secs(REFUSALS_AT_ONCE_MAX.into());
        assert_eq!(busy.refusal_wait(later), Some(Duration::ZERO));
    }
}
