//! Usage as pages show it: one value for every hour of a day, also for the
//! hours in which nothing was counted.

use time::{Duration, OffsetDateTime};

/// How many hours a [`UsageDay`] holds.
pub const HOURS: usize = 24;

/// What was counted in one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages accepted from the account's clients.
    pub messages_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages written towards the account's clients.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Connections opened.
    pub connections_opened: u64,
}

impl Usage {
    /// The sum, which stops at the largest number rather than wrapping.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            messages_in: self.messages_in.saturating_add(other.messages_in),
            bytes_in: self.bytes_in.saturating_add(other.bytes_in),
            messages_out: self.messages_out.saturating_add(other.messages_out),
            bytes_out: self.bytes_out.saturating_add(other.bytes_out),
            connections_opened: self.connections_opened.saturating_add(other.connections_opened),
        }
    }

    /// Messages in both directions.
    pub fn messages(&self) -> u64 {
        self.messages_in.saturating_add(self.messages_out)
    }
}

/// The last 24 hours, oldest first; the last one is still running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDay {
    start: OffsetDateTime,
    hours: [Usage; HOURS],
}

impl UsageDay {
    /// The day that ends with the hour of `now`. Hours that `counted` does not
    /// name are empty; those outside the day are left out; an hour that is
    /// named twice is added up.
    pub fn new(now: OffsetDateTime, counted: impl IntoIterator<Item = (OffsetDateTime, Usage)>) -> UsageDay {
        let running = hour_of(now);
        let start = running - Duration::hours(HOURS as i64 - 1);
        let mut hours = [Usage::default(); HOURS];
        for (at, usage) in counted {
            let index = (hour_of(at) - start).whole_hours();
            if let Some(hour) = usize::try_from(index).ok().and_then(|index| hours.get_mut(index)) {
                *hour = hour.plus(usage);
            }
        }
        UsageDay { start, hours }
    }

    /// The hours with their beginnings, oldest first.
    pub fn hours(&self) -> impl DoubleEndedIterator<Item = (OffsetDateTime, &Usage)> {
        self.hours
            .iter()
            .enumerate()
            .map(|(index, usage)| (self.start + Duration::hours(index as i64), usage))
    }

    /// The hour that is still running.
    pub fn running(&self) -> &Usage {
        &self.hours[HOURS - 1]
    }

    /// All hours together.
    pub fn total(&self) -> Usage {
        self.hours.iter().copied().fold(Usage::default(), Usage::plus)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.hours.iter().all(|usage| *usage == Usage::default())
    }

    /// Adds the hours of another account. Both days must end with the same hour.
    pub fn add(&mut self, other: &UsageDay) {
        debug_assert_eq!(self.start, other.start, "days of one page end with the same hour");
        for (hour, more) in self.hours.iter_mut().zip(&other.hours) {
            *hour = hour.plus(*more);
        }
    }
}

/// The beginning of the hour in which `at` lies, in UTC.
fn hour_of(at: OffsetDateTime) -> OffsetDateTime {
    let seconds = at.unix_timestamp();
    OffsetDateTime::from_unix_timestamp(seconds - seconds.rem_euclid(3600))
        .expect("an hour begins in the range of the time it was taken from")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn messages(messages_in: u64) -> Usage {
        Usage {
            messages_in,
            ..Usage::default()
        }
    }

    #[test]
    fn a_day_has_24_hours_whatever_was_counted() {
        let now = datetime!(2026-11-21 09:30:00 UTC);
        let day = UsageDay::new(
            now,
            [
                (datetime!(2026-11-20 09:00 UTC), messages(1)), // a day and half an hour ago: outside
                (datetime!(2026-11-20 10:00 UTC), messages(2)),
                (datetime!(2026-11-21 09:00 UTC), messages(3)),
                (datetime!(2026-11-21 09:00 UTC), messages(4)),
                (datetime!(2026-11-21 10:00 UTC), messages(5)), // a clock that is ahead
            ],
        );
        let hours: Vec<_> = day.hours().collect();
        assert_eq!(hours.len(), HOURS);
        assert_eq!(hours[0], (datetime!(2026-11-20 10:00 UTC), &messages(2)));
        assert_eq!(hours[23], (datetime!(2026-11-21 09:00 UTC), &messages(7)));
        assert_eq!(day.total(), messages(9));
        assert_eq!(day.running(), &messages(7));
    }

    #[test]
    fn days_of_accounts_add_up_by_hour() {
        let now = datetime!(2026-11-21 09:30:00 UTC);
        let mut all = UsageDay::new(now, []);
        assert!(all.is_empty());
        all.add(&UsageDay::new(now, [(now, messages(3))]));
        all.add(&UsageDay::new(now, [(now, messages(u64::MAX))]));
        assert_eq!(all.running().messages_in, u64::MAX);
    }
}
