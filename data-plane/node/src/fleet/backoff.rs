//! How long to wait before dialling again.

use std::time::Duration;

use super::bounds::{BACKOFF_FIRST, BACKOFF_FLOOR, BACKOFF_MAX};

/// Full jitter: each pause is drawn evenly between almost nothing and an end
/// that doubles. A control plane that comes back is not met by its whole fleet
/// at once, and the first nodes are there within a moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next pause is a short one.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next pause; `random` is any number, evenly drawn.
    pub(super) fn next_pause(&mut self, random: u64) -> Duration {
        let end = BACKOFF_FIRST
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        let share = random as f64 / u64::MAX as f64;
        BACKOFF_FLOOR + (end - BACKOFF_FLOOR).mul_f64(share)
    }
}

/// A number for [`Backoff::next_pause`].
pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without a random source the pause is the shortest one: worse for the
    // control plane, right for this node.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_maximum_and_begin_again_after_success() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> = (0..8).map(|_| backoff.next_pause(u64::MAX).as_millis()).collect();
        assert_eq!(longest, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        for _ in 0..1_000 {
            assert_eq!(backoff.next_pause(0), BACKOFF_FLOOR);
        }
        backoff.reset();
        assert_eq!(backoff.next_pause(u64::MAX), BACKOFF_FIRST);
    }
}
