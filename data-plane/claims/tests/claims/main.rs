//! Tokens, trust, authentication and permissions, through the public API alone.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests do")]

mod any_bytes;
mod authentication;
mod every_way;
mod exchange;
mod forged;
mod permissions;
mod tokens;
mod trust;
mod world;
