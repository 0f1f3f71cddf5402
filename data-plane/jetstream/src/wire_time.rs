//! Moments as the API writes them.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::json::quoted;

/// A moment between the years 0 and 9999, and how far from UTC its writer was.
///
/// Two moments are equal when they are the same moment, wherever they were written.
#[derive(Debug, Clone, Copy)]
pub struct WireTime {
    /// Since 1970, negative before.
    seconds: i64,
    nanos: u32,
    /// What has to be added to UTC, in seconds.
    offset: i32,
}

const DAY_SECONDS: i64 = 86_400;
const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";

impl WireTime {
    /// The first moment of the year 1, which stands for "never".
    pub const NEVER: Self = Self {
        seconds: -62_135_596_800,
        nanos: 0,
        offset: 0,
    };

    /// A moment in UTC, in nanoseconds since 1970.
    pub fn from_unix_nanos(nanos: i64) -> Self {
        Self {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).expect("it is below a second"),
            offset: 0,
        }
    }

    /// Nanoseconds since 1970; the nearest there is for moments that are further away than 292 years.
    pub fn unix_nanos(self) -> i64 {
        let nanos = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos);
        let nearest = nanos.clamp(i64::MIN.into(), i64::MAX.into());
        i64::try_from(nearest).expect("it was brought into the range")
    }

    /// The same moment, written in UTC.
    #[must_use]
    pub fn utc(self) -> Self {
        Self { offset: 0, ..self }
    }

    /// Whether this is [`Self::NEVER`].
    pub fn is_never(&self) -> bool {
        *self == Self::NEVER
    }

    /// Reads `2026-11-21T22:00:00.5+01:00`. The text of the refusal is that of stock servers.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = Rest { text, at: 0 };
        let year = rest.digits(4, "2006")?;
        rest.literal("-")?;
        let month = rest.ranged(2, "01", 1..=12, "month")?;
        rest.literal("-")?;
        let day = rest.digits(2, "02")?;
        rest.literal("T")?;
        let hour = rest.ranged(2, "15", 0..=23, "hour")?;
        rest.literal(":")?;
        let minute = rest.ranged(2, "04", 0..=59, "minute")?;
        rest.literal(":")?;
        let second = rest.ranged(2, "05", 0..=59, "second")?;
        let nanos = rest.fraction();
        let offset = rest.offset()?;
        if rest.at != text.len() {
            return Err(format!(
                "parsing time {}: extra text: {}",
                quoted(text),
                quoted(&text[rest.at..])
            ));
        }
        if !(1..=days_in(year, month)).contains(&day) {
            return Err(format!("parsing time {}: day out of range", quoted(text)));
        }
        let local = days_since_1970(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
        Ok(Self {
            seconds: local - i64::from(offset),
            nanos,
            offset,
        })
    }
}

struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl Rest<'_> {
    fn bytes(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn refused(&self, element: &str) -> String {
        let rest = self.text.get(self.at..).unwrap_or_default();
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quoted(self.text),
            quoted(LAYOUT),
            quoted(rest),
            quoted(element)
        )
    }

    fn digits(&mut self, count: usize, element: &str) -> Result<i64, String> {
        let number = self
            .bytes()
            .get(..count)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit))
            .map(|digits| digits.iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0')))
            .ok_or_else(|| self.refused(element))?;
        self.at += count;
        Ok(number)
    }

    fn ranged(
        &mut self,
        count: usize,
        element: &str,
        range: std::ops::RangeInclusive<i64>,
        name: &str,
    ) -> Result<i64, String> {
        let number = self.digits(count, element)?;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(format!("parsing time {}: {name} out of range", quoted(self.text)))
        }
    }

    fn literal(&mut self, literal: &str) -> Result<(), String> {
        if !self.bytes().starts_with(literal.as_bytes()) {
            return Err(self.refused(literal));
        }
        self.at += literal.len();
        Ok(())
    }

    /// Digits after a point, of which nine count.
    fn fraction(&mut self) -> u32 {
        let rest = self.bytes();
        let is_point = matches!(rest.first(), Some(b'.' | b','));
        if !is_point || !rest.get(1).is_some_and(u8::is_ascii_digit) {
            return 0;
        }
        let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut nanos = 0;
        for place in 0..9 {
            let digit = rest[1..=digits]
                .get(place)
                .map_or(0, |digit| u32::from(digit - b'0'));
            nanos = nanos * 10 + digit;
        }
        self.at += 1 + digits;
        nanos
    }

    fn offset(&mut self) -> Result<i32, String> {
        const ELEMENT: &str = "Z07:00";
        let sign = match self.bytes().first() {
            Some(b'Z') => {
                self.at += 1;
                return Ok(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(self.refused(ELEMENT)),
        };
        let number = |digits: &[u8]| -> Option<i32> {
            let text = str::from_utf8(digits).ok()?;
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())?
        };
        let parts = self.bytes().get(..6).and_then(|bytes| {
            let hours = number(&bytes[1..3])?;
            let minutes = number(&bytes[4..6])?;
            (bytes[3] == b':' && hours <= 24 && minutes < 60).then_some((hours, minutes))
        });
        let (hours, minutes) = parts.ok_or_else(|| self.refused(ELEMENT))?;
        self.at += 6;
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Years are counted from March here, so that the odd day of leap years comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

impl PartialEq for WireTime {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }
}

impl Eq for WireTime {}

impl fmt::Display for WireTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.seconds + i64::from(self.offset);
        let (year, month, day) = date_of(local.div_euclid(DAY_SECONDS));
        let of_day = local.rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if self.nanos > 0 {
            write!(f, ".{}", format!("{:09}", self.nanos).trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl Serialize for WireTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn never_is_the_first_moment_of_the_year_one() {
        assert_eq!(WireTime::NEVER.to_string(), "0001-01-01T00:00:00Z");
        assert!(WireTime::parse("0001-01-01T00:00:00Z").unwrap().is_never());
    }

    #[test]
    fn the_writers_distance_from_utc_is_kept_and_does_not_count() {
        let there = WireTime::parse("2026-03-01T01:30:00.25+02:00").unwrap();
        assert_eq!(there.to_string(), "2026-03-01T01:30:00.25+02:00");
        assert_eq!(there.utc().to_string(), "2026-02-28T23:30:00.25Z");
        assert_eq!(there, there.utc());
    }

    #[test]
    fn what_is_no_moment_is_refused_with_the_text_of_stock_servers() {
        for (text, refusal) in [
            (
                "x",
                r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#,
            ),
            (
                "2024-13-01T00:00:00Z",
                r#"parsing time "2024-13-01T00:00:00Z": month out of range"#,
            ),
            (
                "2023-02-29T00:00:00Z",
                r#"parsing time "2023-02-29T00:00:00Z": day out of range"#,
            ),
        ] {
            assert_eq!(WireTime::parse(text).unwrap_err(), refusal);
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_read_as_it_was_written(nanos: i64) {
            let time = WireTime::from_unix_nanos(nanos);
            let read = WireTime::parse(&time.to_string()).unwrap();
            prop_assert_eq!(read, time);
            prop_assert_eq!(read.unix_nanos(), nanos);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = WireTime::parse(&text);
        }
    }
}
