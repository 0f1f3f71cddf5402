//! The clock of rates and events: time since a moment that all threads of the process share.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static START: OnceLock<Instant> = OnceLock::new();

/// A start that lies behind, so that a bucket that never was used is full.
const HEAD_START: Duration = Duration::from_secs(1);

/// The time now.
pub(crate) fn now() -> Duration {
    START.get_or_init(Instant::now).elapsed() + HEAD_START
}
