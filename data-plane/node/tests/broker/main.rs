//! The broker as its clients meet it: a real one on a real socket, raw bytes.

mod asking;
mod changes;
mod delivery;
mod events;
mod exchange;
mod fairness;
mod internal;
mod isolation;
mod login;
mod malformed;
mod mappings;
mod memory;
mod permissions;
mod protocol;
mod rates;
mod receiving;
mod slow;
mod support;
mod system;
mod turmoil;
