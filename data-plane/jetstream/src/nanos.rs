//! Lengths of time as the API writes them.

use std::fmt;

use serde::Serialize;

/// A length of time in nanoseconds, which may be negative where a request says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Nanos(pub i64);

impl Nanos {
    /// No time at all; in most settings: not set.
    pub const ZERO: Self = Self(0);

    /// So many milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1_000_000)
    }

    /// So many seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds * 1_000_000_000)
    }

    /// Reads `1.5s`, `1h30m`, `-200ms`: what clients and people write into texts. None for anything else, or
    /// more than there is.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Some(Self::ZERO);
        }
        if rest.is_empty() {
            return None;
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, behind) = part(rest)?;
            total = total.checked_add(nanos)?;
            rest = behind;
        }
        if negative {
            0_i64.checked_sub_unsigned(total).map(Self)
        } else {
            i64::try_from(total).ok().map(Self)
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

/// One number with its unit, and what is behind it.
fn part(text: &str) -> Option<(u64, &str)> {
    const UNITS: [(&str, u64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let is_part = |character: char| character.is_ascii_digit() || character == '.';
    let number_end = text.find(|character| !is_part(character))?;
    let unit_end = text[number_end..]
        .find(is_part)
        .map_or(text.len(), |end| number_end + end);
    let (_, unit) = UNITS
        .into_iter()
        .find(|(name, _)| *name == &text[number_end..unit_end])?;
    let (whole, fraction) = match text[..number_end].split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (&text[..number_end], ""),
    };
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let mut nanos = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        nanos = nanos.checked_add(place * u64::from(digit - b'0'))?;
    }
    Some((nanos, &text[unit_end..]))
}

/// As stock servers write it in texts: `1h2m3.5s`, `150ms`, `0s`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", Decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", Decimal(nanos, 1_000_000)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                write!(f, "{}s", Decimal(nanos % 60_000_000_000, 1_000_000_000))
            }
        }
    }
}

/// A number of units with as many decimals as it takes.
struct Decimal(u64, u64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, unit) = *self;
        write!(f, "{}", number / unit)?;
        let rest = number % unit;
        if rest > 0 {
            let digits = unit.ilog10() as usize;
            write!(f, ".{}", format!("{rest:0digits$}").trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_length_of_time_is_read_as_it_was_written(nanos: i64) {
            prop_assert_eq!(Nanos::parse(&Nanos(nanos).to_string()), Some(Nanos(nanos)));
        }

        #[test]
        fn any_text_is_a_length_of_time_or_not(text in "[-+0-9.hmsnuµ]{0,12}|.*") {
            let _ = Nanos::parse(&text);
        }
    }

    #[test]
    fn lengths_of_time_are_read_with_their_units() {
        for (text, nanos) in [
            ("0", Some(0)),
            ("1.5h", Some(5_400_000_000_000)),
            ("1h0.5s", Some(3_600_500_000_000)),
            (".5s", Some(500_000_000)),
            ("5.s", Some(5_000_000_000)),
            ("+2us", Some(2_000)),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1.2.3s", None),
            ("1d", None),
            ("-", None),
            ("1s ", None),
            ("9223372037s", None),
        ] {
            assert_eq!(Nanos::parse(text), nanos.map(Nanos), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_read_as_in_stock_servers() {
        for (nanos, text) in [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (150_000_000, "150ms"),
            (1_000_000_000, "1s"),
            (3_500_000_000, "3.5s"),
            (60_000_000_000, "1m0s"),
            (3_723_000_000_001, "1h2m3.000000001s"),
            (-1_000_000, "-1ms"),
        ] {
            assert_eq!(Nanos(nanos).to_string(), text);
        }
    }
}
