//! The size of every queue, buffer and wait of the control plane.

use std::time::Duration;

use tollway_datastore::{ISSUANCES_PER_ACCOUNT_MAX, POOL_CONNECTIONS, TENANT_CONNECTIONS};

/// Largest body of a REST call, and largest message of a gRPC call.
pub const REQUEST_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Largest body of a call whose caller is not known.
pub const ANONYMOUS_BODY_BYTES_MAX: usize = 4 * 1024;
/// Connections to the public port, and to the internal one; more wait in the listen queue.
pub const PUBLIC_CONNECTIONS_MAX: usize = 4_096;
/// Of these, connections of one address (of one /64 network of IPv6): half, which is enough for a proxy in
/// front of everything.
pub const PUBLIC_CONNECTIONS_PER_PEER_MAX: usize = PUBLIC_CONNECTIONS_MAX / 2;
/// How long a connection may be without a call. Pings are no calls.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(60);
/// How long a connection may last, whatever it is used for.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);
/// How long a connection has for its open calls when it was told to end; no call takes longer.
pub const CONNECTION_CLOSE_WAIT: Duration = Duration::from_secs(15);
/// Calls at the same time on one HTTP/2 connection.
pub const CONNECTION_STREAMS_MAX: u32 = 64;
/// Frames of one HTTP/2 connection that are no calls: settings, pings, the client's leave to send more, and
/// data of less than [`HTTP2_SMALL_DATA_BYTES`]. So many may come at once.
pub const HTTP2_FRAMES_BESIDE_CALLS_MAX: usize = 1_024;
/// So many more in each second.
pub const HTTP2_FRAMES_PER_SECOND: usize = 20;
/// And so many with each call.
pub const HTTP2_FRAMES_PER_CALL: usize = 16;
/// See [`HTTP2_FRAMES_BESIDE_CALLS_MAX`].
pub const HTTP2_SMALL_DATA_BYTES: usize = 256;
/// Calls from one peer whose secret is none that are answered at once; further ones wait.
pub const REFUSALS_AT_ONCE_MAX: u32 = 200;
/// How many more in each second.
pub const REFUSALS_PER_SECOND: u32 = 100;
/// How long such a call waits for its answer at most; when it should wait longer, its connection ends with
/// it. And how long calls wait for theirs that were refused because there are too many: whoever asks again at
/// once would keep us busy with refusals.
pub const REFUSAL_WAIT_MAX: Duration = Duration::from_secs(1);
/// Refused calls of one connection that wait; a further one is answered, and the connection ends.
pub const REFUSALS_WAITING_MAX: usize = 16;
/// What a client may send on one HTTP/2 connection before any of it is read, and what is kept of one
/// answer that the client does not take.
pub const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// The same for one call.
pub const STREAM_BUFFER_BYTES_MAX: u32 = 64 * 1024;
/// What is kept of what came on an HTTP/1 connection.
pub const HTTP1_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Bodies that are being read, of callers of organizations; further ones wait.
pub const TENANTS_BODIES_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Of these, bodies of one organization.
pub const ORGANIZATION_BODIES_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bodies of callers who run the platform.
pub const PLATFORM_BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bodies of callers who are not known.
pub const STRANGERS_BODIES_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Of these, bodies from one peer.
pub const PEER_BODIES_BYTES_MAX: usize = 2 * 1024 * 1024;
/// One of them, with all messages of a streaming call.
pub const STRANGER_BODY_BYTES_MAX: usize = 16 * 1024;
/// What may come beyond the largest body before it is cut: so that a route can say how much it takes.
pub const BODY_EXCESS_BYTES_MAX: usize = 64 * 1024;
/// A body that is no stream has to bring [`BODY_STRETCH_BYTES_MIN`] in each stretch of this time, or end.
pub const BODY_STRETCH: Duration = Duration::from_secs(5);
/// See [`BODY_STRETCH`].
pub const BODY_STRETCH_BYTES_MIN: usize = 32 * 1024;
/// How long the body of a call may take.
pub const BODY_WAIT: Duration = Duration::from_secs(30);
/// A body that was refused unread is taken off an HTTP/1 connection when no more than this is left of it;
/// the connection is closed otherwise.
pub const BODY_DRAIN_BYTES_MAX: u64 = 64 * 1024;
/// How long that may take.
pub const BODY_DRAIN_WAIT: Duration = Duration::from_secs(1);
/// Headers of one call.
pub const HEADER_LIST_BYTES_MAX: u32 = 32 * 1024;
/// How long a client may take to send the headers of a call.
pub const HEADER_WAIT: Duration = Duration::from_secs(15);
/// Largest message on the fleet stream, in either direction.
pub const FLEET_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Documents of one part of an update; they are read and sent part by part.
pub const UPDATE_PART_ACCOUNTS_MAX: u32 = 200;
/// Tokens of one part of an update; one account's tokens always fit.
pub const UPDATE_PART_BYTES_MAX: usize = 1024 * 1024;
/// Updates that a node has not acknowledged; a slow node gets the next one when it has caught up.
pub const NODE_UNACKED_BATCHES_MAX: usize = 8;
/// Reports and acknowledgements of one node that wait for the database.
pub const NODE_INBOX_RECORDS_MAX: usize = 64;
/// Messages that wait to be written to one node's stream.
pub const NODE_OUTBOX_MESSAGES_MAX: usize = 32;
/// Requests that wait for answers of one node.
pub const NODE_REQUESTS_MAX: usize = 256;
/// Of these, requests into one account: a service that does not answer holds up nobody else's.
pub const NODE_REQUESTS_PER_ACCOUNT_MAX: usize = 16;
/// Requests into accounts of one organization, however many it has.
pub const NODE_REQUESTS_PER_ORGANIZATION_MAX: usize = NODE_REQUESTS_MAX / 4;
/// Rows of one usage report; a node sends several reports when it has more.
pub const USAGE_REPORT_ROWS_MAX: usize = 5_000;
/// Accounts of one live report.
pub const LIVE_REPORT_ACCOUNTS_MAX: usize = 20_000;
/// Refused accounts of one acknowledgement.
pub const ACK_REFUSALS_MAX: usize = 20_000;
/// Calls that wait for a cell's acknowledgement, of all callers together.
pub const APPLY_WAITERS_MAX: usize = 4_096;
/// Of these, calls of one organization's own callers.
pub const APPLY_WAITERS_PER_ORGANIZATION_MAX: usize = 64;
/// How often it is looked up how far a cell came that somebody waits for: the acknowledgement may have
/// come to another control plane.
pub const CELL_PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// What one revocation adds to an account's document: a key, a time and their punctuation, in base64.
pub const REVOCATION_BYTES_MAX: usize = 96;
/// What a broker takes in the arguments of CONNECT, as the stock server does unless it is told otherwise.
pub const CONNECT_BYTES_MAX: usize = 4_096;
/// What CONNECT says beside the user's JWT: the signature and the options (260 bytes in the libraries of
/// today), and the name that an application gives its connection.
pub const CONNECT_BYTES_BESIDE_JWT: usize = 1_024;
/// Largest user JWT that is handed out.
pub const USER_JWT_BYTES_MAX: usize = CONNECT_BYTES_MAX - CONNECT_BYTES_BESIDE_JWT;

/// How long `wait=applied` waits.
pub const APPLY_WAIT: Duration = Duration::from_secs(10);
/// How often a sender looks for changes that no notification told of.
pub const FLEET_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long we wait before we look again at a database that says what no control plane wrote.
pub const EPOCH_DOUBT_WAIT: Duration = Duration::from_secs(60);
/// How far ahead of our clock an epoch may be that a node says it holds: a clock may have been wrong for a
/// while, but nobody's by a century.
pub const EPOCH_AHEAD_MAX: Duration = Duration::from_secs(100 * 366 * 86_400);
/// How often rows are cleared away that nobody needs any more.
pub const CLEAN_UP_INTERVAL: Duration = Duration::from_secs(3600);
/// How often we note that a node is still there.
pub const NODE_SEEN_INTERVAL: Duration = Duration::from_secs(10);
/// How long we wait before a report is stored again that could not be.
pub const RECORD_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// How often the fleet listener gets a new certificate.
pub const FLEET_CERTIFICATE_RENEW_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// How long a node has to say Hello.
pub const HELLO_WAIT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
pub const TLS_HANDSHAKE_WAIT: Duration = Duration::from_secs(5);
/// TLS handshakes at the same time; a further one ends the oldest.
pub const TLS_HANDSHAKES_MAX: usize = 512;
/// Connections to the fleet port without a certificate; a further one ends the oldest. Only nodes that enrol
/// need one, for a moment.
pub const FLEET_STRANGERS_MAX: usize = 64;
/// What is read of one of their calls.
pub const FLEET_STRANGER_BODY_BYTES_MAX: usize = 64 * 1024;
/// Calls at the same time on one connection to the fleet port: a node has its stream, and now and then one more.
pub const FLEET_STREAMS_MAX: u32 = 8;
/// How long such a connection may last: long enough to enrol.
pub const FLEET_STRANGER_WAIT: Duration = Duration::from_secs(30);
/// Connections that the kernel may hold for us: a restarted control plane meets its whole fleet at once.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// Secrets of callers that are looked up at the same time: such that were good before or bear our mark.
/// All kinds together leave connections of the pool to what callers do then.
pub const LOOK_UPS_OF_KNOWN_MAX: usize = 4;
/// Such that were good before, of those who run the platform.
pub const LOOK_UPS_OF_PLATFORM_MAX: usize = 2;
/// All others.
pub const LOOK_UPS_OF_STRANGERS_MAX: usize = 3;
/// Of any kind, look-ups of one organization, or of one peer whose organization is not known. One look-up
/// answers all who wait with the same secret.
pub const LOOK_UPS_PER_LINE_MAX: usize = 2;
/// Look-ups of one kind that wait for their turn; beyond them, those with the longest line give way.
pub const LOOK_UPS_WAITING_MAX: usize = 512;
/// Calls that wait for the same look-up.
pub const LOOK_UP_SHARERS_MAX: usize = CALLS_PER_ORGANIZATION_MAX;
/// Calls of one organization that are open at the same time; further ones wait. Callers of the platform do
/// not count.
pub const CALLS_PER_ORGANIZATION_MAX: usize = 256;
/// How long they wait.
pub const CALL_WAIT: Duration = Duration::from_secs(1);
/// How many of one organization wait; further ones are refused.
pub const CALLS_WAITING_PER_ORGANIZATION_MAX: usize = 1_024;
/// How long a look-up waits for its turn.
pub const LOOK_UP_WAIT: Duration = Duration::from_secs(1);
/// Callers' secrets, by their hashes, that are remembered as good, and as none.
pub const CALLERS_REMEMBERED_MAX: usize = 8_192;
/// How long a secret that was none is refused without a look.
pub const REFUSED_CALLER_KEEP: Duration = Duration::from_secs(10);
/// How long it is taken for granted that calls can, or cannot, be served.
pub const READINESS_KEEP: Duration = Duration::from_secs(1);
/// How long a call waits for a connection of the database pool.
pub const DATABASE_ACQUIRE_WAIT: Duration = Duration::from_secs(2);
/// How often a warning is repeated that callers can cause; those between are counted.
pub const WARNING_REPEAT_INTERVAL: Duration = Duration::from_secs(10);
/// Callers whose refused changes are counted apart, so that each is told of in the log.
pub const CALLERS_LOGGED_MAX: usize = 1_024;
/// How long open calls and streams may take when the process stops.
pub const STOP_WAIT: Duration = Duration::from_secs(5);
/// Shortest, usual and longest time that a request into an account waits.
pub const REQUEST_TIMEOUT_MS_DEFAULT: u32 = 2_000;
/// See [`REQUEST_TIMEOUT_MS_DEFAULT`].
pub const REQUEST_TIMEOUT_MS_MAX: u32 = 10_000;
/// How long the user JWT of such a request is good.
pub const REQUEST_JWT_SECONDS: i64 = 60;
/// What the answer may take on its way beside the time that the account's service has.
pub const REQUEST_LANE_SLACK: Duration = Duration::from_millis(500);

const _: () = assert!(
    REQUEST_TIMEOUT_MS_MAX as i64 / 1000 < REQUEST_JWT_SECONDS,
    "a request's JWT must outlive the longest request"
);
const _: () = assert!(
    ISSUANCES_PER_ACCOUNT_MAX as usize * REVOCATION_BYTES_MAX < tollway_claims::TOKEN_BYTES_MAX * 3 / 4,
    "an account's document must fit when everything that was issued is revoked"
);
const _: () = assert!(
    NODE_REQUESTS_PER_ACCOUNT_MAX * 4 <= NODE_REQUESTS_PER_ORGANIZATION_MAX
        && NODE_REQUESTS_PER_ORGANIZATION_MAX * 4 <= NODE_REQUESTS_MAX
        && NODE_REQUESTS_PER_ORGANIZATION_MAX * 4 <= CALLS_PER_ORGANIZATION_MAX,
    "one account, or a few together, must leave room for the requests of others"
);
const _: () = assert!(
    2 * APPLY_WAITERS_PER_ORGANIZATION_MAX <= CALLS_PER_ORGANIZATION_MAX,
    "calls that wait for cells must leave room for others of the organization"
);
const _: () = assert!(
    LOOK_UPS_OF_KNOWN_MAX
        + LOOK_UPS_OF_PLATFORM_MAX
        + LOOK_UPS_OF_STRANGERS_MAX
        + TENANT_CONNECTIONS as usize
        + 4
        <= POOL_CONNECTIONS as usize,
    "finding out who calls, and what tenants do, must leave connections to those who run the platform"
);
const _: () = assert!(
    2 * tollway_claims::TOKEN_BYTES_MAX + UPDATE_PART_BYTES_MAX < FLEET_MESSAGE_BYTES_MAX,
    "a part of an update with one huge account must fit into a message"
);
const _: () = assert!(
    NODE_SEEN_INTERVAL.as_secs() * 2 < tollway_datastore::NODE_SILENCE_MAX.as_secs(),
    "a node that is there must be noted in time"
);
const _: () = assert!(
    8 * REQUEST_BODY_BYTES_MAX <= ORGANIZATION_BODIES_BYTES_MAX
        && 5 * ORGANIZATION_BODIES_BYTES_MAX <= TENANTS_BODIES_BYTES_MAX
        && ANONYMOUS_BODY_BYTES_MAX <= STRANGER_BODY_BYTES_MAX
        && 64 * STRANGER_BODY_BYTES_MAX <= PEER_BODIES_BYTES_MAX
        && 4 * PEER_BODIES_BYTES_MAX <= STRANGERS_BODIES_BYTES_MAX,
    "a few large bodies must not keep all others waiting"
);
const _: () = assert!(
    APPLY_WAIT.as_secs() < CONNECTION_CLOSE_WAIT.as_secs()
        && REQUEST_TIMEOUT_MS_MAX as u64 / 1000 < CONNECTION_CLOSE_WAIT.as_secs(),
    "a connection that ends must let its calls finish"
);
const _: () = assert!(
    REQUEST_BODY_BYTES_MAX < FLEET_MESSAGE_BYTES_MAX,
    "what a caller may send must fit onto the fleet stream"
);
