//! Which usage the control plane knows, and which it has to be told.

use std::collections::BTreeMap;

use tollway_accounts::{HourlyUsage, MeterTotals, UsageRow};
use tollway_claims::PublicKey;
use tollway_proto::fleet;
use uuid::Uuid;

use super::journal::PastRow;

/// The usage of this boot, and that of earlier ones which nobody acknowledged.
///
/// One report is under way at a time: [`Self::poll_report`] gives none until
/// [`Self::handle_ack`] answered the last, or [`Self::handle_lost`] gave it up.
/// So an acknowledgement never covers something that was not stored.
#[derive(Debug)]
pub struct Ledger {
    boot: Uuid,
    current: HourlyUsage,
    /// Rows of this boot up to this sequence are stored elsewhere.
    acknowledged: u64,
    /// Of earlier boots; they do not change any more.
    past: BTreeMap<(Uuid, PublicKey, i64), MeterTotals>,
    under_way: Option<UnderWay>,
    last_report: u64,
}

#[derive(Debug)]
struct UnderWay {
    report: u64,
    covers: Covers,
}

#[derive(Debug)]
enum Covers {
    Past(Vec<(Uuid, PublicKey, i64)>),
    Current { sequence: u64 },
}

impl Ledger {
    /// Nothing used in this boot, and `past` still to be told.
    pub fn new(boot: Uuid, past: impl IntoIterator<Item = PastRow>) -> Self {
        let mut rows = BTreeMap::<_, MeterTotals>::new();
        for PastRow { boot, row } in past {
            let totals = rows.entry((boot, row.account, row.hour)).or_default();
            *totals = totals.greatest(&row.totals);
        }
        Self {
            boot,
            current: HourlyUsage::new(),
            acknowledged: 0,
            past: rows,
            under_way: None,
            last_report: 0,
        }
    }

    /// An account's totals since boot are `totals` at `now` (seconds since
    /// 1970). Returns the row that grew, for the journal.
    pub fn handle_sample(&mut self, account: PublicKey, now: i64, totals: MeterTotals) -> Option<UsageRow> {
        self.current.handle_sample(account, now, totals)
    }

    /// What to send next, if anything: first what earlier boots left.
    pub fn poll_report(&mut self, rows_max: usize) -> Option<fleet::UsageReport> {
        if self.under_way.is_some() {
            return None;
        }
        let (covers, rows) = if self.past.is_empty() {
            let report = self.current.changed_since(self.acknowledged, rows_max);
            let rows = report
                .rows
                .iter()
                .map(|row| message(self.boot, row))
                .collect::<Vec<_>>();
            (
                Covers::Current {
                    sequence: report.sequence,
                },
                rows,
            )
        } else {
            let told = self.past.iter().take(rows_max);
            let rows = told.clone().map(|(&(boot, account, hour), &totals)| {
                message(
                    boot,
                    &UsageRow {
                        account,
                        hour,
                        totals,
                    },
                )
            });
            (
                Covers::Past(told.clone().map(|(key, _)| *key).collect()),
                rows.collect(),
            )
        };
        if rows.is_empty() {
            return None;
        }
        self.last_report += 1;
        self.under_way = Some(UnderWay {
            report: self.last_report,
            covers,
        });
        Some(fleet::UsageReport {
            sequence: self.last_report,
            rows,
        })
    }

    /// Whether the next report is of an earlier boot, or has `rows_max` rows.
    pub fn has_backlog(&self, rows_max: usize) -> bool {
        !self.past.is_empty()
            || self.current.changed_since(self.acknowledged, rows_max).rows.len() >= rows_max
    }

    /// The control plane has stored the report with this sequence. True when
    /// rows were dropped that the journal need not keep either.
    /// `now` is seconds since 1970.
    pub fn handle_ack(&mut self, report: u64, now: i64) -> bool {
        let Some(under_way) = self.under_way.take_if(|under_way| under_way.report == report) else {
            // Of a report that was given up: what it covered is told again.
            return false;
        };
        match under_way.covers {
            Covers::Past(keys) => {
                for key in &keys {
                    self.past.remove(key);
                }
                self.past.is_empty()
            }
            Covers::Current { sequence } => {
                self.acknowledged = self.acknowledged.max(sequence);
                self.current.handle_ack(sequence, now);
                false
            }
        }
    }

    /// No acknowledgement will come for what is under way, if anything is.
    pub fn handle_lost(&mut self) {
        self.under_way = None;
    }

    /// Whether everything is stored elsewhere.
    pub fn is_acknowledged(&self) -> bool {
        self.past.is_empty() && self.acknowledged >= self.current.sequence()
    }

    /// Rows that are kept, for the journal: all that it must say.
    pub fn rows(&self) -> impl Iterator<Item = PastRow> + '_ {
        let past = self.past.iter().map(|(&(boot, account, hour), &totals)| PastRow {
            boot,
            row: UsageRow {
                account,
                hour,
                totals,
            },
        });
        past.chain(self.current.rows().map(|row| PastRow { boot: self.boot, row }))
    }

    /// How many rows are kept.
    pub fn len(&self) -> usize {
        self.past.len() + self.current.len()
    }

    /// Whether no row is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn message(boot: Uuid, row: &UsageRow) -> fleet::UsageRow {
    let totals = row.totals;
    fleet::UsageRow {
        boot_id: boot.to_string(),
        account: row.account.to_string(),
        hour_unix: row.hour,
        messages_in: totals.messages_in,
        bytes_in: totals.bytes_in,
        messages_out: totals.messages_out,
        bytes_out: totals.bytes_out,
        connections_opened: totals.connections_opened,
    }
}

#[cfg(test)]
mod tests {
    use tollway_claims::KeyKind;

    use super::*;

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

    fn past(boot: u128, number: u8, count: u64) -> PastRow {
        let row = UsageRow {
            account: account(number),
            hour: NOON,
            totals: messages(count),
        };
        PastRow {
            boot: Uuid::from_u128(boot),
            row,
        }
    }

    fn values(report: &fleet::UsageReport) -> Vec<(String, u64)> {
        report
            .rows
            .iter()
            .map(|row| (row.boot_id.clone(), row.messages_in))
            .collect()
    }

    #[test]
    fn rows_of_earlier_boots_are_told_first_with_their_greatest_value_until_acknowledged() {
        let now = Uuid::from_u128(9);
        let mut ledger = Ledger::new(now, [past(1, 1, 5), past(1, 1, 3), past(2, 1, 8)]);
        ledger.handle_sample(account(1), NOON, messages(1));

        let first = ledger.poll_report(1).unwrap();
        assert_eq!(values(&first), [(Uuid::from_u128(1).to_string(), 5)]);
        assert_eq!(ledger.poll_report(1), None, "one report at a time");
        assert!(ledger.has_backlog(1));
        ledger.handle_lost();
        let again = ledger.poll_report(1).unwrap();
        assert_eq!(
            (again.rows.clone(), again.sequence),
            (first.rows, first.sequence + 1)
        );

        assert!(
            !ledger.handle_ack(first.sequence, NOON),
            "an acknowledgement of what was given up"
        );
        assert_eq!(ledger.len(), 3);
        assert!(!ledger.handle_ack(again.sequence, NOON));
        let second = ledger.poll_report(1).unwrap();
        assert_eq!(values(&second), [(Uuid::from_u128(2).to_string(), 8)]);
        assert!(
            ledger.handle_ack(second.sequence, NOON),
            "now the journal can forget them"
        );

        assert!(!ledger.is_acknowledged());
        let third = ledger.poll_report(1).unwrap();
        assert_eq!(values(&third), [(now.to_string(), 1)]);
        ledger.handle_ack(third.sequence, NOON);
        assert!(ledger.is_acknowledged() && !ledger.has_backlog(1));
        assert_eq!(ledger.poll_report(1), None);
    }

    #[test]
    fn growth_while_a_report_is_under_way_is_told_in_the_next() {
        let mut ledger = Ledger::new(Uuid::from_u128(1), []);
        ledger.handle_sample(account(1), NOON, messages(1));
        let first = ledger.poll_report(100).unwrap();
        ledger.handle_sample(account(1), NOON, messages(4));
        ledger.handle_sample(account(2), NOON, messages(7));
        ledger.handle_ack(first.sequence, NOON);
        assert!(!ledger.is_acknowledged());
        let second = ledger.poll_report(100).unwrap();
        assert_eq!(
            second.rows.iter().map(|row| row.messages_in).collect::<Vec<_>>(),
            [4, 7]
        );
    }

    #[test]
    fn hours_that_are_long_over_are_dropped_when_acknowledged() {
        let mut ledger = Ledger::new(Uuid::from_u128(1), []);
        ledger.handle_sample(account(1), NOON, messages(1));
        ledger.handle_sample(account(1), NOON + 86_400, messages(2));
        assert_eq!(ledger.rows().count(), 2);
        let report = ledger.poll_report(100).unwrap();
        ledger.handle_ack(report.sequence, NOON + 86_400);
        assert_eq!(ledger.rows().count(), 1);
    }
}
