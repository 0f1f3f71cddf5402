//! Lines that callers can cause: told at most every [`WARNING_REPEAT_INTERVAL`], the rest counted.

use std::{collections::HashMap, sync::LazyLock, time::Instant};

use parking_lot::Mutex;

use crate::{
    bounds::{CALLERS_LOGGED_MAX, WARNING_REPEAT_INTERVAL},
    call_origin::Caller,
};

/// One kind of warning.
pub(crate) struct Throttle(Mutex<Told>);

struct Told {
    last: Option<Instant>,
    unsaid: u64,
}

impl Told {
    const fn nothing() -> Self {
        Self {
            last: None,
            unsaid: 0,
        }
    }

    fn is_old(&self, now: Instant) -> bool {
        self.last
            .is_none_or(|last| now.saturating_duration_since(last) >= WARNING_REPEAT_INTERVAL)
    }

    fn pass_at(&mut self, now: Instant) -> Option<u64> {
        if !self.is_old(now) {
            self.unsaid += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Told::nothing()))
    }

    /// How many were not told since the last one, when this one may be told.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        self.0.lock().pass_at(now)
    }
}

/// One kind of line that each caller can cause: told of each at most every [`WARNING_REPEAT_INTERVAL`].
pub(crate) struct CallerThrottle(LazyLock<Mutex<HashMap<Caller, Told>>>);

impl CallerThrottle {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    /// How many of the caller were not told since the last one, when this one may be told.
    pub(crate) fn pass(&self, caller: Caller) -> Option<u64> {
        self.pass_at(caller, Instant::now())
    }

    fn pass_at(&self, caller: Caller, now: Instant) -> Option<u64> {
        let mut callers = self.0.lock();
        if callers.len() >= CALLERS_LOGGED_MAX && !callers.contains_key(&caller) {
            callers.retain(|_, told| !told.is_old(now));
            if callers.len() >= CALLERS_LOGGED_MAX {
                // More callers than that at once are refused: whoever reads the log sees it from the others.
                return None;
            }
        }
        callers.entry(caller).or_insert_with(Told::nothing).pass_at(now)
    }
}

#[cfg(test)]
mod tests {
    use tollway_model::OrganizationId;

    use super::*;

    #[test]
    fn the_first_of_an_interval_is_told_with_the_number_of_those_before() {
        let (throttle, begin) = (Throttle::new(), Instant::now());
        assert_eq!(throttle.pass_at(begin), Some(0));
        assert_eq!(throttle.pass_at(begin), None);
        assert_eq!(throttle.pass_at(begin + WARNING_REPEAT_INTERVAL / 2), None);
        assert_eq!(throttle.pass_at(begin + WARNING_REPEAT_INTERVAL), Some(2));
    }

    #[test]
    fn lines_of_one_caller_leave_those_of_others_to_be_told() {
        let (throttle, begin) = (CallerThrottle::new(), Instant::now());
        let caller = |number| Caller::Organization(OrganizationId::new(number, [0; 10]));
        assert_eq!(throttle.pass_at(caller(1), begin), Some(0));
        assert_eq!(throttle.pass_at(caller(1), begin), None);
        assert_eq!(throttle.pass_at(caller(2), begin), Some(0));
        for number in 0..2 * CALLERS_LOGGED_MAX as u64 {
            throttle.pass_at(caller(number), begin);
        }
        assert_eq!(throttle.0.lock().len(), CALLERS_LOGGED_MAX);
        let later = begin + WARNING_REPEAT_INTERVAL;
        assert_eq!(throttle.pass_at(caller(1), later), Some(2));
        assert_eq!(throttle.pass_at(caller(5_000), later), Some(0));
    }
}
