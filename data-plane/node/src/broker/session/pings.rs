//! When a client that is silent is asked whether it is still there, and when it is given up.

use std::time::{Duration, Instant};

/// The state of asking one client.
#[derive(Debug)]
pub(super) struct Pings {
    /// When it is looked at next.
    at: Instant,
    /// The client did something by itself since it was last looked at.
    heard: bool,
    unanswered: u32,
}

/// What is to be done about a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    Ask,
    GiveUp,
}

impl Pings {
    pub(super) fn new(now: Instant, interval: Duration) -> Self {
        Self {
            at: now + interval,
            heard: false,
            unanswered: 0,
        }
    }

    /// When [`Pings::handle_timeout`] must be called next.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.at
    }

    /// Somebody else may be asked from now on.
    pub(super) fn begin_again(&mut self, now: Instant, interval: Duration) {
        self.at = now + interval;
    }

    /// The client did something, or a part of it.
    pub(super) fn handle_activity(&mut self) {
        self.heard = true;
    }

    /// The client answered. It is asked again at the next time all the same, as by stock servers.
    pub(super) fn handle_pong(&mut self) {
        self.unanswered = 0;
    }

    /// Time passed; at most `unanswered_max` questions stay without an answer.
    pub(super) fn handle_timeout(&mut self, now: Instant, interval: Duration, unanswered_max: u32) -> Next {
        if now < self.at {
            return Next::Nothing;
        }
        self.at = now + interval;
        if std::mem::take(&mut self.heard) {
            self.unanswered = 0;
            Next::Nothing
        } else if self.unanswered >= unanswered_max {
            Next::GiveUp
        } else {
            self.unanswered += 1;
            Next::Ask
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    /// What comes of it when the client does this between two looks, until it is given up.
    fn run(between: fn(&mut Pings)) -> Vec<Next> {
        let start = Instant::now();
        let mut pings = Pings::new(start, INTERVAL);
        let mut seen = Vec::new();
        for look in 1..=4 {
            let now = start + INTERVAL * look;
            assert_eq!(pings.poll_timeout(), now);
            let early = now - Duration::from_millis(1);
            assert_eq!(pings.handle_timeout(early, INTERVAL, 2), Next::Nothing);
            seen.push(pings.handle_timeout(now, INTERVAL, 2));
            between(&mut pings);
        }
        seen
    }

    #[test]
    fn a_silent_client_is_asked_twice_and_given_up() {
        assert_eq!(run(|_| {})[..3], [Next::Ask, Next::Ask, Next::GiveUp]);
    }

    #[test]
    fn who_only_answers_is_asked_each_time() {
        assert_eq!(run(Pings::handle_pong), [Next::Ask; 4]);
    }

    #[test]
    fn who_does_something_is_not_asked() {
        assert_eq!(
            run(Pings::handle_activity),
            [Next::Ask, Next::Nothing, Next::Nothing, Next::Nothing]
        );
    }
}
