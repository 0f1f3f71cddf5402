//! The fleet: nodes enrol, attach, are told what to hold, and report back.

mod connection;
mod hub;
mod lane;
mod tls;

pub use connection::{FleetConnection, FleetPeer, connections};
pub use hub::FleetHub;
pub use lane::LaneError;
pub use tls::{FleetTls, FleetTlsError};
