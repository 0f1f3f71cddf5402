//! The request of a websocket, its frames, and what is compressed in them.
#![no_main]

#[allow(dead_code)]
#[path = "../../websocket/tests/websocket/client.rs"]
mod client;
#[path = "../../websocket/tests/websocket/every_way.rs"]
mod every_way;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| every_way::fuzz(bytes));
