//! Durations as Go writes them: `1h30m`, `1.5s`, `250ms`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// Not numbers with units.
    #[error("a duration is numbers with the units h, m, s, ms, us or ns, such as 1h30m or 250ms")]
    Malformed,
    /// A minus where time can only pass.
    #[error("a duration cannot be negative here")]
    Negative,
    /// More than 64 bits of nanoseconds.
    #[error("the longest duration is about 292 years")]
    TooLong,
}

/// A duration, negative ones told apart from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    /// This long.
    Positive(Duration),
    /// Below zero, however much.
    Negative,
}

/// Nanoseconds of a unit.
fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        _ => return None,
    })
}

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Signed, InvalidDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Signed::Positive(Duration::ZERO));
    }
    if rest.is_empty() {
        return Err(InvalidDuration::Malformed);
    }
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let number = rest
            .find(|c: char| c != '.' && !c.is_ascii_digit())
            .ok_or(InvalidDuration::Malformed)?;
        let (digits, after) = rest.split_at(number);
        let name = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (name, after) = after.split_at(name);
        let unit = unit(name).ok_or(InvalidDuration::Malformed)?;
        let part = part(digits, unit)?;
        nanos = nanos.checked_add(part).ok_or(InvalidDuration::TooLong)?;
        rest = after;
    }
    if nanos > i64::MAX as u64 {
        return Err(InvalidDuration::TooLong);
    }
    if negative && nanos > 0 {
        return Ok(Signed::Negative);
    }
    Ok(Signed::Positive(Duration::from_nanos(nanos)))
}

/// `1.5` of a unit, in nanoseconds; what is less than one is dropped.
fn part(digits: &str, unit: u64) -> Result<u64, InvalidDuration> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(InvalidDuration::Malformed);
    }
    let whole: u64 = match whole {
        "" => 0,
        _ => whole.parse().map_err(|_| InvalidDuration::TooLong)?,
    };
    let mut nanos = whole.checked_mul(unit).ok_or(InvalidDuration::TooLong)?;
    let mut scale = unit;
    // Eighteen digits behind the point are far below a nanosecond of an hour.
    for digit in fraction.bytes().take(18) {
        scale /= 10;
        nanos = nanos
            .checked_add(u64::from(digit - b'0') * scale)
            .ok_or(InvalidDuration::TooLong)?;
    }
    Ok(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Result<u128, InvalidDuration> {
        match parse(text)? {
            Signed::Positive(duration) => Ok(duration.as_nanos()),
            Signed::Negative => Err(InvalidDuration::Negative),
        }
    }

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        assert_eq!(nanos("1h30m"), Ok(5_400_000_000_000));
        assert_eq!(nanos("1.5s"), Ok(1_500_000_000));
        assert_eq!(nanos(".5s"), Ok(500_000_000));
        assert_eq!(nanos("2.s"), Ok(2_000_000_000));
        assert_eq!(nanos("250ms"), Ok(250_000_000));
        assert_eq!(nanos("+3\u{b5}s4ns"), Ok(3_004));
        assert_eq!(nanos("0"), Ok(0));
        assert_eq!(nanos("-0s"), Ok(0));
    }

    #[test]
    fn other_texts_are_no_durations() {
        for text in [
            "", "5", "1d", "s", "1 s", "--1s", "1..2s", ".s", "1s5", "-", "inf", "1e3s",
        ] {
            assert_eq!(nanos(text), Err(InvalidDuration::Malformed), "{text}");
        }
        assert_eq!(nanos("-1ns"), Err(InvalidDuration::Negative));
        for text in ["9999999h", "99999999999999999999s", "9223372036854775808ns"] {
            assert_eq!(nanos(text), Err(InvalidDuration::TooLong), "{text}");
        }
    }
}
