//! What the accounts used, counted so that nothing is billed twice.
//!
//! ```text
//!  Broker::meters_visit ──every 100 ms──▶ Ledger (rows by hour) ──changed rows──▶ Journal (disk)
//!                                            │    ▲                                  │
//!                          UsageReport ◀─────┘    └── UsageAck        at start: rows of earlier boots
//! ```
//!
//! A row is a cumulative total of one (boot, account, hour); the control plane
//! keeps the greatest value it was told. So reports may be repeated without
//! end, and a crash costs at most what was counted after the last checkpoint.

mod clock;
mod journal;
mod ledger;
mod meter;

pub use clock::ControlClock;
pub use journal::{Journal, JournalError, PastRow};
pub use ledger::Ledger;
pub use meter::{ReadMeters, UsageMeter, UsageStatus};

use std::time::Duration;

/// How often the meters are read and what changed is written to the journal:
/// the most that a crash of the process can cost.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(100);

/// How often the journal is synced, when something was written: with the
/// checkpoint's interval, the most that a loss of power can cost.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// Rows of one report. The control plane takes up to 5,000.
pub const REPORT_ROWS_MAX: usize = 1_000;

/// Rows of one record of the journal, so that a record stays far below its own bound.
pub const CHECKPOINT_ROWS_MAX: usize = 10_000;

/// The journal is written anew when it is longer than this and mostly out of date.
pub const JOURNAL_BYTES_KEEP: u64 = 16 * 1024 * 1024;

/// What a row takes in the journal, about: key, hour and five numbers.
const JOURNAL_ROW_BYTES: u64 = 100;

const _: () = assert!(
    CHECKPOINT_ROWS_MAX * 2 * JOURNAL_ROW_BYTES as usize <= crate::record_log::RECORD_BYTES_MAX,
    "a full record must fit, even when its rows are twice as long as usual"
);
