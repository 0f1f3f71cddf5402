//! The log that all accounts of a disk share: what streams and consumers are kept in.
//!
//! A stream has no file of its own. Everything that is to be kept, of all accounts, goes to the end
//! of one log, so that one `fdatasync` makes durable whatever arrived meanwhile. Where a stream's
//! messages are in it stands in an index in memory, eight bytes for each.
//!
//! ```text
//!  many threads                        one thread                           the folder
//!  ────────────                        ──────────                           ──────────
//!  Store::append ─► lane of account A ┐
//!  Store::append ─► lane of account B ┼─► Writer::commit: fair share ─────► segment-00000007
//!  Store::count  ─► counters          ┘   of each lane, one batch:            header
//!       │ ticket                          write, sync ─► tickets done         batch: header │ records │ summary
//!       ▼                                      │                              batch: ...
//!  Store::read ◄── index: stream, sequence ◄───┘ visible only now
//!       └────────────► place ─► pread ─► checksum
//!                                      Writer::housekeep:
//!                                        fills the next segment with zeroes
//!                                        writes the index down ───────────► checkpoint-00000003
//!                                        copies what counts out of
//!                                        segments that are mostly dead ───► end of the log
//! ```
//!
//! What holds, and is proved by `tests/simulation`:
//! - a ticket is done after its batch was synchronised, and nothing is read before its ticket is done
//!   (with [`Durability::Os`]: after it was written);
//! - a batch is there as a whole or not at all; so is a group of messages, and the counters agree;
//! - a stream's last sequence never goes back, and no sequence is given twice;
//! - what is damaged is reported, costs the record that was hit, and is never taken for "delete";
//! - after an error of the disk nothing is acknowledged until the store was opened again.
//!
//! The engine decides nothing about sequences, limits or names: the caller brings them. It knows no
//! clock and no thread; only [`RealDisk`] touches a file system, and [`SimDisk`] plays one that fails.
//! Read `record.rs`, `batch.rs`, `segment.rs` and `checkpoint.rs` for the format, `writer.rs` for the
//! way of a batch, `scan.rs` and `recovery.rs` for the way back.
//!
//! ```
//! use tollway_store::{Durability, NewMessage, Options, ReadBuffer, SimDisk, open};
//!
//! let (store, mut writer, recovered) = open(SimDisk::new(), Options::default(), 0x5eed)?;
//! assert!(recovered.damages.is_empty());
//! let account = store.account(b"ACME")?;
//! let (orders, _) = store.create_stream(account, Durability::Disk)?;
//! store.put_state(orders, 0, b"{\"name\":\"ORDERS\"}")?;
//! let message = NewMessage {
//!     stream: orders, sequence: 1, time: 0, subject: b"orders.new", headers: b"", payload: b"4 crates",
//! };
//! let ticket = store.append(&message)?;
//!
//! let mut buffer = ReadBuffer::default();
//! assert!(store.read(orders, 1, &mut buffer).is_err(), "not on the disk, not visible");
//! writer.commit(&mut |done| assert!(done.iter().any(|done| done.number >= ticket.number)))?;
//! assert_eq!(store.read(orders, 1, &mut buffer)?.payload, b"4 crates");
//! writer.close(&mut (), &mut |_| {})?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod block;
pub mod bounds;
mod checkpoint;
mod checkpointing;
mod compaction;
mod damage;
mod disk;
mod error;
mod fields;
mod floors;
mod ids;
mod index;
mod intake;
mod lane;
mod log;
mod memory_stream;
mod open;
mod options;
mod read;
mod real_disk;
mod record;
mod recovery;
mod scan;
mod segment;
mod sequences;
mod shared;
mod sim_disk;
mod store;
mod tally;
mod walk;
mod writer;

pub use compaction::EraseReceipt;
pub use damage::Damage;
pub use disk::{Disk, DiskFile};
pub use error::{AppendError, CommitError, OpenError, ReadError};
pub use ids::{AccountId, Durability, Meter, Place, Position, StreamId};
pub use intake::Ticket;
pub use open::open;
pub use options::Options;
pub use read::{Each, ReadBuffer, StateValue};
pub use real_disk::{RealDisk, RealFile};
pub use record::Message;
pub use recovery::Recovered;
pub use sim_disk::{SimDisk, SimFile};
pub use store::{NewMessage, Store, StreamSummary};
pub use writer::{Notes, Writer};
