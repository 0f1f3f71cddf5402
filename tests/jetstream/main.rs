//! What is known of the real server's JetStream is asked of it again.
//!
//! The crate `tollway-jetstream` is tested against recorded answers, without a server. Here the real server
//! answers the same requests, so that the records stay true when it gets newer.

mod configurations;
mod real_server;
