//! Times and durations as the pages of nats-server write them.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `2026-11-21T18:32:46.638398921Z`
pub(super) fn time(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}

/// `3s`, `1m2s`, `1h2m3s`, `1d2h3m4s`, `1y2d3h4m5s`
pub(super) fn uptime(passed: Duration) -> String {
    let seconds = passed.as_secs();
    let parts = [
        (seconds / (365 * 86_400), 'y'),
        (seconds / 86_400 % 365, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(4);
    parts[first..]
        .iter()
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect()
}

/// `314µs`, `1.469758531s`, as Go writes durations.
pub(super) fn round_trip(passed: Duration) -> String {
    let nanos = passed.as_nanos();
    let (unit, of, digits) = match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => ("µs", 1_000, 3),
        1_000_000..1_000_000_000 => ("ms", 1_000_000, 6),
        _ => ("s", 1_000_000_000, 9),
    };
    let (whole, rest) = (nanos / of, nanos % of);
    let minutes = match unit {
        "s" if whole >= 3600 => format!("{}h{}m", whole / 3600, whole / 60 % 60),
        "s" if whole >= 60 => format!("{}m", whole / 60),
        _ => String::new(),
    };
    let whole = if unit == "s" { whole % 60 } else { whole };
    let rest = format!("{rest:0digits$}");
    match rest.trim_end_matches('0') {
        "" => format!("{minutes}{whole}{unit}"),
        rest => format!("{minutes}{whole}.{rest}{unit}"),
    }
}

/// A page as text. What clients call themselves is in it, and whoever reads it may do so in a
/// terminal or a browser: besides what JSON asks for, everything is escaped that one of the two obeys.
pub(super) fn page(content: &impl serde::Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string_pretty(content)?;
    if !json.chars().any(is_obeyed) {
        return Ok(json);
    }
    let mut text = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_obeyed(character) {
            // It can only stand within a string, and every one of them has four digits.
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    Ok(text)
}

/// Whether a terminal or a browser may take it for more than a character: the rest of the control
/// characters, markup, line ends of scripts, and what turns the direction of text round.
fn is_obeyed(character: char) -> bool {
    matches!(
        character,
        '<' | '>'
            | '&'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// Nanoseconds, as Go writes durations into JSON.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_page_is_obeyed_by_who_shows_it_and_it_says_the_same() {
        let name: String = (0..=0x2fff)
            .chain([0xfeff, 0x1f600])
            .filter_map(char::from_u32)
            .collect();
        let text = page(&serde_json::json!({ "name": name })).expect("it is JSON");
        let printable =
            |character: char| character == '\n' || !character.is_control() && !is_obeyed(character);
        assert!(text.chars().all(printable));
        let read: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(read["name"], name.as_str());
    }

    #[test]
    fn times_are_as_tools_read_them() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_795_206_863_251_042_829);
        assert_eq!(time(at), "2026-11-20T20:34:23.251042829Z");
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (62, "1m2s"),
            (3600, "1h0m0s"),
            (93_784, "1d2h3m4s"),
            (365 * 86_400 + 1, "1y0d0h0m1s"),
        ] {
            assert_eq!(uptime(Duration::from_secs(seconds)), text);
        }
        for (nanos, text) in [
            (0, "0s"),
            (999, "999ns"),
            (314_000, "314µs"),
            (314_100, "314.1µs"),
            (23_981_046, "23.981046ms"),
            (1_469_758_531, "1.469758531s"),
            (60_000_000_000, "1m0s"),
            (3_661_500_000_000, "1h1m1.5s"),
        ] {
            assert_eq!(round_trip(Duration::from_nanos(nanos)), text);
        }
        assert_eq!(nanoseconds(Duration::from_secs(120)), 120_000_000_000);
    }
}
