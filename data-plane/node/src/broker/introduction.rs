//! What a node says first to a client, also where there is no session yet.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};

use data_encoding::BASE64URL_NOPAD;
use tollway_wire::{Info, encoder};

use super::shared::Shared;
use crate::transport::Arrival;

/// Who the client is to the node, and what it has to sign.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    pub(crate) client_id: u64,
    /// An IPv4 client on an IPv6 socket is an IPv4 client, to itself and to its user's networks.
    pub(crate) client_ip: IpAddr,
    pub(crate) nonce: String,
}

impl Introduction {
    pub(crate) fn new(client_id: u64, peer: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            client_id,
            client_ip: peer.ip().to_canonical(),
            nonce: nonce()?,
        })
    }

    /// The first INFO. Without an arrival it goes out in the clear, before TLS.
    pub(crate) fn greeting(&self, shared: &Shared, arrival: Option<&Arrival>) -> Vec<u8> {
        let mut info = self.info(shared, arrival);
        info.nonce = shared.greeting().nonce.then(|| self.nonce.clone());
        let mut out = Vec::new();
        encoder::info(&mut out, &info);
        out
    }

    /// What every INFO to this client says.
    pub(crate) fn info(&self, shared: &Shared, arrival: Option<&Arrival>) -> Info {
        let mut info = shared.info(self.client_id, self.client_ip.to_string());
        let settings = &shared.settings;
        let over_websocket = arrival.filter(|arrival| arrival.upgrade.is_some());
        match (over_websocket, &settings.websocket) {
            (Some(arrival), Some(websocket)) => {
                info.host.clone_from(&websocket.host);
                info.port = websocket.port;
                info.connect_urls.clone_from(&websocket.connect_urls);
                info.tls_required = arrival.secure;
                info.tls_available = arrival.secure;
                info.tls_verify = websocket.tls.as_ref().is_some_and(|tls| tls.announced().verify);
            }
            _ => {
                if let Some(tls) = &settings.tls {
                    let announced = tls.announced();
                    info.tls_required = announced.required;
                    info.tls_available = announced.available;
                    info.tls_verify = announced.verify;
                }
            }
        }
        info
    }
}

/// Fifteen characters that the client signs: fresh, so that no signature serves twice.
fn nonce() -> io::Result<String> {
    let random = RANDOM.with_borrow_mut(Random::take)?;
    Ok(BASE64URL_NOPAD.encode(&random))
}

const NONCE_BYTES: usize = 11;
/// Nonces that are asked for at once, because each call into the operating system costs as much as
/// all of them.
const NONCES: usize = 32;

thread_local! {
    static RANDOM: RefCell<Random> = const { RefCell::new(Random { bytes: [0; NONCE_BYTES * NONCES], left: 0 }) };
}

/// Random bytes of the operating system, each of which is used once. They are no secrets: what is
/// drawn from here is told to a client.
struct Random {
    bytes: [u8; NONCE_BYTES * NONCES],
    /// How many at the front are not used.
    left: usize,
}

impl Random {
    fn take(&mut self) -> io::Result<[u8; NONCE_BYTES]> {
        if self.left == 0 {
            getrandom::fill(&mut self.bytes).map_err(io::Error::other)?;
            self.left = self.bytes.len();
        }
        let rest = self.left - NONCE_BYTES;
        let taken = self.bytes[rest..self.left].try_into();
        self.left = rest;
        Ok(taken.expect("it is cut to the length of a nonce"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_nonce_comes_twice() {
        let nonces: Vec<_> = (0..NONCES * 3).map(|_| nonce().unwrap()).collect();
        assert!(nonces.iter().all(|nonce| nonce.len() == 15));
        assert_eq!(nonces.iter().collect::<HashSet<_>>().len(), nonces.len());
    }
}
