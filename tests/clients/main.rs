//! Ordinary NATS clients against the real programs: what their users do every day, what keeps tenants
//! apart, and what each library reports when it is refused.
//!
//! The clients in other languages are programs in `python/` and `node/`; [`scripted`] plays the same
//! parts with each. The Rust client plays them in process.
#![allow(
    clippy::unwrap_used,
    reason = "what a test relies on and does not find ends the test"
)]

mod async_nats;
mod forgery;
mod library;
mod one_tenant;
mod part;
mod scripted;
