//! Growth of counters, spread over the hours of a clock that may jump.

use std::collections::{BTreeMap, HashMap};

use tollway_claims::PublicKey;

use crate::meters::MeterTotals;

/// The length of the windows that usage is told in.
pub const HOUR_SECONDS: i64 = 3600;

/// How many hours a row is kept after its hour, although it was acknowledged.
/// A clock that is set back by less than this finds the row it left.
pub const HOURS_SETTLING: i64 = 2;

/// The start of the hour that a time lies in; both are seconds since 1970.
pub fn hour_of(now: i64) -> i64 {
    now.saturating_sub(now.rem_euclid(HOUR_SECONDS))
}

/// What one account used in one hour, so far, in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRow {
    /// The account.
    pub account: PublicKey,
    /// Start of the hour, seconds since 1970.
    pub hour: i64,
    /// Cumulative: a later row of the same account and hour replaces this one.
    pub totals: MeterTotals,
}

/// Rows to send, and how to acknowledge them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// What to hand to [`HourlyUsage::handle_ack`], and to ask on from.
    pub sequence: u64,
    /// Oldest change first; each account and hour at most once.
    pub rows: Vec<UsageRow>,
}

/// Usage of all accounts of a node by hour, since it booted.
///
/// Drive it with [`Self::handle_sample`] for each account every so often, read
/// [`Self::changed_since`] to report, and tell [`Self::handle_ack`] what has
/// been stored elsewhere. It keeps true, whatever the clock does:
///
/// - the rows that were ever made add up to the totals that were shown,
/// - the totals of an (account, hour) never shrink, not even when the row was
///   dropped: growth that a clock set far back would put into a dropped hour
///   goes to the first hour after it.
///
/// `by_change` holds each row of `accounts` once, under the sequence of its latest change.
#[derive(Debug, Default)]
pub struct HourlyUsage {
    accounts: HashMap<PublicKey, AccountUsage>,
    by_change: BTreeMap<u64, (PublicKey, i64)>,
    sequence: u64,
}

#[derive(Debug, Default)]
struct AccountUsage {
    /// The totals of the last sample.
    seen: MeterTotals,
    /// The rows that are kept, by hour.
    rows: BTreeMap<i64, Row>,
    /// The latest hour whose row was dropped: from there back nothing is counted any more.
    dropped: Option<i64>,
}

#[derive(Debug, Default)]
struct Row {
    totals: MeterTotals,
    changed: u64,
}

impl HourlyUsage {
    /// Nothing was used.
    pub fn new() -> Self {
        Self::default()
    }

    /// The account's totals since boot are `totals` at `now` (seconds since
    /// 1970). Returns the row that grew, for a journal; `None` when nothing was used.
    ///
    /// What happened since the last sample counts into the hour of `now`, so
    /// samples should be much closer together than an hour.
    pub fn handle_sample(&mut self, account: PublicKey, now: i64, totals: MeterTotals) -> Option<UsageRow> {
        let usage = self.accounts.entry(account).or_default();
        let growth = totals.since(&usage.seen);
        if growth == MeterTotals::ZERO {
            return None;
        }
        usage.seen = usage.seen.greatest(&totals);
        let first_open = usage
            .dropped
            .map_or(i64::MIN, |hour| hour.saturating_add(HOUR_SECONDS));
        let hour = hour_of(now).max(first_open);
        let row = usage.rows.entry(hour).or_default();
        row.totals.accumulate(&growth);
        self.by_change.remove(&row.changed);
        self.sequence += 1;
        row.changed = self.sequence;
        self.by_change.insert(self.sequence, (account, hour));
        Some(UsageRow {
            account,
            hour,
            totals: row.totals,
        })
    }

    /// The account's counters begin at zero again, because the account was
    /// taken away and came back. Take a last sample before it.
    pub fn handle_counters_restarted(&mut self, account: &PublicKey) {
        if let Some(usage) = self.accounts.get_mut(account) {
            usage.seen = MeterTotals::ZERO;
        }
    }

    /// Rows that changed after a report with this sequence (0 for all), at most `rows_max` of them.
    pub fn changed_since(&self, sequence: u64, rows_max: usize) -> UsageReport {
        let mut report = UsageReport {
            sequence,
            rows: Vec::new(),
        };
        for (&changed, &(account, hour)) in self.by_change.range(sequence.saturating_add(1)..).take(rows_max)
        {
            report.sequence = changed;
            report.rows.push(UsageRow {
                account,
                hour,
                totals: self.row(&account, hour).totals,
            });
        }
        report
    }

    /// Everything reported up to `sequence` is stored elsewhere. Rows among it
    /// whose hour is long over at `now` are dropped.
    pub fn handle_ack(&mut self, sequence: u64, now: i64) {
        let kept_from = hour_of(now).saturating_sub(HOURS_SETTLING * HOUR_SECONDS);
        let over: Vec<_> = self
            .by_change
            .range(..=sequence)
            .filter(|(_, (_, hour))| *hour < kept_from)
            .map(|(&changed, &(account, hour))| (changed, account, hour))
            .collect();
        for (changed, account, hour) in over {
            self.by_change.remove(&changed);
            let usage = self
                .accounts
                .get_mut(&account)
                .expect("both maps hold the same rows");
            usage.rows.remove(&hour);
            usage.dropped = usage.dropped.max(Some(hour));
        }
    }

    /// The sequence of the latest change; 0 when there was none.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// All rows that are kept, oldest change first.
    pub fn rows(&self) -> impl Iterator<Item = UsageRow> + '_ {
        self.by_change.values().map(|&(account, hour)| UsageRow {
            account,
            hour,
            totals: self.row(&account, hour).totals,
        })
    }

    /// How many rows are kept.
    pub fn len(&self) -> usize {
        self.by_change.len()
    }

    /// Whether no row is kept.
    pub fn is_empty(&self) -> bool {
        self.by_change.is_empty()
    }

    fn row(&self, account: &PublicKey, hour: i64) -> &Row {
        self.accounts
            .get(account)
            .and_then(|usage| usage.rows.get(&hour))
            .expect("both maps hold the same rows")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollway_claims::KeyKind;

    use super::*;

    /// An hour's start.
    const NOON: i64 = 1_800_000_000;

    fn account(number: u8) -> PublicKey {
        PublicKey::from_bytes(KeyKind::Account, [number; 32])
    }

    fn messages(messages_in: u64) -> MeterTotals {
        MeterTotals {
            messages_in,
            ..MeterTotals::ZERO
        }
    }

    #[test]
    fn hours_begin_at_whole_hours_before_and_after_1970() {
        for (now, hour) in [(0, 0), (3599, 0), (3600, 3600), (-1, -3600), (-3600, -3600)] {
            assert_eq!(hour_of(now), hour, "{now}");
        }
        // No time panics, not even one that no clock shows.
        hour_of(i64::MIN);
        hour_of(i64::MAX);
    }

    #[test]
    fn growth_counts_into_the_hour_of_its_sample() {
        let mut usage = HourlyUsage::new();
        usage.handle_sample(account(1), NOON + 3599, messages(5));
        let row = usage.handle_sample(account(1), NOON + 3600, messages(7)).unwrap();
        assert_eq!((row.hour, row.totals), (NOON + 3600, messages(2)));
        assert_eq!(usage.handle_sample(account(1), NOON + 3601, messages(7)), None);
    }

    #[test]
    fn report_names_each_row_once_with_its_latest_value() {
        let mut usage = HourlyUsage::new();
        usage.handle_sample(account(1), NOON, messages(1));
        usage.handle_sample(account(2), NOON, messages(1));
        usage.handle_sample(account(1), NOON, messages(9));

        let report = usage.changed_since(0, 100);
        let rows: Vec<_> = report
            .rows
            .iter()
            .map(|row| (row.account, row.totals.messages_in))
            .collect();
        assert_eq!(rows, [(account(2), 1), (account(1), 9)]);
        assert!(usage.changed_since(report.sequence, 100).rows.is_empty());

        usage.handle_sample(account(2), NOON, messages(4));
        let rows = usage.changed_since(report.sequence, 100).rows;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].totals, messages(4));
    }

    #[test]
    fn long_report_is_read_in_parts() {
        let mut usage = HourlyUsage::new();
        for number in 0..10 {
            usage.handle_sample(account(number), NOON, messages(1));
        }
        let (mut sequence, mut seen) = (0, Vec::new());
        loop {
            let part = usage.changed_since(sequence, 3);
            if part.rows.is_empty() {
                break;
            }
            assert!(part.rows.len() <= 3);
            seen.extend(part.rows.iter().map(|row| row.account));
            sequence = part.sequence;
        }
        assert_eq!(seen, (0..10).map(account).collect::<Vec<_>>());
    }

    #[test]
    fn row_is_dropped_only_when_acknowledged_as_it_is_and_settled() {
        let mut usage = HourlyUsage::new();
        usage.handle_sample(account(1), NOON, messages(1));
        let first = usage.sequence();
        usage.handle_sample(account(1), NOON + 1, messages(2));

        // The acknowledgement is about an older value of the row.
        usage.handle_ack(first, NOON + 100 * HOUR_SECONDS);
        assert_eq!(usage.len(), 1);
        // The hour may still be entered again by a clock that is set back.
        usage.handle_ack(usage.sequence(), NOON + HOURS_SETTLING * HOUR_SECONDS);
        assert_eq!(usage.len(), 1);
        usage.handle_ack(usage.sequence(), NOON + (HOURS_SETTLING + 1) * HOUR_SECONDS);
        assert!(usage.is_empty());
    }

    #[test]
    fn clock_set_back_into_a_dropped_hour_does_not_begin_it_anew() {
        let mut usage = HourlyUsage::new();
        usage.handle_sample(account(1), NOON, messages(10));
        usage.handle_ack(usage.sequence(), NOON + 10 * HOUR_SECONDS);
        let row = usage.handle_sample(account(1), NOON, messages(13)).unwrap();
        assert_eq!((row.hour, row.totals), (NOON + HOUR_SECONDS, messages(3)));
    }

    #[test]
    fn counters_that_begin_again_are_counted_from_zero() {
        let mut usage = HourlyUsage::new();
        usage.handle_sample(account(1), NOON, messages(10));
        usage.handle_counters_restarted(&account(1));
        let row = usage.handle_sample(account(1), NOON, messages(4)).unwrap();
        assert_eq!(row.totals, messages(14));
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// An account counts more and is sampled at a time.
        Sample { account: u8, growth: [u8; 5], now: i64 },
        /// A report is made; whether it is acknowledged is up to the network.
        Report { rows_max: usize, acked: bool, now: i64 },
    }

    fn times() -> impl Strategy<Value = i64> {
        // Mostly hours near each other, sometimes a clock gone mad.
        prop_oneof![
            8 => (0..12 * HOUR_SECONDS).prop_map(|offset| NOON + offset),
            1 => Just(i64::MIN),
            1 => Just(i64::MAX),
            1 => any::<i64>(),
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let sample = (0u8..3, any::<[u8; 5]>(), times()).prop_map(|(account, growth, now)| Step::Sample {
            account,
            growth,
            now,
        });
        let report = (1usize..6, any::<bool>(), times()).prop_map(|(rows_max, acked, now)| Step::Report {
            rows_max,
            acked,
            now,
        });
        proptest::collection::vec(prop_oneof![3 => sample, 1 => report], 1..120)
    }

    proptest! {
        /// Whatever the clock does, whatever is lost: a ledger that keeps the
        /// greatest value of each row ends with exactly what was counted, and
        /// no row that is ever shown is smaller than it was before.
        #[test]
        fn ledger_of_greatest_values_equals_the_counters(steps in steps()) {
            let mut usage = HourlyUsage::new();
            let mut counters: HashMap<PublicKey, MeterTotals> = HashMap::new();
            let mut ledger: HashMap<(PublicKey, i64), MeterTotals> = HashMap::new();
            let mut acked = 0;
            for step in steps {
                match step {
                    Step::Sample { account: number, growth: [a, b, c, d, e], now } => {
                        let counter = counters.entry(account(number)).or_default();
                        counter.accumulate(&MeterTotals {
                            messages_in: a.into(),
                            bytes_in: b.into(),
                            messages_out: c.into(),
                            bytes_out: d.into(),
                            connections_opened: e.into(),
                        });
                        let row = usage.handle_sample(account(number), now, *counter);
                        prop_assert_eq!(row.is_some(), [a, b, c, d, e] != [0; 5]);
                    }
                    Step::Report { rows_max, acked: arrives, now } => {
                        let report = usage.changed_since(acked, rows_max);
                        if arrives {
                            store(&mut ledger, &report.rows)?;
                            acked = report.sequence;
                            usage.handle_ack(acked, now);
                        }
                    }
                }
            }
            store(&mut ledger, &usage.changed_since(acked, usize::MAX).rows)?;
            for (account, counter) in counters {
                let mut sum = MeterTotals::ZERO;
                ledger.iter().filter(|((owner, _), _)| *owner == account).for_each(|(_, row)| sum.accumulate(row));
                prop_assert_eq!(sum, counter);
            }
        }
    }

    /// What Postgres does with a report, plus the check that no value went down.
    fn store(
        ledger: &mut HashMap<(PublicKey, i64), MeterTotals>,
        rows: &[UsageRow],
    ) -> Result<(), TestCaseError> {
        for row in rows {
            let stored = ledger.entry((row.account, row.hour)).or_default();
            prop_assert_eq!(row.totals.greatest(stored), row.totals, "a row went down");
            *stored = row.totals;
        }
        Ok(())
    }
}
