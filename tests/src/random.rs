//! Randomness that can be repeated.
#![allow(
    clippy::print_stderr,
    reason = "the test runner shows the seed with the failed test"
)]

use std::env;

/// Xorshift: all that tests need.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From `SEED`, or a fresh one; told either way.
    pub fn new() -> Self {
        let given = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut fresh = [0; 8];
            getrandom::fill(&mut fresh).expect("a random source");
            u64::from_le_bytes(fresh)
        });
        eprintln!("repeat with SEED={seed}");
        Self(seed | 1)
    }

    /// The same numbers as from another one that was made from this seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

impl Random {
    /// One of several.
    pub fn choose<'c, T>(&mut self, from: &'c [T]) -> &'c T {
        &from[self.below(from.len())]
    }

    /// So many bytes of any kind.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
