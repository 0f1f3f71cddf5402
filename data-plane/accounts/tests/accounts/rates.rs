//! A rate is kept over every stretch of time, whoever takes and in whatever order.

use std::time::Duration;

use proptest::prelude::*;
use tollway_accounts::{DEBT_MAX, Rate, TokenBucket};

const START: Duration = Duration::from_secs(1_000_000);

fn rates() -> impl Strategy<Value = Rate> {
    let numbers = prop_oneof![1..10_u64, 10..100_000_u64, 1_000_000..1_u64 << 40];
    (numbers, 1..1000_u64, 1..100_u64).prop_map(|(per_second, times, parts)| Rate {
        per_second: per_second.try_into().unwrap(),
        burst: (per_second * times / parts).max(1).try_into().unwrap(),
    })
}

/// What a nanosecond of rounding is worth.
fn rounding(rate: Rate) -> u128 {
    u128::from(rate.per_second.get()) / 1_000_000_000 + 1
}

/// What the rate allows between two moments.
fn allowed(rate: Rate, time: Duration) -> u128 {
    let per_second = u128::from(rate.per_second.get());
    per_second * time.as_nanos() / 1_000_000_000 + u128::from(rate.burst.get()) + rounding(rate)
}

/// In no stretch from one of these moments to another more was taken than the rate allows, beside
/// `excess`.
fn check_every_window(rate: Rate, taken: &[(Duration, u64)], excess: u128) -> Result<(), TestCaseError> {
    for (first, &(from, _)) in taken.iter().enumerate() {
        let mut sum = 0;
        for &(until, amount) in &taken[first..] {
            sum += u128::from(amount);
            let most = allowed(rate, until.saturating_sub(from)) + excess;
            prop_assert!(
                sum <= most,
                "{sum} of {most} from {from:?} to {until:?} at {rate:?}"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn who_takes_only_what_is_there_keeps_the_rate_in_every_window(
        rate in rates(),
        steps in proptest::collection::vec((0..3_000_000_000_u64, 0..=100_u64), 1..60),
    ) {
        let bucket = TokenBucket::new(Some(rate));
        let mut now = START;
        let mut taken = Vec::new();
        for (wait, percent) in steps {
            now += Duration::from_nanos(wait);
            let amount = (u128::from(bucket.available(now)) * u128::from(percent) / 100) as u64;
            prop_assert!(u128::from(amount) <= u128::from(rate.burst.get()) + rounding(rate));
            prop_assert_eq!(bucket.take(amount, now), Duration::ZERO);
            taken.push((now, amount));
        }
        check_every_window(rate, &taken, 0)?;
    }

    /// The node's connections: each takes what it happened to read, and waits until its own debt is
    /// paid. Then only what each took last can be too much.
    #[test]
    fn takers_that_wait_out_their_debts_keep_the_rate_but_for_one_amount_each(
        rate in rates(),
        takers in 1..5_usize,
        amounts in proptest::collection::vec((1..=200_u64, any::<u8>()), 1..80),
    ) {
        let bucket = TokenBucket::new(Some(rate));
        let mut free_at = vec![START; takers];
        let mut largest = vec![0; takers];
        let mut taken = Vec::new();
        for (percent, taker) in amounts {
            let taker = usize::from(taker) % takers;
            let now = free_at[taker].max(taken.last().map_or(START, |&(at, _)| at));
            let amount = (u128::from(rate.burst.get()) * u128::from(percent) / 100) as u64;
            // More than an hour's worth is forgiven in part, and the rate with it.
            prop_assume!(amount / rate.per_second.get() * (takers as u64 + 1) < DEBT_MAX.as_secs());
            free_at[taker] = now + bucket.take(amount, now);
            largest[taker] = u128::from(amount).max(largest[taker]);
            taken.push((now, amount));
        }
        check_every_window(rate, &taken, largest.iter().sum())?;
    }

    #[test]
    fn debt_is_bounded_and_what_is_there_never_more_than_the_burst_however_clocks_run(
        rate in rates(),
        steps in proptest::collection::vec((0..10_000_000_000_u64, any::<u64>(), proptest::option::of(rates())), 1..60),
    ) {
        let bucket = TokenBucket::new(Some(rate));
        let mut in_force = rate;
        for (now, amount, change) in steps {
            // Not in order: threads look at their clocks and take later.
            let now = START + Duration::from_nanos(now);
            let latest = START + Duration::from_secs(10);
            if let Some(rate) = change {
                bucket.change(Some(rate), now);
                in_force = rate;
            }
            let debt = bucket.take(amount, now);
            prop_assert!(debt <= DEBT_MAX + Duration::from_secs(20), "{debt:?}");
            let most = u128::from(in_force.burst.get()) + rounding(in_force);
            prop_assert!(u128::from(bucket.available(latest)) <= most);
            prop_assert_eq!(bucket.debt(now), debt);
            prop_assert_eq!(bucket.debt(now + debt), Duration::ZERO);
        }
    }

    #[test]
    fn clocks_that_lag_behind_give_no_more_than_the_longest_lag_is_worth(
        rate in rates(),
        steps in proptest::collection::vec((0..3_000_000_000_u64, 0..1_000_000_000_u64), 1..60),
    ) {
        let bucket = TokenBucket::new(Some(rate));
        let mut now = START;
        let mut taken = Vec::new();
        for (wait, lag) in steps {
            now += Duration::from_nanos(wait);
            let seen = now - Duration::from_nanos(lag);
            let amount = bucket.available(seen);
            bucket.take(amount, seen);
            taken.push((now, amount));
        }
        check_every_window(rate, &taken, u128::from(rate.per_second.get()))?;
    }

    #[test]
    fn change_of_the_rate_neither_gives_nor_takes_what_is_held(
        before in rates(),
        after in rates(),
        percent in 0..=300_u64,
    ) {
        let bucket = TokenBucket::new(Some(before));
        let amount = (u128::from(before.burst.get()) * u128::from(percent) / 100) as u64;
        prop_assume!(amount / before.per_second.get() < DEBT_MAX.as_secs());
        bucket.take(amount, START);
        let held = bucket.available(START);
        let owed = amount.saturating_sub(before.burst.get());
        prop_assume!(owed / after.per_second.get() < DEBT_MAX.as_secs());
        bucket.change(Some(after), START);
        let rounding = 2 * rounding(before).max(rounding(after));
        let expected = u128::from(held.min(after.burst.get()));
        prop_assert!(u128::from(bucket.available(START)).abs_diff(expected) <= rounding);
        let owed_now = bucket.debt(START).as_nanos() * u128::from(after.per_second.get()) / 1_000_000_000;
        prop_assert!(owed_now.abs_diff(u128::from(owed)) <= rounding, "{owed_now} of {owed}");
    }
}

#[test]
fn threads_that_take_at_once_lose_nothing() {
    let bucket = TokenBucket::new(Some(Rate {
        per_second: 1_000_000.try_into().unwrap(),
        burst: 1_000.try_into().unwrap(),
    }));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for amount in 0..2_000 {
                    bucket.take(amount % 7, START);
                }
            });
        }
    });
    let all: u64 = 4 * (0..2_000).map(|amount| amount % 7).sum::<u64>();
    assert_eq!(bucket.debt(START), Duration::from_micros(all - 1_000));
}
