//! How one connection keeps the rates that it shares with others: by reading nothing for a while,
//! and only when that is not enough by refusing messages.
//!
//! ```text
//!              a turn made a debt                    more than PAUSE_MAX is still owed
//!  Reading ──────────────────────▶ Paused ──────────────────────────────────▶ Refusing
//!     ▲                            │  ▲ │ something is still owed: once more      │
//!     └────────────────────────────┘  └─┘                                         │
//!       the debt is paid              ▲       one operation or more was done      │
//!                                     └───────────────────────────────────────────┘
//! ```
//!
//! A pause is short, so that what is exempt (pings, acknowledgements) waits no longer than that;
//! TCP makes the client wait meanwhile. A debt that a pause of [`PAUSE_MAX`] does not pay comes from
//! a message that is worth more, or from many connections that owe together. Then a turn takes what
//! is exempt, refuses the rest, so that the client hears about it, and pauses again.

use std::time::Duration;

/// The longest that a connection reads nothing.
pub const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What a connection owes, and what it does about it. Times are those of the buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// When everything is paid that this connection took.
    paid_at: Duration,
    refusing: bool,
}

/// What a connection does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reads.
    Read,
    /// Reads nothing for so long; then [`Pace::handle_pause_end`].
    Pause(Duration),
    /// Reads, and refuses what is not exempt.
    Refuse,
}

impl Pace {
    /// A turn is over. `debt` is what the buckets said when it took; `progress` whether an operation
    /// was done to its end.
    pub fn handle_turn(&mut self, debt: Duration, progress: bool, now: Duration) -> Step {
        self.paid_at = self.paid_at.max(now.saturating_add(debt));
        if self.refusing {
            if !progress {
                // A long message is still arriving. Without this it would take a pause for each part.
                return Step::Refuse;
            }
            self.refusing = false;
        }
        self.pause(now)
    }

    /// A pause is over.
    pub fn handle_pause_end(&mut self, now: Duration) -> Step {
        if self.owed(now) > PAUSE_MAX {
            self.refusing = true;
            return Step::Refuse;
        }
        self.pause(now)
    }

    /// The rates changed in a pause; all that is owed is now this much at most.
    pub fn handle_change(&mut self, debt: Duration, now: Duration) -> Step {
        self.paid_at = self.paid_at.min(now.saturating_add(debt));
        self.pause(now)
    }

    /// Whether messages are refused in this turn.
    pub fn is_refusing(&self) -> bool {
        self.refusing
    }

    fn owed(&self, now: Duration) -> Duration {
        self.paid_at.saturating_sub(now)
    }

    fn pause(&self, now: Duration) -> Step {
        match self.owed(now) {
            Duration::ZERO => Step::Read,
            owed => Step::Pause(owed.min(PAUSE_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(50);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn who_owes_nothing_reads() {
        let mut pace = Pace::default();
        assert_eq!(pace.handle_turn(ms(0), true, START), Step::Read);
        assert!(!pace.is_refusing());
    }

    #[test]
    fn small_debt_is_one_pause() {
        let mut pace = Pace::default();
        assert_eq!(pace.handle_turn(ms(300), true, START), Step::Pause(ms(300)));
        // The clock of the timer may ring a little early.
        assert_eq!(pace.handle_pause_end(START + ms(299)), Step::Pause(ms(1)));
        assert_eq!(pace.handle_pause_end(START + ms(300)), Step::Read);
    }

    #[test]
    fn debt_of_up_to_two_pauses_is_paid_without_a_refusal() {
        let mut pace = Pace::default();
        assert_eq!(pace.handle_turn(ms(2000), true, START), Step::Pause(PAUSE_MAX));
        assert_eq!(pace.handle_pause_end(START + ms(1000)), Step::Pause(PAUSE_MAX));
        assert_eq!(pace.handle_pause_end(START + ms(2000)), Step::Read);
    }

    #[test]
    fn longer_debt_is_paid_between_refusals() {
        let mut pace = Pace::default();
        assert_eq!(pace.handle_turn(ms(3500), true, START), Step::Pause(PAUSE_MAX));
        assert_eq!(pace.handle_pause_end(START + ms(1000)), Step::Refuse);
        assert!(pace.is_refusing());
        // A part of a message arrived: nothing could be refused yet.
        assert_eq!(pace.handle_turn(ms(0), false, START + ms(1000)), Step::Refuse);
        assert_eq!(
            pace.handle_turn(ms(0), true, START + ms(1000)),
            Step::Pause(PAUSE_MAX)
        );
        assert!(!pace.is_refusing());
        assert_eq!(pace.handle_pause_end(START + ms(2000)), Step::Refuse);
        assert_eq!(
            pace.handle_turn(ms(0), true, START + ms(2000)),
            Step::Pause(PAUSE_MAX)
        );
        assert_eq!(pace.handle_pause_end(START + ms(3000)), Step::Pause(ms(500)));
        assert_eq!(pace.handle_pause_end(START + ms(3500)), Step::Read);
    }

    #[test]
    fn higher_rate_ends_the_pause_earlier_and_never_later() {
        let mut pace = Pace::default();
        pace.handle_turn(ms(10_000), true, START);
        assert_eq!(pace.handle_change(ms(200), START), Step::Pause(ms(200)));
        // What others owe is not this connection's debt.
        assert_eq!(pace.handle_change(ms(5_000), START), Step::Pause(ms(200)));
        assert_eq!(pace.handle_pause_end(START + ms(200)), Step::Read);
    }
}
