//! What lies below the protocol as clients meet it: TLS, websockets, and how they begin and end.

#[path = "../broker/support.rs"]
#[allow(dead_code, reason = "the tests of the broker use more of it")]
mod support;

mod advisories;
mod certificates;
mod client;
mod flows;
mod handshakes;
mod pki;
mod tls;
mod websocket;
