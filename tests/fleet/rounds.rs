//! How long something took, in several rounds. Printed, never asserted: machines that run tests are busy.
#![allow(
    clippy::print_stderr,
    reason = "measurements are for whoever runs the tests with --no-capture"
)]

use std::time::{Duration, Instant};

/// Measures what is done once per round.
pub(crate) struct Rounds {
    what: &'static str,
    took: Vec<Duration>,
}

impl Rounds {
    pub(crate) fn of(what: &'static str) -> Self {
        Self {
            what,
            took: Vec::new(),
        }
    }

    /// A round that began at `since` has its effect now.
    pub(crate) fn effect_since(&mut self, since: Instant) {
        self.took.push(since.elapsed());
    }

    pub(crate) fn print(mut self) {
        self.took.sort();
        let at = |percent: usize| {
            let rank = (self.took.len() * percent).div_ceil(100).max(1) - 1;
            self.took[rank].as_secs_f64() * 1000.0
        };
        eprintln!(
            "MEASURED {}: {} rounds, p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
            self.what,
            self.took.len(),
            at(50),
            at(99),
            at(100)
        );
    }
}
