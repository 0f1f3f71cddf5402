//! How many connections each peer has: one address must not take every place.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::bounds::PUBLIC_CONNECTIONS_PER_PEER_MAX;

/// Peers with connections. Clones share the counts.
#[derive(Clone, Default)]
pub(crate) struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A peer's place, until it is dropped.
pub(crate) struct PeerPlace {
    peers: Peers,
    peer: IpAddr,
}

impl Peers {
    /// `None` when the peer has as many as it may have.
    pub(crate) fn take(&self, address: IpAddr) -> Option<PeerPlace> {
        let peer = peer_of(address);
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

/// Whoever has an IPv6 address has a network of them.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
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
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
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
