//! What a node says first to a client, also where there is no session yet.

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
    let mut random = [0; 11];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(BASE64URL_NOPAD.encode(&random))
}
