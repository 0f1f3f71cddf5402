//! The size of every queue, buffer and wait of the fleet stream.

use std::time::Duration;

/// The name that the control plane proves with its certificate, whatever
/// address is dialled: identity comes from the pinned authority, not from DNS.
pub const FLEET_SERVER_NAME: &str = "fleet.tollway.internal";

/// Largest message from the control plane. It sends at most 4 MiB.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Accounts of one batch, named or removed, over all its parts.
pub const BATCH_ACCOUNTS_MAX: usize = 100_000;

/// Bytes of one batch's documents; it is held in memory until its last part.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Refusals of one acknowledgement; further ones are only logged. The message
/// stays far below the 4 MiB that the control plane reads.
pub const REFUSALS_MAX: usize = 5_000;

/// Letters of an account's name that are repeated to whoever sent it, when it is none.
pub const ACCOUNT_TEXT_MAX: usize = 64;

/// Messages that wait to be written to the stream.
pub const OUTBOX_MESSAGES_MAX: usize = 64;

/// Requests that run at the same time.
pub const REQUESTS_MAX: usize = 256;

/// Of these, requests into one account.
pub const REQUESTS_PER_ACCOUNT_MAX: usize = 16;

/// Accounts of one live report, as many as the control plane reads.
pub const LIVE_ACCOUNTS_MAX: usize = 20_000;

/// TCP, TLS and HTTP/2 together.
pub const DIAL_WAIT: Duration = Duration::from_secs(10);

/// How long a call with one answer may take.
pub const CALL_WAIT: Duration = Duration::from_secs(15);

/// How long the control plane may take from our Hello to its Welcome.
pub const WELCOME_WAIT: Duration = Duration::from_secs(15);

/// How long a message may wait for the control plane to read.
pub const SEND_WAIT: Duration = Duration::from_secs(30);

/// A silent connection is probed this often, and is dead when it does not answer in as long:
/// the network drops idle connections without a word.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How often live counts and usage are looked at.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// A usage report that was not acknowledged in this time is told again. The
/// control plane acknowledges late when its database is away, and never what
/// its database will not take.
pub const USAGE_ACK_WAIT: Duration = Duration::from_secs(60);

/// After a batch was refused as a whole, the node asks again this much later.
pub const RESYNC_WAIT: Duration = Duration::from_secs(60);

/// After a disk did not take an update, it is tried again this much later, and then ever more seldom ...
pub const KEEP_RETRY_FIRST: Duration = Duration::from_secs(1);
/// ... up to this.
pub const KEEP_RETRY_MAX: Duration = Duration::from_secs(30);

/// Updates in force that are not on disk, and so not acknowledged. The control
/// plane sends up to 8 without an answer. When as many wait, the stream is begun
/// again, so that a revocation behind them gets here in one update with all
/// that is new.
pub const UNKEPT_ACKS_MAX: usize = 8;

/// How long a stopping node tries to tell its last usage.
pub const FAREWELL_WAIT: Duration = Duration::from_secs(2);

/// The least and the greatest upper end of a pause before dialling again.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// See [`BACKOFF_FIRST`].
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The lower end: even the luckiest draw is no busy loop.
pub const BACKOFF_FLOOR: Duration = Duration::from_millis(50);

/// When a renewal failed, the next one is tried this much later.
pub const RENEWAL_RETRY: Duration = Duration::from_secs(600);

/// The log of documents is written anew when it is longer than this beside
/// twice what it has to say.
pub const LOG_GARBAGE_MAX: u64 = 4 * 1024 * 1024;

/// From how many accounts on a snapshot that would remove most of them, and does
/// not name all accounts of the cell, is doubted. Below that a tidy-up looks the same as an accident.
pub const MASS_REMOVAL_ACCOUNTS_MIN: usize = 10;

const _: () = assert!(KEEP_RETRY_FIRST.as_millis() < KEEP_RETRY_MAX.as_millis());
const _: () = assert!(BACKOFF_FLOOR.as_millis() < BACKOFF_FIRST.as_millis());
const _: () = assert!(BACKOFF_FIRST.as_millis() < BACKOFF_MAX.as_millis());
