//! Subjects, filters, and the trie beside its definition.
#![no_main]

#[path = "../../subject/tests/support/every_way.rs"]
mod every_way;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| every_way::fuzz(bytes));
