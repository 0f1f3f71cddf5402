//! The broker node: sockets, files and clocks around the pure crates.

pub mod broker;
