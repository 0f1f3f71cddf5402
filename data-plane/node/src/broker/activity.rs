//! Whether more than one account is busy.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::bounds::{
    NEIGHBOUR_WINDOW, READ_CHUNK_ALONE, READ_CHUNK_SHARED, TURN_STEPS_ALONE, TURN_STEPS_SHARED,
};

/// Remembers when the turns of a node last changed from one account to
/// another. A hint for the length of turns, so it may be a little wrong; with
/// one busy account it is only read.
#[derive(Debug)]
pub(crate) struct Activity {
    started: Instant,
    last_account: AtomicU64,
    /// Microseconds since `started`.
    changed_at: AtomicU64,
}

/// How much one turn may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Bytes to read.
    pub(crate) bytes: usize,
    /// See [`TURN_STEPS_SHARED`].
    pub(crate) steps: usize,
}

impl Budget {
    const ALONE: Self = Self {
        bytes: READ_CHUNK_ALONE,
        steps: TURN_STEPS_ALONE,
    };
    const SHARED: Self = Self {
        bytes: READ_CHUNK_SHARED,
        steps: TURN_STEPS_SHARED,
    };
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            last_account: AtomicU64::new(0),
            // A node that just started is alone.
            changed_at: AtomicU64::new(0),
        }
    }

    /// How much a turn of this account may do.
    pub(crate) fn budget(&self, account: u64, now: Instant) -> Budget {
        let now = now.saturating_duration_since(self.started).as_micros() as u64;
        if self.last_account.load(Relaxed) != account {
            self.last_account.store(account, Relaxed);
            self.changed_at.store(now, Relaxed);
            return Budget::SHARED;
        }
        let quiet = now.saturating_sub(self.changed_at.load(Relaxed));
        if quiet < NEIGHBOUR_WINDOW.as_micros() as u64 {
            Budget::SHARED
        } else {
            Budget::ALONE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn turns_are_short_only_while_another_account_is_active() {
        let activity = Activity::new();
        let at = |ms| activity.started + Duration::from_millis(ms);

        assert_eq!(
            activity.budget(1, at(0)),
            Budget::SHARED,
            "the first one is a change"
        );
        assert_eq!(activity.budget(1, at(6)), Budget::ALONE);
        assert_eq!(activity.budget(2, at(7)), Budget::SHARED);
        assert_eq!(activity.budget(1, at(8)), Budget::SHARED);
        assert_eq!(activity.budget(1, at(12)), Budget::SHARED);
        assert_eq!(activity.budget(1, at(14)), Budget::ALONE);
    }
}
