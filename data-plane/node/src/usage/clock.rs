//! The control plane's clock, which decides into which hour usage falls.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// What time it is at the control plane: what it said last, advanced by this
/// machine's monotonic clock. Before it said anything, this machine's own time.
///
/// Setting this machine's clock, by hand or by a jump of its time service,
/// moves no usage into another hour.
#[derive(Debug)]
pub struct ControlClock(Mutex<Anchor>);

#[derive(Debug, Clone, Copy)]
struct Anchor {
    unix_ms: i64,
    at: Instant,
}

impl ControlClock {
    /// This machine's time, until [`Self::set`] is called.
    pub fn local() -> Self {
        Self(Mutex::new(Anchor {
            unix_ms: local_unix_ms(),
            at: Instant::now(),
        }))
    }

    /// The control plane said that it is `unix_ms` (milliseconds since 1970)
    /// at `at`. Returns by how many milliseconds this moves the clock.
    pub fn set(&self, unix_ms: i64, at: Instant) -> i64 {
        let mut anchor = self.0.lock();
        let shift = unix_ms.saturating_sub(anchor.unix_ms_at(at));
        *anchor = Anchor { unix_ms, at };
        shift
    }

    /// Seconds since 1970.
    pub fn now_unix(&self) -> i64 {
        self.at_unix(Instant::now())
    }

    fn at_unix(&self, at: Instant) -> i64 {
        self.0.lock().unix_ms_at(at).div_euclid(1000)
    }
}

impl Anchor {
    fn unix_ms_at(&self, at: Instant) -> i64 {
        let elapsed = at.saturating_duration_since(self.at).as_millis();
        self.unix_ms
            .saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }
}

fn local_unix_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_of_the_control_plane_goes_on_with_the_monotonic_clock() {
        let clock = ControlClock::local();
        let start = Instant::now();
        clock.set(1_800_000_000_900, start);
        assert_eq!(clock.at_unix(start), 1_800_000_000);
        assert_eq!(clock.at_unix(start + Duration::from_millis(99)), 1_800_000_000);
        assert_eq!(clock.at_unix(start + Duration::from_millis(100)), 1_800_000_001);
        let shift = clock.set(1_800_000_000_000, start + Duration::from_secs(2));
        assert_eq!(shift, -2_900);
        assert_eq!(clock.at_unix(start + Duration::from_secs(3)), 1_800_000_001);
    }

    #[test]
    fn no_time_that_a_control_plane_may_send_panics() {
        let clock = ControlClock::local();
        let start = Instant::now();
        for time in [i64::MIN, -1, 0, i64::MAX] {
            clock.set(time, start);
            clock.at_unix(start + Duration::from_secs(5));
        }
    }
}
