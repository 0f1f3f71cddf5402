//! The time, as the control plane writes it.

use time::OffsetDateTime;

/// Now, in whole microseconds as Postgres keeps them: an answer then shows the same time as the row.
pub fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_microsecond(now.microsecond())
        .expect("a time's own microsecond is a valid one")
}

/// Milliseconds since 1970, for ids.
pub fn unix_ms(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}
