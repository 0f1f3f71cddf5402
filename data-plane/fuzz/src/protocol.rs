//! The operations of a client, CONNECT and blocks of headers.
#![no_main]

#[allow(dead_code)]
#[path = "../../wire/tests/support/every_way.rs"]
mod every_way;
#[allow(dead_code)]
#[path = "../../wire/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| every_way::fuzz(bytes));
