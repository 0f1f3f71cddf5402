//! How one receiver is sent no more than the rates allow that it shares with others.
//!
//! What is for it waits in front of it, in its order. When nothing is owed, it is sent what the
//! buckets hold, and when they hold little what they get in a [`QUANTUM`], at least one message.
//! That is taken from the buckets, and the debt that the receiver is told is its own: it is sent
//! nothing more before that is paid. So receivers that share a rate take turns, one quantum each,
//! and who has little waiting is not behind all that waits for others.
//!
//! Only what is sent is taken: what is thrown away because it would wait too long costs nothing.

use std::time::Duration;

use crate::rate_buckets::{Amount, Direction, RateBuckets};

/// How much is sent in one go when a bucket is empty: what comes in so long. Less would be a timer
/// for each message of a fast receiver; more would be felt as bursts.
pub const QUANTUM: Duration = Duration::from_millis(5);

/// How late a receiver may come for its next quantum and still get what came in the meantime. Timers
/// ring late, and a bucket with a small burst would be full before.
const LATE_MAX: Duration = Duration::from_millis(100);

/// Until when a receiver has to wait. Times are those of the buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryPace {
    paid_at: Duration,
    /// Somebody wanted to send before that, and has to.
    waits: bool,
}

impl DeliveryPace {
    /// A receiver that comes behind what is owed already, for so long at most: else who comes back
    /// again and again would never have to wait.
    pub fn behind<'b>(
        payers: impl IntoIterator<Item = &'b RateBuckets>,
        longest: Duration,
        now: Duration,
    ) -> Self {
        Self {
            paid_at: now + debt(payers, now).min(longest),
            waits: false,
        }
    }

    /// How much may be sent now of what these pay for; none while something is owed. One message may
    /// be sent even if it is more.
    pub fn poll_send<'b>(
        &mut self,
        payers: impl IntoIterator<Item = &'b RateBuckets>,
        now: Duration,
    ) -> Option<Amount> {
        if now < self.paid_at {
            self.waits = true;
            return None;
        }
        let now = self.due(now);
        let held = |buckets: &RateBuckets| {
            let quantum = buckets.amount_in(Direction::Out, QUANTUM);
            buckets.available(Direction::Out, now).max(quantum)
        };
        let all = payers.into_iter().map(held);
        Some(all.fold(Amount::UNLIMITED, Amount::min))
    }

    /// So much is being sent, and these pay for it.
    pub fn handle_sent<'b>(
        &mut self,
        payers: impl IntoIterator<Item = &'b RateBuckets>,
        sent: Amount,
        now: Duration,
    ) {
        let due = self.due(now);
        let debts = payers
            .into_iter()
            .map(|buckets| buckets.take(Direction::Out, sent, due));
        let debt = debts.max().unwrap_or_default();
        self.paid_at = self.paid_at.max(due.saturating_add(debt));
        self.waits &= self.paid_at <= now;
    }

    /// The rates changed, or who pays: all that is owed is now what these say at most.
    pub fn handle_change<'b>(&mut self, payers: impl IntoIterator<Item = &'b RateBuckets>, now: Duration) {
        let latest = now.saturating_add(debt(payers, now));
        self.paid_at = self.paid_at.min(latest);
    }

    /// When it should have come that comes now.
    fn due(&self, now: Duration) -> Duration {
        if self.waits && now.saturating_sub(self.paid_at) <= LATE_MAX {
            self.paid_at
        } else {
            now
        }
    }

    /// When [`Self::poll_send`] allows something again.
    pub fn poll_timeout(&self) -> Duration {
        self.paid_at
    }

    /// How long it takes until `waiting` is sent, if nobody else is sent anything meanwhile.
    pub fn wait(&self, payer: &RateBuckets, waiting: Amount, now: Duration) -> Duration {
        let owed = self.paid_at.saturating_sub(now);
        let later = waiting.saturating_sub(payer.available(Direction::Out, now));
        owed.saturating_add(payer.time_for(Direction::Out, later))
    }

    /// How much more may wait, behind what waits, so that all is sent within `time`.
    pub fn room(&self, payer: &RateBuckets, waiting: Amount, time: Duration, now: Duration) -> Amount {
        let left = time.saturating_sub(self.paid_at.saturating_sub(now));
        let comes = payer.amount_in(Direction::Out, left);
        let held = payer.available(Direction::Out, now);
        comes.saturating_add(held).saturating_sub(waiting)
    }
}

fn debt<'b>(payers: impl IntoIterator<Item = &'b RateBuckets>, now: Duration) -> Duration {
    let debts = payers
        .into_iter()
        .map(|buckets| buckets.debt(Direction::Out, now));
    debts.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tollway_claims::{RateLimit, Rates};

    use super::*;

    const START: Duration = Duration::from_secs(50);

    fn out(messages: i64, burst: i64) -> RateBuckets {
        RateBuckets::new(&Rates {
            messages_out: RateLimit::new(messages, Some(burst)).ok(),
            ..Rates::UNLIMITED
        })
    }

    fn some(messages: u64) -> Amount {
        Amount {
            messages,
            bytes: messages * 10,
        }
    }

    /// Receivers that always have something waiting, and what each was sent in so long. Timers ring
    /// late now and then.
    fn run(payers: &[Vec<&RateBuckets>], time: Duration) -> Vec<u64> {
        let mut receivers = vec![(DeliveryPace::default(), 0); payers.len()];
        let mut now = START;
        let mut late = 7;
        while now < START + time {
            for ((pace, sent), payers) in receivers.iter_mut().zip(payers) {
                while let Some(amount) = pace.poll_send(payers.iter().copied(), now) {
                    let messages = amount.messages.max(1);
                    pace.handle_sent(payers.iter().copied(), some(messages), now);
                    *sent += messages;
                }
            }
            let next = receivers.iter().map(|(pace, _)| pace.poll_timeout()).min();
            late = late * 31 % 1009;
            now = next.expect("there are some").max(now) + Duration::from_micros(late);
        }
        receivers.into_iter().map(|(_, sent)| sent).collect()
    }

    #[test]
    fn rate_is_kept_within_a_percent_at_every_size_and_whatever_the_burst() {
        for per_second in [1, 7, 100, 10_000, 5_000_000] {
            for burst in [1, per_second, per_second * 3] {
                let bucket = out(per_second, burst);
                let sent = run(&[vec![&bucket]], Duration::from_secs(100))[0];
                let expected = (per_second * 100 + burst) as u64;
                assert!(
                    sent.abs_diff(expected) <= expected / 100 + 2,
                    "{sent} at {per_second}/s with {burst} at once"
                );
            }
        }
    }

    #[test]
    fn who_was_late_gets_what_came_meanwhile_and_who_did_not_wait_gets_the_burst() {
        let ms = Duration::from_millis;
        for (waits, expected) in [(true, 3), (false, 2)] {
            let bucket = out(100, 1);
            let mut pace = DeliveryPace::default();
            pace.handle_sent([&bucket], some(2), START);
            if waits {
                assert_eq!(pace.poll_send([&bucket], START + ms(5)), None);
            }
            // Paid after 10 ms, and now it is 20 ms later.
            let now = START + ms(30);
            let mut sent = 0;
            while pace.poll_send([&bucket], now).is_some() {
                pace.handle_sent([&bucket], some(1), now);
                sent += 1;
            }
            assert_eq!(sent, expected, "who waits gets what was due at 10, 20 and 30 ms");
        }
    }

    #[test]
    fn receivers_that_share_a_rate_share_it_evenly() {
        let bucket = out(1000, 1);
        let sent = run(&vec![vec![&bucket]; 4], Duration::from_secs(100));
        assert_eq!(sent.iter().sum::<u64>().abs_diff(100_000) / 1000, 0, "{sent:?}");
        assert!(sent.iter().all(|sent| sent.abs_diff(25_000) < 300), "{sent:?}");
    }

    #[test]
    fn slower_of_two_rates_decides_and_leaves_the_rest_of_the_other_to_others() {
        let (account, user) = (out(1000, 1), out(100, 1));
        let sent = run(&[vec![&account, &user], vec![&account]], Duration::from_secs(100));
        assert!(sent[0].abs_diff(10_000) < 200, "{sent:?}");
        assert!(sent[1].abs_diff(90_000) < 1000, "{sent:?}");
    }

    #[test]
    fn message_that_is_worth_more_is_sent_and_waited_for() {
        let bucket = RateBuckets::new(&Rates {
            bytes_out: RateLimit::new(1000, None).ok(),
            ..Rates::UNLIMITED
        });
        let mut pace = DeliveryPace::default();
        let long = Amount {
            messages: 1,
            bytes: 5000,
        };
        assert_eq!(
            pace.poll_send([&bucket], START).map(|amount| amount.bytes),
            Some(1000)
        );
        pace.handle_sent([&bucket], long, START);
        assert_eq!(pace.poll_timeout(), START + Duration::from_secs(4));
        assert_eq!(pace.poll_send([&bucket], START + Duration::from_secs(3)), None);
        assert_eq!(
            pace.wait(&bucket, some(100), START + Duration::from_secs(3)),
            Duration::from_secs(2),
            "a second is owed, and a second's worth waits"
        );
        // Who comes back is behind the same debt.
        let again = DeliveryPace::behind([&bucket], Duration::MAX, START + Duration::from_secs(3));
        assert_eq!(again.poll_timeout(), START + Duration::from_secs(4));
        let sooner = DeliveryPace::behind([&bucket], Duration::from_millis(1), START);
        assert_eq!(sooner.poll_timeout(), START + Duration::from_millis(1));
    }

    #[test]
    fn room_is_what_can_be_sent_in_time() {
        let bucket = out(100, 50);
        let pace = DeliveryPace::default();
        let second = Duration::from_secs(1);
        assert_eq!(pace.room(&bucket, some(0), second, START).messages, 150);
        assert_eq!(pace.room(&bucket, some(120), second, START).messages, 30);
        assert_eq!(pace.room(&bucket, some(200), second, START).messages, 0);
        assert_eq!(pace.wait(&bucket, some(150), START), second);
        assert_eq!(pace.wait(&bucket, some(50), START), Duration::ZERO);
    }

    #[test]
    fn higher_rate_ends_the_wait_earlier_and_never_later() {
        let bucket = out(10, 10);
        let mut pace = DeliveryPace::default();
        pace.handle_sent([&bucket], some(30), START);
        assert_eq!(pace.poll_timeout(), START + Duration::from_secs(2));
        bucket.change(
            &Rates {
                messages_out: RateLimit::new(100, None).ok(),
                ..Rates::UNLIMITED
            },
            START,
        );
        pace.handle_change([&bucket], START);
        assert_eq!(pace.poll_timeout(), START + Duration::from_millis(200));
        pace.handle_change([], START);
        assert!(
            pace.poll_send([], START).is_some(),
            "without a rate nothing is owed"
        );
    }
}
