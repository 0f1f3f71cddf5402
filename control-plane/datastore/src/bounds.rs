//! How long, how many, how much: every bound of the datastore by name.

use std::time::Duration;

/// Connections of a pool when nobody says how many. Postgres allows 100 by default, and several
/// control planes may share one.
pub const POOL_CONNECTIONS: u32 = 23;

/// Of these, what transactions inside organizations may hold at the same time; platform admins do not
/// count. Whoever waits for a place holds no connection meanwhile.
pub const TENANT_CONNECTIONS: u32 = 10;

/// Of these, transactions inside one organization: an organization alone leaves most to the others.
pub(crate) const ORGANIZATION_CONNECTIONS: u32 = 4;

/// Connections of the fleet's own pool: nodes are told of changes whatever callers of the API do.
pub(crate) const FLEET_POOL_CONNECTIONS: u32 = 8;

/// How long a caller waits for a connection before the database counts as unavailable.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a start waits before it tries again to connect to a database that is not there yet.
pub(crate) const FIRST_CONNECTION_PAUSE: Duration = Duration::from_millis(100);

/// How long a node that has an open stream may say nothing and still count as connected. Nodes report
/// every few seconds; a control plane that died could not note the end of the stream.
pub const NODE_SILENCE_MAX: Duration = Duration::from_secs(30);

/// Credentials of one user that are good at the same time.
pub const ISSUANCES_PER_USER_MAX: u32 = 1_000;

/// Credentials of one account that have not ended by themselves. Revoked ones count: they stay in the
/// account's document, which has to fit into 1 MiB, until they would have ended anyhow.
pub const ISSUANCES_PER_ACCOUNT_MAX: u32 = 8_000;

/// Refusals of a cell that are shown at once.
pub(crate) const CELL_REFUSALS_SHOWN_MAX: i64 = 100;

/// Accounts that are named when an organization or a cell cannot be deleted because of them.
pub(crate) const ACCOUNTS_NAMED_MAX: i64 = 10;

/// Characters of a node's stable word (refusal code) that are kept.
pub(crate) const CODE_LENGTH_MAX: usize = 64;

/// Characters of a text from a node or a browser that are kept.
pub(crate) const TEXT_LENGTH_MAX: usize = 500;

/// How far ahead of our clock the hour of a usage row may begin: clocks differ, hours do not lie.
pub(crate) const USAGE_AHEAD_MAX: Duration = Duration::from_secs(3600);

/// How long ago the hour of a usage row may have begun: longer than any month, which is billed by then. A
/// node that was away for longer is not billed for what came before.
pub(crate) const USAGE_LATE_MAX: Duration = Duration::from_secs(35 * 24 * 3600);

/// Messages that one run of a node may count for one account in one hour, in each direction: 278 million a
/// second, which no machine handles.
pub(crate) const USAGE_HOUR_MESSAGES_MAX: u64 = 1_000_000_000_000;

/// Bytes, likewise: 278 gigabytes a second.
pub(crate) const USAGE_HOUR_BYTES_MAX: u64 = 1_000_000_000_000_000;

/// Connections opened, likewise: 278 thousand a second.
pub(crate) const USAGE_HOUR_CONNECTIONS_MAX: u64 = 1_000_000_000;

/// How long the mark of a revision stays after a cell's node went past it, and with it the tombstones of
/// accounts that were deleted by then. Longer than a stream that nobody reads any more can stay open.
pub const REVISION_MARK_KEEP: Duration = Duration::from_secs(24 * 3600);

/// Rows of one kind that one clean-up takes away; the next one goes on.
pub(crate) const CLEAN_UP_ROWS_MAX: i64 = 10_000;

const _: () = assert!(
    2 * ORGANIZATION_CONNECTIONS < POOL_CONNECTIONS,
    "one organization, or two together, must leave connections to the others"
);
