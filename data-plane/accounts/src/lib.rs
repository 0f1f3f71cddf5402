//! What an account may use and what it used: limits and meters without IO.
//!
//! [`AccountLimits`] is what an account's document grants. The node counts
//! what the account does into [`MeterTotals`], and from time to time shows the
//! totals to [`HourlyUsage`], which spreads their growth over the hours of the
//! clock:
//!
//! ```text
//! counters of the routing path ── totals since boot ──▶ HourlyUsage ── rows that changed ──▶ report
//!                                                            ▲                                  │
//!                                                            └───────── acknowledged ◀──────────┘
//! ```
//!
//! A row says how much of a meter fell into one hour of one boot, as a number
//! that only grows. So a report may be lost, repeated or overtaken: whoever
//! keeps the greatest value of each row has the right one.
//!
//! ```
//! use tollway_accounts::{HourlyUsage, MeterTotals, PublicKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let account: PublicKey = "ACODERUVFFAWZQDSS6SBIACUA5O6SXF7HJ3YTYXBALHZP3P7R4BUO4J2".parse()?;
//! let mut usage = HourlyUsage::new();
//! let noon = 1_800_000_000;
//! usage.handle_sample(account, noon + 5, MeterTotals { messages_in: 3, ..MeterTotals::default() });
//! usage.handle_sample(account, noon + 3605, MeterTotals { messages_in: 10, ..MeterTotals::default() });
//!
//! let report = usage.changed_since(0, 100);
//! let rows: Vec<_> = report.rows.iter().map(|row| (row.hour, row.totals.messages_in)).collect();
//! assert_eq!(rows, [(noon, 3), (noon + 3600, 7)]);
//!
//! // What is long over and safe elsewhere need not be kept.
//! usage.handle_ack(report.sequence, noon + 3 * 3600);
//! assert_eq!(usage.len(), 1);
//! # Ok(())
//! # }
//! ```

mod limits;
mod meters;
mod usage;

pub use limits::AccountLimits;
pub use meters::MeterTotals;
pub use tollway_claims::{Limit, PublicKey};
pub use usage::{HOUR_SECONDS, HOURS_SETTLING, HourlyUsage, UsageReport, UsageRow, hour_of};
