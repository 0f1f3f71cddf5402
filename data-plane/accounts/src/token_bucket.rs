//! A rate that is kept on average, and a burst that may come at once.
//!
//! The whole state is one number: the time at which the bucket is full again. Taking moves it into
//! the future by what the amount is worth at the rate. So long as it is no further away than the
//! burst is worth, nothing is owed; what lies beyond is a debt, and the bucket says how long that
//! lasts. Who takes may go into debt, because it has to know what it took only afterwards; it pays
//! by taking nothing until the time is over.
//!
//! ```text
//!            now                        full again
//!  ───────────┼─────── burst ───────┼────── debt ──────▶ time
//! ```
//!
//! Debts are paid in the order in which they were made: whoever waits as long as it was told has
//! its place, however many others take meanwhile. So who shares a bucket shares it evenly, in turns.
//!
//! The number is changed by compare and swap alone. Threads need no lock, and their clocks may
//! differ: a `now` that lies before another's can only make the bucket stricter for a moment.
//!
//! ```
//! use std::time::Duration;
//! use tollway_accounts::{Rate, TokenBucket};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bucket = TokenBucket::new(Some(Rate { per_second: 100.try_into()?, burst: 50.try_into()? }));
//! let at = Duration::from_secs(1000);
//! assert_eq!(bucket.take(50, at), Duration::ZERO);
//! assert_eq!(bucket.take(10, at), Duration::from_millis(100));
//! // A tenth of a second later that is paid, and the bucket still empty.
//! let later = at + Duration::from_millis(100);
//! assert_eq!((bucket.debt(later), bucket.available(later)), (Duration::ZERO, 0));
//! // Twice the rate: what is owed takes half the time.
//! bucket.take(10, later);
//! bucket.change(Some(Rate { per_second: 200.try_into()?, burst: 50.try_into()? }), later);
//! assert_eq!(bucket.debt(later), Duration::from_millis(50));
//! # Ok(())
//! # }
//! ```

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tollway_claims::Rate;

/// The longest debt that is remembered, at the rate at which it was made. Longer ones come from a
/// single message that is worth more than an hour, and are forgiven down to this.
pub const DEBT_MAX: Duration = Duration::from_secs(3600);

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// One rate, taken from by several threads.
///
/// Times are durations since any moment that all callers share, which lies in the past.
#[derive(Debug, Default)]
pub struct TokenBucket {
    /// Units per second; 0 when there is no limit.
    per_second: AtomicU64,
    /// What the burst is worth, in nanoseconds at the rate.
    burst: AtomicU64,
    /// When it is full again, in nanoseconds.
    full_at: AtomicU64,
}

impl TokenBucket {
    /// A full bucket; without a rate it is never empty.
    pub fn new(rate: Option<Rate>) -> Self {
        let bucket = Self::default();
        if let Some(rate) = rate {
            bucket.burst.store(burst_nanos(rate), Relaxed);
            bucket.per_second.store(rate.per_second.get(), Relaxed);
        }
        bucket
    }

    /// Whether there is a rate at all.
    pub fn is_limited(&self) -> bool {
        self.per_second.load(Relaxed) != 0
    }

    /// Units per second, if there is a rate.
    pub fn per_second(&self) -> Option<u64> {
        Some(self.per_second.load(Relaxed)).filter(|&per_second| per_second != 0)
    }

    /// Takes an amount, whether it is there or not. Gives how long the debt lasts that this is at
    /// the end of: for so long the taker should take no more.
    pub fn take(&self, amount: u64, now: Duration) -> Duration {
        let per_second = self.per_second.load(Relaxed);
        if per_second == 0 || amount == 0 {
            return Duration::ZERO;
        }
        let (now, burst, cost) = (nanos(now), self.burst.load(Relaxed), worth(amount, per_second));
        let latest = now.saturating_add(burst).saturating_add(nanos(DEBT_MAX));
        let taken = |full_at: u64| {
            let after = full_at.max(now).saturating_add(cost);
            // What somebody with a later clock owes is left alone.
            after.min(latest).max(full_at)
        };
        let before = self
            .full_at
            .fetch_update(Relaxed, Relaxed, |full_at| Some(taken(full_at)))
            .unwrap_or_else(|full_at| full_at);
        debt(taken(before), burst, now)
    }

    /// How long all that is owed now takes to pay.
    pub fn debt(&self, now: Duration) -> Duration {
        if !self.is_limited() {
            return Duration::ZERO;
        }
        debt(self.full_at.load(Relaxed), self.burst.load(Relaxed), nanos(now))
    }

    /// Whether it holds all that it can, as it does without a rate.
    pub fn is_full(&self, now: Duration) -> bool {
        !self.is_limited() || self.full_at.load(Relaxed) <= nanos(now)
    }

    /// How much can be taken without a debt.
    pub fn available(&self, now: Duration) -> u64 {
        let per_second = self.per_second.load(Relaxed);
        if per_second == 0 {
            return u64::MAX;
        }
        let now = nanos(now);
        let missing = self.full_at.load(Relaxed).saturating_sub(now);
        units(self.burst.load(Relaxed).saturating_sub(missing), per_second)
    }

    /// How long the rate takes for so much.
    pub fn time_for(&self, amount: u64) -> Duration {
        match self.per_second.load(Relaxed) {
            0 => Duration::ZERO,
            per_second => Duration::from_nanos(worth(amount, per_second)),
        }
    }

    /// How much the rate gives in so long.
    pub fn amount_in(&self, time: Duration) -> u64 {
        match self.per_second.load(Relaxed) {
            0 => u64::MAX,
            per_second => units(nanos(time), per_second),
        }
    }

    /// Puts another rate in force. What is held or owed stays, in units; what no longer fits is
    /// lost. Who takes in the very moment of the change may be charged at the rate before.
    pub fn change(&self, rate: Option<Rate>, now: Duration) {
        let now = nanos(now);
        let before = (self.per_second.load(Relaxed), self.burst.load(Relaxed));
        let Some(rate) = rate else {
            self.per_second.store(0, Relaxed);
            return;
        };
        let (per_second, burst) = (rate.per_second.get(), burst_nanos(rate));
        if before == (per_second, burst) {
            return;
        }
        self.burst.store(burst, Relaxed);
        self.per_second.store(per_second, Relaxed);
        if before.0 == 0 {
            // Nothing was counted so far: it begins full.
            self.full_at.store(now, Relaxed);
            return;
        }
        let converted = |full_at: u64| {
            let missing = full_at.saturating_sub(now);
            match before.1.checked_sub(missing) {
                Some(held) => now.saturating_add(burst - burst.min(exchanged(held, before.0, per_second))),
                None => now
                    .saturating_add(burst)
                    .saturating_add(exchanged(missing - before.1, before.0, per_second).min(nanos(DEBT_MAX))),
            }
        };
        let update = |full_at| Some(converted(full_at));
        // The closure never refuses.
        let _ = self.full_at.fetch_update(Relaxed, Relaxed, update);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn debt(full_at: u64, burst: u64, now: u64) -> Duration {
    Duration::from_nanos(full_at.saturating_sub(now.saturating_add(burst)))
}

/// What an amount is worth, rounded up: never is more taken than the rate allows.
fn worth(amount: u64, per_second: u64) -> u64 {
    let nanos = (u128::from(amount) * NANOS_PER_SECOND).div_ceil(u128::from(per_second));
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// The amount that is worth so much, rounded down.
fn units(worth: u64, per_second: u64) -> u64 {
    let units = u128::from(worth) * u128::from(per_second) / NANOS_PER_SECOND;
    u64::try_from(units).unwrap_or(u64::MAX)
}

/// What the same amount is worth at another rate.
fn exchanged(worth: u64, from: u64, to: u64) -> u64 {
    let nanos = u128::from(worth) * u128::from(from) / u128::from(to);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// Rounded up, so that a full bucket has room for the burst, and no more than a century: additions
/// to the time must not wrap.
fn burst_nanos(rate: Rate) -> u64 {
    const CENTURY_NANOS: u64 = 100 * 365 * 24 * 3600 * 1_000_000_000;
    worth(rate.burst.get(), rate.per_second.get()).min(CENTURY_NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: u64, burst: u64) -> Option<Rate> {
        Some(Rate {
            per_second: per_second.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        })
    }

    const START: Duration = Duration::from_secs(7);

    fn at(ms: u64) -> Duration {
        START + Duration::from_millis(ms)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn bucket_without_a_rate_gives_everything() {
        let bucket = TokenBucket::new(None);
        assert_eq!(bucket.take(u64::MAX, START), Duration::ZERO);
        assert_eq!(
            (bucket.debt(START), bucket.available(START)),
            (Duration::ZERO, u64::MAX)
        );
        assert!(!bucket.is_limited());
    }

    #[test]
    fn burst_comes_at_once_and_the_rest_at_the_rate() {
        let bucket = TokenBucket::new(rate(1000, 500));
        assert_eq!(bucket.available(at(0)), 500);
        assert_eq!(bucket.take(500, at(0)), ms(0));
        assert_eq!(bucket.take(100, at(0)), ms(100));
        // Who comes next is behind.
        assert_eq!(bucket.take(100, at(0)), ms(200));
        assert_eq!(bucket.debt(at(150)), ms(50));
        assert_eq!((bucket.debt(at(200)), bucket.available(at(200))), (ms(0), 0));
        assert_eq!(bucket.available(at(300)), 100);
        // It never holds more than the burst.
        assert_eq!(bucket.available(at(100_000)), 500);
    }

    #[test]
    fn rate_says_how_long_an_amount_takes_and_how_much_comes_in_a_time() {
        let bucket = TokenBucket::new(rate(1000, 500));
        assert_eq!((bucket.time_for(0), bucket.time_for(250)), (ms(0), ms(250)));
        assert_eq!((bucket.amount_in(ms(0)), bucket.amount_in(ms(5))), (0, 5));
        let unlimited = TokenBucket::new(None);
        assert_eq!(
            (unlimited.time_for(u64::MAX), unlimited.amount_in(ms(0))),
            (ms(0), u64::MAX)
        );
    }

    #[test]
    fn debt_is_bounded_however_much_is_taken() {
        let bucket = TokenBucket::new(rate(1, 1));
        assert_eq!(bucket.take(u64::MAX, at(0)), DEBT_MAX);
        assert_eq!(bucket.take(u64::MAX, at(0)), DEBT_MAX);
        assert_eq!(bucket.debt(at(0) + DEBT_MAX), Duration::ZERO);
    }

    #[test]
    fn change_keeps_what_is_held_and_owed() {
        let bucket = TokenBucket::new(rate(1000, 1000));
        bucket.take(400, at(0));
        bucket.change(rate(100, 1000), at(0));
        assert_eq!(bucket.available(at(0)), 600);
        bucket.change(rate(100, 50), at(0));
        assert_eq!(bucket.available(at(0)), 50, "more does not fit");
        bucket.change(rate(100, 1000), at(0));
        assert_eq!(bucket.available(at(0)), 50, "what is lost is lost");
        bucket.take(150, at(0));
        assert_eq!(bucket.debt(at(0)), ms(1000));
        bucket.change(rate(1000, 10), at(0));
        assert_eq!(bucket.debt(at(0)), ms(100), "100 are owed, whatever the burst");
        bucket.change(None, at(0));
        assert_eq!(bucket.debt(at(0)), ms(0));
        bucket.change(rate(10, 10), at(5));
        assert_eq!(bucket.available(at(5)), 10, "a new limit begins full");
    }
}
