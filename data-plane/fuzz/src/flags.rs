//! The arguments of the program.
#![no_main]

#[path = "../../node/tests/standalone/every_flag.rs"]
mod every_flag;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| every_flag::fuzz(bytes));
