//! `tollway up` and `tollway down`, as a person uses them.
#![allow(
    clippy::unwrap_used,
    reason = "a test that finds nothing where something must be has failed"
)]

mod installation;
mod lines;
mod refusals;
mod resuming;
mod stopping;
