//! How numbers and times are written on pages.
//!
//! Times are UTC everywhere: the console, the API and the logs then name the
//! same hour, whoever compares them.

use std::fmt;

use time::OffsetDateTime;

/// A whole number with its thousands apart: `1,204,511`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A number for where there is little room: exact below 10,000, then three
/// digits and a letter: `48.2k`, `1.20M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compact(pub u64);

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 10_000 {
            return Count(self.0).fmt(f);
        }
        scaled(f, self.0, 1000.0, &["", "k", "M", "G", "T", "P", "E"], "")
    }
}

/// An amount of bytes: `512 B`, `1.50 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        scaled(
            f,
            self.0,
            1024.0,
            &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"],
            " ",
        )
    }
}

fn scaled(f: &mut fmt::Formatter<'_>, value: u64, base: f64, units: &[&str], separator: &str) -> fmt::Result {
    let mut scaled = value as f64;
    let mut unit = 0;
    // 999.5 would be written as 1000 of the smaller unit.
    while scaled >= base.min(999.5) && unit + 1 < units.len() {
        scaled /= base;
        unit += 1;
    }
    let decimals = if scaled < 9.995 {
        2
    } else if scaled < 99.95 {
        1
    } else {
        0
    };
    write!(f, "{scaled:.decimals$}{separator}{}", units[unit])
}

/// A total that an account is granted; -1 is written as `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub i64);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0) {
            Ok(limit) => Count(limit).fmt(f),
            Err(_) => f.write_str("unlimited"),
        }
    }
}

/// A limit in bytes; -1 is written as `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteLimit(pub i64);

impl fmt::Display for ByteLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0) {
            Ok(limit) => Bytes(limit).fmt(f),
            Err(_) => f.write_str("unlimited"),
        }
    }
}

/// A point in time as seen from another one: near ones in words, far ones as
/// a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The point in time.
    pub at: OffsetDateTime,
    /// When the page was made.
    pub now: OffsetDateTime,
}

impl Moment {
    /// The form for `datetime` attributes: `2026-11-21T09:30:00Z`.
    pub fn iso(&self) -> String {
        let at = self.at.to_offset(time::UtcOffset::UTC);
        format!(
            "{}-{:02}-{:02}T{}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            Clock(at)
        )
    }

    /// Date and time in full: `21 November 2026, 09:30:00 UTC`.
    pub fn full(&self) -> String {
        let at = self.at.to_offset(time::UtcOffset::UTC);
        format!("{} {} {}, {} UTC", at.day(), at.month(), at.year(), Clock(at))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = (self.now - self.at).whole_seconds();
        let (distance, ahead) = (seconds.unsigned_abs(), seconds < 0);
        let words = match distance {
            0..60 if ahead => "in under a minute".to_owned(),
            0..60 => "just now".to_owned(),
            60..3600 => relative(distance / 60, "min", ahead),
            3600..86_400 => relative(distance / 3600, "h", ahead),
            86_400..1_209_600 => {
                let days = distance / 86_400;
                relative(days, if days == 1 { "day" } else { "days" }, ahead)
            }
            _ => {
                let at = self.at.to_offset(time::UtcOffset::UTC);
                let month = at.month().to_string();
                format!("{} {} {}", at.day(), &month[..3], at.year())
            }
        };
        f.write_str(&words)
    }
}

fn relative(amount: u64, unit: &str, ahead: bool) -> String {
    if ahead {
        format!("in {amount} {unit}")
    } else {
        format!("{amount} {unit} ago")
    }
}

/// The time of day, to the second: `09:30:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock(pub OffsetDateTime);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.0.to_offset(time::UtcOffset::UTC).to_hms();
        write!(f, "{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let written: Vec<String> = [0, 7, 999, 1000, 12_345, 1_204_511]
            .map(|n| Count(n).to_string())
            .into();
        assert_eq!(written, ["0", "7", "999", "1,000", "12,345", "1,204,511"]);
    }

    #[test]
    fn compact_numbers_keep_three_digits_and_never_say_1000k() {
        let written: Vec<String> = [9_999, 10_000, 48_230, 999_499, 999_500, 1_204_511, u64::MAX]
            .map(|n| Compact(n).to_string())
            .into();
        assert_eq!(
            written,
            ["9,999", "10.0k", "48.2k", "999k", "1.00M", "1.20M", "18.4E"]
        );
    }

    #[test]
    fn bytes_use_binary_units() {
        let written: Vec<String> = [0, 1023, 1024, 1_048_576, 1_572_864, 1_048_575]
            .map(|n| Bytes(n).to_string())
            .into();
        assert_eq!(
            written,
            ["0 B", "1023 B", "1.00 KiB", "1.00 MiB", "1.50 MiB", "1.00 MiB"]
        );
    }

    #[test]
    fn a_limit_of_minus_one_is_unlimited() {
        assert_eq!(Limit(-1).to_string(), "unlimited");
        assert_eq!(Limit(1000).to_string(), "1,000");
        assert_eq!(ByteLimit(-1).to_string(), "unlimited");
        assert_eq!(ByteLimit(1_048_576).to_string(), "1.00 MiB");
    }

    #[test]
    fn near_moments_are_words_and_far_ones_dates() {
        let now = datetime!(2026-11-21 09:30:00 UTC);
        let say = |at| Moment { at, now }.to_string();
        assert_eq!(say(datetime!(2026-11-21 09:29:50 UTC)), "just now");
        assert_eq!(say(datetime!(2026-11-21 09:12:00 UTC)), "18 min ago");
        assert_eq!(say(datetime!(2026-11-21 04:12:00 UTC)), "5 h ago");
        assert_eq!(say(datetime!(2026-11-20 04:12:00 UTC)), "1 day ago");
        assert_eq!(say(datetime!(2026-10-02 04:12:00 UTC)), "2 Oct 2026");
        assert_eq!(say(datetime!(2026-11-21 09:30:20 UTC)), "in under a minute");
        assert_eq!(say(datetime!(2026-11-28 09:30:00 UTC)), "in 7 days");
    }

    #[test]
    fn other_offsets_are_written_in_utc() {
        let at = datetime!(2026-11-21 00:30:05 +02:00);
        let moment = Moment { at, now: at };
        assert_eq!(moment.iso(), "2026-11-20T22:30:05Z");
        assert_eq!(moment.full(), "20 November 2026, 22:30:05 UTC");
    }
}
