//! The configuration language, with files and variables that it asks for.
#![no_main]

#[path = "../../conf/tests/conf/every_way.rs"]
mod every_way;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| every_way::fuzz(bytes));
