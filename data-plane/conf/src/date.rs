//! Dates of the language: `2026-02-28T23:59:59Z`, and nothing else.

use std::fmt;

/// A second in UTC that exists in the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// How many characters a date has.
pub(crate) const DATE_CHARS: usize = "2026-02-28T23:59:59Z".len();

impl Date {
    /// Reads the one form there is. `None` for another form or a day that the calendar lacks.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; DATE_CHARS] = text.as_bytes().try_into().ok()?;
        for (at, expected) in [
            (4, b'-'),
            (7, b'-'),
            (10, b'T'),
            (13, b':'),
            (16, b':'),
            (19, b'Z'),
        ] {
            if bytes[at] != expected {
                return None;
            }
        }
        let date = Self {
            year: u16::try_from(digits(&bytes[0..4])?).ok()?,
            month: u8::try_from(digits(&bytes[5..7])?).ok()?,
            day: u8::try_from(digits(&bytes[8..10])?).ok()?,
            hour: u8::try_from(digits(&bytes[11..13])?).ok()?,
            minute: u8::try_from(digits(&bytes[14..16])?).ok()?,
            second: u8::try_from(digits(&bytes[17..19])?).ok()?,
        };
        let exists = (1..=12).contains(&date.month)
            && (1..=days_in(date.year, date.month)).contains(&date.day)
            && date.hour < 24
            && date.minute < 60
            && date.second < 60;
        exists.then_some(date)
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u32::from(byte - b'0'))
    })
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_of_the_calendar_are_dates() {
        for text in [
            "2024-02-29T00:00:00Z",
            "2000-02-29T23:59:59Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(Date::parse(text).expect(text).to_string(), text);
        }
        for text in [
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00z",
            "2024-01-01T00:00:0éZ",
            "2024-01-01",
            "",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }
}
