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

/// Nanoseconds, as Go writes durations into JSON.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(nanoseconds(Duration::from_secs(120)), 120_000_000_000);
    }
}
