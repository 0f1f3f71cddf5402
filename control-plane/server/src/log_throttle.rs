//! Warnings that callers can cause: told at most every [`WARNING_REPEAT_INTERVAL`], the rest counted.

use std::time::Instant;

use parking_lot::Mutex;

use crate::bounds::WARNING_REPEAT_INTERVAL;

/// One kind of warning.
pub(crate) struct Throttle(Mutex<Told>);

struct Told {
    last: Option<Instant>,
    unsaid: u64,
}

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Told {
            last: None,
            unsaid: 0,
        }))
    }

    /// How many were not told since the last one, when this one may be told.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock();
        if told
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < WARNING_REPEAT_INTERVAL)
        {
            told.unsaid += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_an_interval_is_told_with_the_number_of_those_before() {
        let (throttle, begin) = (Throttle::new(), Instant::now());
        assert_eq!(throttle.pass_at(begin), Some(0));
        assert_eq!(throttle.pass_at(begin), None);
        assert_eq!(throttle.pass_at(begin + WARNING_REPEAT_INTERVAL / 2), None);
        assert_eq!(throttle.pass_at(begin + WARNING_REPEAT_INTERVAL), Some(2));
    }
}
