//! The broker node: sockets, files and clocks around the pure crates.
//!
//! ```text
//!  clients ◀──▶ broker ──meters──▶ usage ──▶ usage.log
//!                 ▲                  │
//!        documents, trust            │ reports
//!                 │                  ▼
//!  last-known-good.log ◀── fleet ◀──────▶ control plane
//! ```
//!
//! [`node::run`] puts it together; [`standalone`] is a broker alone. The broker needs nothing of the rest while
//! it serves; the rest may fail, wait and come back beside it.

mod address_turns;
pub mod broker;
pub mod cli;
mod client_threads;
pub mod data_folder;
pub mod error_text;
pub mod fleet;
pub mod monitor;
pub mod node;
pub mod open_files;
pub mod record_log;
pub mod standalone;
pub mod status;
pub mod transport;
pub mod unix_clock;
pub mod usage;
