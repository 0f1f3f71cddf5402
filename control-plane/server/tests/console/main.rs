//! The console over HTTP, in front of a real database: what a browser would
//! send, and what others might.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod browser;
mod forgery;
mod journey;
mod roles;
