//! What an account may use and what it used, what it shares with others, and how it renames: without IO.
//!
//! # Limits and usage
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
//!
//! # Rates
//!
//! An account may be granted rates, and so may its users. What is sent and received is taken from
//! [`RateBuckets`] after the fact, and the connection that owes [`Pace`]s itself:
//!
//! ```
//! use std::time::Duration;
//! use tollway_accounts::{Amount, Direction, Pace, RateBuckets, Step};
//! use tollway_claims::{RateLimit, Rates};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rates = Rates { messages_in: Some(RateLimit::new(1000, Some(100))?), ..Rates::UNLIMITED };
//! let (buckets, mut pace) = (RateBuckets::new(&rates), Pace::default());
//! let now = Duration::from_secs(5);
//! // One turn read 300 messages, of which 100 may come at once. The others are worth 200 ms.
//! let debt = buckets.take(Direction::In, Amount { messages: 300, bytes: 9000 }, now);
//! assert_eq!(pace.handle_turn(debt, true, now), Step::Pause(Duration::from_millis(200)));
//! assert_eq!(pace.handle_pause_end(now + Duration::from_millis(200)), Step::Read);
//! # Ok(())
//! # }
//! ```
//!
//! # Renaming
//!
//! A [`Transform`] is a rule such as `orders.*.*` to `by-state.$2.$1`. An
//! account's [`MappingTable`] holds those that are applied to everything its
//! clients publish, with weights:
//!
//! ```
//! use tollway_accounts::{Mapped, MappingTable};
//! use tollway_claims::{Destination, Mappings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut mappings = Mappings::new();
//! mappings.insert("orders.*.*".parse()?, vec![Destination::all("by-state.$2.{{partition(3,1)}}")]);
//! mappings.insert("beta.>".parse()?, vec![Destination::weighted("canary.>", 10)]);
//! let table = MappingTable::compile(&mappings, None)?;
//!
//! // Nothing is allocated: the subject is written to a buffer that the connection keeps.
//! let mut buffer = [0; 1024];
//! assert_eq!(table.map(b"orders.eu.new", 0, &mut buffer)?, Mapped::To(b"by-state.new.2"));
//! // Of a hundred messages ten go to the canary, by the random number of each.
//! assert_eq!(table.map(b"beta.x", 0, &mut buffer)?, Mapped::To(b"canary.x"));
//! assert_eq!(table.map(b"beta.x", u64::MAX, &mut buffer)?, Mapped::Unchanged);
//! # Ok(())
//! # }
//! ```
//!
//! # Sharing
//!
//! Each account's document is compiled into an [`Exchange`], and [`Links`]
//! finds out which imports work. What follows are [`Routes`]: streams lie with
//! the account that exports them, services with the account that imports them,
//! because that is where the messages are published.
//!
//! ```text
//! documents ──▶ Exchange ──▶ Links ──▶ Routes of each account ──▶ RouteTable on the routing path
//!                              │
//!                              └──▶ for each import: a Link, or an ImportRefusal for the account's events
//!
//! orders publishes          streams of orders ──▶ (billing, its name for the subject)
//! billing asks              services of billing ──▶ (orders, its name for the subject, how it answers)
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use tollway_accounts::{Exchange, Links};
//! use tollway_claims::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let operator = PublicKey::from_bytes(KeyKind::Operator, [1; 32]);
//! # let orders = PublicKey::from_bytes(KeyKind::Account, [2; 32]);
//! # let billing = PublicKey::from_bytes(KeyKind::Account, [3; 32]);
//! # let now = 1_800_000_000;
//! let mut exporter = AccountClaims::new(operator, orders, "orders", now);
//! exporter.exports = vec![Export::stream("orders.*.*".parse()?), Export::service("price".parse()?)];
//! let mut importer = AccountClaims::new(operator, billing, "billing", now);
//! let mut stream = Import::stream(orders, "orders.*.*".parse()?);
//! stream.local_subject = Some(LocalSubject::new("in.$2.$1", stream.subject.as_filter())?);
//! importer.imports = vec![stream, Import::service(orders, "price".parse()?)];
//!
//! let mut links = Links::new();
//! for claims in [&importer, &exporter] {
//!     let changes = links.handle_document(Arc::new(Exchange::compile(claims, None)?), now);
//!     for account in changes.routes {
//!         // The node swaps in `links.routes(&account)` as a table.
//!     }
//! }
//! assert!(links.imports(&billing).all(|(_, outcome)| outcome.is_ok()));
//!
//! // A client of orders publishes: who else receives it, and as what?
//! let table = links.routes(&orders).ok_or("orders is known")?.table(0);
//! let mut buffer = [0; 1024];
//! let mut received = Vec::new();
//! table.streams(b"orders.eu.new", &mut |route| {
//!     let subject = route.map(b"orders.eu.new", &mut buffer);
//!     received.push((route.importer, subject.map(<[u8]>::to_vec)));
//! });
//! assert_eq!(received, [(billing, Ok(b"in.new.eu".to_vec()))]);
//!
//! // A client of billing asks for a price: who answers, and how often?
//! let table = links.routes(&billing).ok_or("billing is known")?.table(0);
//! table.services(b"price", &mut |route| {
//!     assert_eq!((route.exporter, route.response), (orders, ResponseType::Singleton));
//! });
//! # Ok(())
//! # }
//! ```

mod access;
pub mod bounds;
mod components;
mod cycle;
mod delivery_pace;
mod event_gate;
mod exchange;
mod function;
mod intersection;
mod limits;
mod links;
mod mapping_table;
mod meters;
mod pace;
mod rate_buckets;
mod refusal;
mod route;
mod specificity;
mod token_bucket;
mod transform;
mod usage;

pub use delivery_pace::{DeliveryPace, QUANTUM};
pub use event_gate::{EVENT_INTERVAL, EventGate, Events};
pub use exchange::{Exchange, InvalidExchange};
pub use function::FunctionError;
pub use limits::AccountLimits;
pub use links::{Link, LinkChanges, Links};
pub use mapping_table::{InvalidMapping, Mapped, MappingTable};
pub use meters::MeterTotals;
pub use pace::{PAUSE_MAX, Pace, Step};
pub use rate_buckets::{Amount, Direction, RateBuckets};
pub use refusal::ImportRefusal;
pub use route::{RESPONSE_THRESHOLD_DEFAULT, RouteTable, Routes, ServiceRoute, StreamRoute};
pub use token_bucket::{DEBT_MAX, TokenBucket};
pub use tollway_claims::{Limit, PublicKey, Rate};
pub use transform::{NotMapped, Transform, TransformError};
pub use usage::{HOUR_SECONDS, HOURS_SETTLING, HourlyUsage, UsageReport, UsageRow, hour_of};
