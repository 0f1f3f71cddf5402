//! Events of one kind, at most one per [`EVENT_INTERVAL`]: the first at once, those that follow it
//! together, as one that says how many they were.

use std::time::Duration;

/// The time between two events of a kind.
pub const EVENT_INTERVAL: Duration = Duration::from_secs(1);

/// What was let through, and what is held back. Times are durations since any moment in the past.
#[derive(Debug)]
pub struct EventGate<T> {
    /// When the last one was let through.
    opened_at: Option<Duration>,
    held: Option<Events<T>>,
}

/// One event, or several told as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events<T> {
    /// The first of them.
    pub first: T,
    /// How many they are.
    pub count: u64,
    /// When the last of them happened.
    pub last_at: Duration,
}

impl<T> Default for EventGate<T> {
    fn default() -> Self {
        Self {
            opened_at: None,
            held: None,
        }
    }
}

impl<T> EventGate<T> {
    /// Something happened; see [`Self::handle_events`].
    pub fn handle_event(&mut self, now: Duration, describe: impl FnOnce() -> T) -> Option<Events<T>> {
        self.handle_events(now, 1, describe)
    }

    /// Something happened so often at once. Gives it back when it is to be told now; else it is held, and
    /// [`Self::poll_timeout`] says until when. `describe` is asked only when its answer is kept.
    pub fn handle_events(
        &mut self,
        now: Duration,
        count: u64,
        describe: impl FnOnce() -> T,
    ) -> Option<Events<T>> {
        match &mut self.held {
            Some(held) => {
                held.count += count;
                held.last_at = held.last_at.max(now);
                return None;
            }
            held => {
                *held = Some(Events {
                    first: describe(),
                    count,
                    last_at: now,
                });
            }
        }
        self.handle_timeout(now)
    }

    /// When [`Self::handle_timeout`] must be called, if anything is held.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.held.as_ref()?;
        Some(self.opened_at? + EVENT_INTERVAL)
    }

    /// Time passed. Gives what was held, if that is to be told now.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Events<T>> {
        if self.opened_at.is_some_and(|at| now < at + EVENT_INTERVAL) {
            return None;
        }
        let told = self.held.take()?;
        self.opened_at = Some(now);
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn flood_is_one_event_per_second_with_a_count() {
        let mut gate = EventGate::default();
        let (mut told, mut events) = (0, Vec::new());
        for at in 0..10_000 {
            assert!(gate.poll_timeout().is_none_or(|until| ms(at) <= until));
            let held = match gate.poll_timeout() {
                Some(until) if until == ms(at) => gate.handle_timeout(ms(at)),
                _ => None,
            };
            let now = gate.handle_event(ms(at), || at);
            events.extend(held.into_iter().chain(now));
            told += 1;
        }
        events.extend(gate.handle_timeout(ms(11_000)));
        assert_eq!(events.iter().map(|event| event.count).sum::<u64>(), told);
        assert_eq!(events.len(), 11, "{events:?}");
        assert_eq!((events[0].first, events[0].count), (0, 1), "the first at once");
        assert_eq!((events[1].first, events[1].last_at), (1, ms(999)));
        assert_eq!(gate.poll_timeout(), None);
    }

    #[test]
    fn rare_events_are_told_one_by_one() {
        let mut gate = EventGate::default();
        for at in [5, 1005, 5000] {
            let event = gate.handle_event(ms(at), || at).unwrap();
            assert_eq!((event.first, event.count, event.last_at), (at, 1, ms(at)));
        }
        assert_eq!(gate.handle_event(ms(5001), || 9), None);
        assert_eq!(gate.poll_timeout(), Some(ms(6000)));
        assert_eq!(gate.handle_timeout(ms(5999)), None);
        assert_eq!(gate.handle_timeout(ms(6000)).map(|event| event.count), Some(1));
    }
}
