//! Tokens, signed claims and creds files.
#![no_main]

#[path = "../../claims/tests/claims/every_way.rs"]
mod every_way;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| every_way::fuzz(bytes));
