//! The rates of one account or of one of its users, as buckets to take from.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tollway_claims::{RateLimit, Rates};

use crate::token_bucket::TokenBucket;

/// Messages, and the bytes of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Amount {
    /// More than anybody sends.
    pub const UNLIMITED: Self = Self {
        messages: u64::MAX,
        bytes: u64::MAX,
    };

    /// The lesser of each.
    pub fn min(self, other: Self) -> Self {
        Self {
            messages: self.messages.min(other.messages),
            bytes: self.bytes.min(other.bytes),
        }
    }

    /// The greater of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            messages: self.messages.max(other.messages),
            bytes: self.bytes.max(other.bytes),
        }
    }

    /// Both together.
    pub fn saturating_add(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// What is left of it without the other.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Whether it is no more than the other in both.
    pub fn fits(self, other: Self) -> bool {
        self.messages <= other.messages && self.bytes <= other.bytes
    }
}

/// Which way messages go, as seen from the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Clients send them.
    In,
    /// Clients receive them.
    Out,
}

impl Direction {
    /// What a document calls the rates of messages and of bytes.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::In => ["messages_in", "bytes_in"],
            Self::Out => ["messages_out", "bytes_out"],
        }
    }
}

/// Four buckets. They stay where they are when rates change: whoever has them has what is in force.
#[derive(Debug, Default)]
pub struct RateBuckets {
    into: Pair,
    out: Pair,
}

#[derive(Debug, Default)]
struct Pair {
    /// Whether one of the two has a rate. Nobody who has none looks at a clock.
    limited: AtomicBool,
    messages: TokenBucket,
    bytes: TokenBucket,
}

impl RateBuckets {
    /// Full buckets.
    pub fn new(rates: &Rates) -> Self {
        let buckets = Self::default();
        buckets.change(rates, Duration::ZERO);
        buckets
    }

    /// Puts other rates in force.
    pub fn change(&self, rates: &Rates, now: Duration) {
        for (pair, messages, bytes) in [
            (&self.into, rates.messages_in, rates.bytes_in),
            (&self.out, rates.messages_out, rates.bytes_out),
        ] {
            let (messages, bytes) = (messages.and_then(RateLimit::get), bytes.and_then(RateLimit::get));
            pair.messages.change(messages, now);
            pair.bytes.change(bytes, now);
            pair.limited.store(messages.is_some() || bytes.is_some(), Relaxed);
        }
    }

    /// Whether there is a rate for this direction.
    pub fn is_limited(&self, direction: Direction) -> bool {
        self.pair(direction).limited.load(Relaxed)
    }

    /// Takes what was sent, or received. Gives how long the longer debt of the two lasts.
    pub fn take(&self, direction: Direction, amount: Amount, now: Duration) -> Duration {
        let pair = self.pair(direction);
        let messages = pair.messages.take(amount.messages, now);
        messages.max(pair.bytes.take(amount.bytes, now))
    }

    /// How long all debts of a direction last.
    pub fn debt(&self, direction: Direction, now: Duration) -> Duration {
        let pair = self.pair(direction);
        pair.messages.debt(now).max(pair.bytes.debt(now))
    }

    /// The rate of a direction to which most is owed, if anything is: what it counts, and how many
    /// of that per second.
    pub fn creditor(&self, direction: Direction, now: Duration) -> Option<(Duration, &'static str, u64)> {
        let pair = self.pair(direction);
        let [messages, bytes] = direction.names();
        [(messages, &pair.messages), (bytes, &pair.bytes)]
            .into_iter()
            .filter_map(|(name, bucket)| Some((bucket.debt(now), name, bucket.per_second()?)))
            .filter(|(debt, ..)| !debt.is_zero())
            .max_by_key(|(debt, ..)| *debt)
    }

    /// How much can be taken without a debt.
    pub fn available(&self, direction: Direction, now: Duration) -> Amount {
        let pair = self.pair(direction);
        Amount {
            messages: pair.messages.available(now),
            bytes: pair.bytes.available(now),
        }
    }

    /// How long the slower of the two takes for so much.
    pub fn time_for(&self, direction: Direction, amount: Amount) -> Duration {
        let pair = self.pair(direction);
        let messages = pair.messages.time_for(amount.messages);
        messages.max(pair.bytes.time_for(amount.bytes))
    }

    /// How much comes in so long.
    pub fn amount_in(&self, direction: Direction, time: Duration) -> Amount {
        let pair = self.pair(direction);
        Amount {
            messages: pair.messages.amount_in(time),
            bytes: pair.bytes.amount_in(time),
        }
    }

    /// The rate of a direction that takes longest for so much: how long, what it counts, and how many
    /// of that per second.
    pub fn slowest(&self, direction: Direction, amount: Amount) -> Option<(Duration, &'static str, u64)> {
        let pair = self.pair(direction);
        let [messages, bytes] = direction.names();
        [
            (messages, &pair.messages, amount.messages),
            (bytes, &pair.bytes, amount.bytes),
        ]
        .into_iter()
        .filter_map(|(name, bucket, amount)| Some((bucket.time_for(amount), name, bucket.per_second()?)))
        .max_by_key(|(time, ..)| *time)
    }

    /// Whether everything is there that could be: then nothing is lost by making them anew.
    pub fn is_full(&self, now: Duration) -> bool {
        [&self.into, &self.out]
            .iter()
            .all(|pair| pair.messages.is_full(now) && pair.bytes.is_full(now))
    }

    fn pair(&self, direction: Direction) -> &Pair {
        match direction {
            Direction::In => &self.into,
            Direction::Out => &self.out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: i64) -> Option<RateLimit> {
        Some(RateLimit::new(per_second, None).unwrap())
    }

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn the_longer_of_two_debts_counts_and_directions_are_apart() {
        let buckets = RateBuckets::new(&Rates {
            messages_in: rate(10),
            bytes_in: rate(1000),
            ..Rates::UNLIMITED
        });
        assert!(buckets.is_limited(Direction::In) && !buckets.is_limited(Direction::Out));
        let amount = |messages, bytes| Amount { messages, bytes };
        assert_eq!(
            buckets.take(Direction::In, amount(20, 100), NOW),
            Duration::from_secs(1)
        );
        assert_eq!(buckets.available(Direction::In, NOW), amount(0, 900));
        assert_eq!(
            buckets.take(Direction::In, amount(1, 2900), NOW),
            Duration::from_secs(2)
        );
        assert_eq!(buckets.debt(Direction::In, NOW), Duration::from_secs(2));
        let creditor = Some((Duration::from_secs(2), "bytes_in", 1000));
        assert_eq!(buckets.creditor(Direction::In, NOW), creditor);
        assert_eq!(buckets.creditor(Direction::Out, NOW), None);
        assert_eq!(
            buckets.take(Direction::Out, Amount::UNLIMITED, NOW),
            Duration::ZERO
        );
        assert_eq!(buckets.available(Direction::Out, NOW), Amount::UNLIMITED);
        assert!(!buckets.is_full(NOW) && buckets.is_full(NOW + Duration::from_secs(3)));
    }

    #[test]
    fn slower_of_two_rates_says_how_long_an_amount_takes() {
        let buckets = RateBuckets::new(&Rates {
            messages_out: rate(10),
            bytes_out: rate(1000),
            ..Rates::UNLIMITED
        });
        let amount = |messages, bytes| Amount { messages, bytes };
        let seconds = Duration::from_secs;
        assert_eq!(buckets.time_for(Direction::Out, amount(20, 100)), seconds(2));
        assert_eq!(buckets.time_for(Direction::Out, amount(20, 3000)), seconds(3));
        assert_eq!(buckets.amount_in(Direction::Out, seconds(2)), amount(20, 2000));
        let slowest = |amount| buckets.slowest(Direction::Out, amount);
        assert_eq!(slowest(amount(20, 100)), Some((seconds(2), "messages_out", 10)));
        assert_eq!(slowest(amount(20, 3000)), Some((seconds(3), "bytes_out", 1000)));
        assert_eq!(buckets.slowest(Direction::In, amount(20, 3000)), None);
    }

    #[test]
    fn rates_that_change_are_those_of_everybody_who_has_the_buckets() {
        let buckets = RateBuckets::new(&Rates::UNLIMITED);
        assert!(!buckets.is_limited(Direction::Out) && buckets.is_full(NOW));
        buckets.change(
            &Rates {
                bytes_out: rate(10),
                messages_in: rate(-1),
                ..Rates::UNLIMITED
            },
            NOW,
        );
        assert!(buckets.is_limited(Direction::Out) && !buckets.is_limited(Direction::In));
        assert_eq!(buckets.available(Direction::Out, NOW).bytes, 10);
        buckets.change(&Rates::UNLIMITED, NOW);
        assert!(!buckets.is_limited(Direction::Out));
    }
}
