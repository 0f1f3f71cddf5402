//! Transforms, mappings and links between accounts, through the public API alone.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests do")]

mod any_bytes;
mod every_way;
mod history;
mod links;
mod mappings;
mod rates;
mod transforms;
mod world;
