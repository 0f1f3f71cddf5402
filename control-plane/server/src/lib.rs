//! The control plane: REST, gRPC, console, fleet, and the tollway command.
//!
//! ```text
//!   http/ (REST, console)  grpc/          fleet/ (nodes, mutual TLS)
//!         └──────┬───────────┘               │
//!              app/  rules and transactions ─┤ FleetHub: wakes senders, carries requests
//!                │    compile/  rows ─▶ signed documents
//!                │    secrets/  seeds sealed at rest      pki/  certificates of the fleet
//!              tollway-datastore ─▶ Postgres
//! ```
//!
//! [`serve::ControlPlane`] wires one of them; the command and the tests start it the same way.

pub mod app;
pub mod authn;
mod body_room;
pub mod bootstrap;
pub mod bounds;
mod call_origin;
pub mod cli;
pub mod clock;
pub mod compile;
pub mod data_folder;
pub mod fleet;
pub mod grpc;
pub mod http;
mod http2_frames;
mod jobs;
pub mod listen;
mod local_socket;
mod log_throttle;
pub mod metrics;
mod open_calls;
mod open_files;
mod opening;
pub mod peers;
pub mod pki;
mod private_folder;
pub mod request_id;
pub mod secrets;
pub mod serve;
pub mod sign_in_link;
pub mod telemetry;
pub mod up;
