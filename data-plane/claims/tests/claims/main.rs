//! Tokens, trust, authentication and permissions, through the public API alone.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests do")]

mod authentication;
mod exchange;
mod forged;
mod permissions;
mod tokens;
mod trust;
mod world;
