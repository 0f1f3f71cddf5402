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

use crate::bounds::PUBLIC_CONNECTIONS_PER_PEER_MAX;

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
pub(crate) struct Peers(Arc<Mutex<HashMap<Peer, usize>>>);

/// A peer's place, until it is dropped.
pub(crate) struct PeerPlace {
    peers: Peers,
    peer: Peer,
}

impl Peers {
    /// `None` when the peer has as many as it may have.
    pub(crate) fn take(&self, peer: Peer) -> Option<PeerPlace> {
        let mut peers = self.0.lock();
        let count = peers.entry(peer).or_default();
        if *count >= PUBLIC_CONNECTIONS_PER_PEER_MAX {
            return None;
        }
        *count += 1;
        Some(PeerPlace {
            peers: self.clone(),
            peer,
        })
    }
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let mut peers = self.peers.0.lock();
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
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
}
