//! Clients as the standard has them, and as they should not be.

mod any_bytes;
mod bombs;
mod client;
mod every_way;
mod frames;
mod requests;
