//! Acknowledgements that wait until the disk has taken what they say.

use std::time::{Duration, Instant};

use tollway_proto::fleet::Ack;

use super::bounds::{KEEP_RETRY_FIRST, KEEP_RETRY_MAX, UNKEPT_ACKS_MAX};

/// What was put in force on this stream and is not on disk, with the time to try that again.
#[derive(Debug)]
pub(super) struct Unkept {
    /// In the order of their updates.
    acks: Vec<Ack>,
    pause: Duration,
    retry_at: Instant,
}

impl Unkept {
    /// Nothing waits.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            acks: Vec::new(),
            pause: KEEP_RETRY_FIRST,
            retry_at: now,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.acks.is_empty()
    }

    /// Whether the control plane sends nothing more until it gets an answer. A new stream gives it the
    /// chance to send all that has changed since as one update.
    pub(super) fn is_full(&self) -> bool {
        self.acks.len() >= UNKEPT_ACKS_MAX
    }

    /// Withholds the acknowledgement of what the disk did not take at `now`.
    pub(super) fn handle_failure(&mut self, ack: Ack, now: Instant) {
        self.acks.push(ack);
        if self.acks.len() == 1 {
            self.pause = KEEP_RETRY_FIRST;
            self.retry_at = now + self.pause;
        }
    }

    /// Whether it is time to write again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.acks.is_empty() && now >= self.retry_at
    }

    /// The disk did not take it this time either.
    pub(super) fn handle_failed_retry(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(KEEP_RETRY_MAX);
        self.retry_at = now + self.pause;
    }

    /// Everything is on disk: what may be acknowledged now.
    pub(super) fn handle_kept(&mut self) -> Vec<Ack> {
        std::mem::take(&mut self.acks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(request_id: &str) -> Ack {
        Ack {
            request_id: request_id.into(),
            ..Ack::default()
        }
    }

    #[test]
    fn writing_is_tried_again_ever_more_seldom_and_all_is_acknowledged_in_order() {
        let start = Instant::now();
        let mut unkept = Unkept::new(start);
        assert!(!unkept.is_due(start + KEEP_RETRY_MAX), "nothing waits");
        unkept.handle_failure(ack("a"), start);
        assert!(!unkept.is_due(start) && unkept.is_due(start + KEEP_RETRY_FIRST));
        let mut now = start;
        for _ in 0..20 {
            now += KEEP_RETRY_MAX;
            assert!(unkept.is_due(now));
            unkept.handle_failed_retry(now);
        }
        // Another change does not make the disk more likely to take it.
        unkept.handle_failure(ack("b"), now);
        assert!(!unkept.is_due(now + KEEP_RETRY_MAX - Duration::from_millis(1)));
        assert!(unkept.is_due(now + KEEP_RETRY_MAX));
        assert_eq!(unkept.handle_kept(), [ack("a"), ack("b")]);
        assert!(unkept.is_empty());
        // The next full disk begins with short pauses.
        unkept.handle_failure(ack("c"), now);
        assert!(unkept.is_due(now + KEEP_RETRY_FIRST));
    }

    #[test]
    fn as_many_as_the_control_plane_waits_for_are_withheld() {
        let now = Instant::now();
        let mut unkept = Unkept::new(now);
        for _ in 0..UNKEPT_ACKS_MAX {
            assert!(!unkept.is_full());
            unkept.handle_failure(ack(""), now);
        }
        assert!(unkept.is_full());
    }
}
