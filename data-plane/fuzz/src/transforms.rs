//! Rules that rename subjects: transforms, mappings, imports.
#![no_main]

#[path = "../../accounts/tests/accounts/every_way.rs"]
mod every_way;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| every_way::fuzz(bytes));
