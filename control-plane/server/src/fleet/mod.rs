//! The fleet: nodes enrol, attach, are told what to hold, and report back.
//!
//! ```text
//!  node ──TLS──▶ connections ──▶ Fleet (service) ──▶ Session, one per stream
//!                                                      ├─ read      Response ──▶ Lane ──▶ whoever asked
//!                                                      ├─ Sender    snapshot or delta, when woken and every second
//!                                                      └─ Recorder  Ack, usage, live ──▶ Postgres
//!  FleetHub: which node is attached here; wakes senders, carries requests
//! ```

mod connection;
mod cursor;
mod epoch;
mod hub;
mod lane;
mod place;
mod progress;
mod recorder;
mod sender;
mod server;
mod service;
mod session;
mod signals;
mod tls;

pub use connection::{FleetConnection, FleetPeer, connections};
pub use hub::FleetHub;
pub use lane::LaneError;
pub(crate) use server::serve;
pub use service::Fleet;
pub use signals::pass_signals;
pub use tls::{FleetTls, FleetTlsError};
