//! The control plane: REST, gRPC, console, fleet, and the tollway command.

pub mod pki;
pub mod secrets;
