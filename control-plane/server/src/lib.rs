//! The control plane: REST, gRPC, console, fleet, and the tollway command.

pub mod bounds;
pub mod compile;
pub mod fleet;
pub mod grpc;
pub mod http;
pub mod listen;
pub mod metrics;
pub mod pki;
pub mod request_id;
pub mod secrets;
