//! Streams and consumers: the API's words, configurations and decisions about sequence numbers.
//!
//! Nothing here does anything: no sockets, files, clocks or threads. What happened comes in as values with
//! the time it happened at, what has to happen goes out as values.
//!
//! ```text
//! error     every refusal of the API, in one table
//! json      requests as stock servers read them, answers as they write them
//! api       what is asked for, and what with
//! config    what streams and consumers may be, and what is filled in
//! stream    what publishers ask for
//! consumer  what consumers are told
//! catalog   what an account has, and whether it may have more
//! ```
//!
//! ```
//! use std::collections::BTreeMap;
//! use tollway_jetstream::{AccountLimits, ServerLimits, StreamConfig, StreamContext};
//!
//! let wanted = StreamConfig { name: "ORDERS".into(), subjects: vec!["ORDERS.*".into()], ..Default::default() };
//! let context = StreamContext {
//!     server: &ServerLimits::default(),
//!     account: &AccountLimits::default(),
//!     streams: &BTreeMap::new(),
//!     pedantic: false,
//! };
//! let config = wanted.normalized(&context)?;
//! assert_eq!(config.max_msgs, -1); // no limit
//! assert_eq!(config.duplicate_window.to_string(), "2m0s");
//! # Ok::<(), tollway_jetstream::ApiError>(())
//! ```

pub mod api;
pub mod bounds;
pub mod config;

mod catalog;
pub mod consumer;
mod error;
mod json;
mod nanos;
pub mod stream;
mod wire_time;

pub use catalog::{Catalog, Decision, Grants};
pub use config::{
    AccountLimits, ConsumerConfig, ConsumerContext, OtherStreams, ServerLimits, StreamConfig, StreamContext,
};
pub use error::{ApiError, Entry, ErrorKind};
pub use json::{JsonError, to_json};
pub use nanos::Nanos;
pub use wire_time::WireTime;
