//! Every bound of the broker that is not a limit a tenant was granted.
//!
//! A queue, a buffer or a loop that a client can make grow has its bound here,
//! so that one page answers what a node can be made to hold.

use std::time::Duration;

/// Connections that the kernel may hold for us before we accept them. A restart
/// brings all clients of a node back within the same second.
pub const LISTEN_BACKLOG: i32 = 4096;

/// The argument part of one control line, and with it all that is kept of a
/// client that is not authenticated yet. The stock server's default.
pub const CONTROL_LINE_MAX: usize = tollway_wire::bounds::CONTROL_LINE_BYTES_DEFAULT as usize;

/// What one thread reads at once when a single account keeps it busy.
pub const READ_CHUNK_ALONE: usize = 128 * 1024;

/// What one turn of a connection reads while another account is active too:
/// turn length is what a neighbour's tail latency is made of.
pub const READ_CHUNK_SHARED: usize = 32 * 1024;

/// How long another account counts as active after its last turn.
pub const NEIGHBOUR_WINDOW: Duration = Duration::from_millis(5);

/// Bytes of an unfinished frame up to which it is copied in front of the next
/// read. Longer ones keep a buffer of their own that is read into directly.
pub const CARRY_COPY_MAX: usize = 16 * 1024;

/// Bytes staged by one turn for all its receivers together; the turn ends when they are reached.
pub const STAGED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Receivers staged by one turn, for the same reason.
pub const STAGED_RECEIVERS_MAX: usize = 8192;

/// Empty staging buffers that a thread keeps, by capacity together and each.
pub const STAGING_POOL_BYTES_MAX: usize = 1024 * 1024;
/// See [`STAGING_POOL_BYTES_MAX`].
pub const STAGING_BUFFER_KEEP_MAX: usize = 128 * 1024;

/// Room that a connection keeps after others appended to what was being sent.
pub const TAIL_KEEP_MAX: usize = 4096;

/// Steps of one turn; then others have their turn, even in the middle of a message with many
/// receivers. A step is roughly 0.1 µs of work: a node or a value that a match passes, a delivery,
/// [`STEP_BYTES`] that are copied. More when a single account keeps the thread busy.
pub const TURN_STEPS_SHARED: usize = 4096;
/// See [`TURN_STEPS_SHARED`]. Longer turns send more messages with one system call.
pub const TURN_STEPS_ALONE: usize = 32 * 1024;

/// Bytes of a delivery that are one step.
pub const STEP_BYTES: usize = 512;

/// Steps that another receiver in a turn counts for: it is found again, and has a buffer.
pub const RECEIVER_STEPS: usize = 4;

/// Receivers that are sent to in one go at the end of a turn: each is a lock and a system call.
pub const FLUSH_RECEIVERS_MAX: usize = 128;

/// Steps that a subscription counts for when it is made and when it ends, beside its tokens.
pub const SUBSCRIBE_STEPS: usize = 16;

/// Steps that a login counts for: two signatures are checked.
pub const LOGIN_STEPS: usize = 1024;

/// Users whose JWTs need not be checked again. Each can take some kilobytes, as long as nobody is
/// connected as that user; what is shared with connections is theirs.
pub const KNOWN_USERS_MAX: usize = 1024;

/// Different rights that are noted before those are looked for that no user has any more. Each note
/// takes some tens of bytes, and keeps nothing else.
pub const COMMON_RIGHTS_TIDY: usize = 128;

/// Steps of one look into an account's subscriptions, and with it how long those who change them
/// wait for the lock. What is found in one look is remembered for the next message; a subject that
/// takes more is matched and delivered look by look.
pub const LOOK_STEPS_MAX: usize = 2048;

/// The dearest bcrypt hash that is taken as a password: at 16 a check takes some seconds, more than
/// a client has to authenticate.
pub const BCRYPT_COST_MAX: u32 = 16;

/// The same of a look at all subscriptions of an account, for who asks about them: there is no turn that
/// it would lengthen, and clients wait for the lock.
pub const VISIT_STEPS_MAX: usize = 512;

/// Deliveries of one message up to so many steps are made without looking whether the turn is over.
pub const WHOLE_STEPS_MAX: usize = 256;

/// Subscriptions that a client loses in one go when it leaves.
pub const LEAVE_STEPS_MAX: usize = 256;

/// Subscriptions of a client that are looked at in one go when its permissions changed.
pub const RECHECK_STEPS_MAX: usize = 256;

/// Turns that a connection takes without going behind others, even when each of them finds its
/// socket empty in the end: what the sockets wake runs before what waits in the queue.
pub const TURNS_IN_A_ROW_MAX: usize = 8;

/// Turns that a client has after its time to authenticate, when something of it waits to be read: its
/// login may have arrived in time. A control line comes in fewer, also with each byte of it in a frame
/// of a websocket.
pub const OVERTIME_TURNS_MAX: u8 = 16;

/// What a turn reads of a client that has used up its rate. Less would be a system call for each
/// message; more would be a debt that lasts too long at a low rate.
pub const THROTTLED_READ_MIN: usize = 256;

/// What is read for each message that a client may send at present.
pub const RATIONED_MESSAGE_BYTES: u64 = 1024;

/// What a turn reads that refuses messages because of a rate.
pub const REFUSING_READ_MAX: usize = 16 * 1024;

/// A message to `$JS.ACK.` that is longer is not taken for an acknowledgement, which is exempt from
/// rates.
pub const ACKNOWLEDGEMENT_BYTES_MAX: usize = 512;

/// How long a rate may take to send what waits for one receiver. Whoever has more waiting is a slow
/// consumer, as is one whose socket takes nothing for so long: clients wait about as long for the
/// PONG that comes behind it.
pub const RATED_WAIT_MAX: Duration = Duration::from_secs(10);

/// The same for what other accounts ask. Who asks does not wait much longer for the answer; and what
/// is left of [`RATED_WAIT_MAX`] is the account's own, which strangers must not fill.
pub const REQUEST_WAIT_MAX: Duration = Duration::from_secs(2);

/// Characters of a subject, a name or a reason in an event of an account.
pub const EVENT_TEXT_MAX: usize = 256;

/// Users of one account that are not connected and whose rates are remembered.
pub const IDLE_SHARES_MAX: usize = 4096;

/// Receivers of a message from which on messages of a turn to the same ones are delivered together.
pub const BROADCAST_RECEIVERS_MIN: usize = 4;

/// Steps of a message up to which it is delivered together with others, without a pause between
/// its receivers.
pub const BROADCAST_STEPS_MAX: usize = 2048;

/// Bytes that may wait for one receiver before it is a slow consumer.
pub const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that the clients of one account may make the node hold: what waits for receivers,
/// unfinished messages, filters, leave to answer.
pub const ACCOUNT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The part of the machine's memory that all accounts may make the node hold: one of so many.
pub const NODE_MEMORY_PART: usize = 2;

/// What an account may hold for good although the node is full.
pub const NODE_FULL_ACCOUNT_MIN: usize = 1024 * 1024;

/// Requests of one account that others may answer at the same time, and the bytes that each takes
/// beside its reply subject. Who asks more loses the way back of its oldest ones.
pub const OPEN_REQUESTS_MAX: usize = 64 * 1024;
/// See [`OPEN_REQUESTS_MAX`].
pub const OPEN_REQUEST_BYTES: usize = 256;
/// The part of an account's memory that its open requests may take: one of so many.
pub const OPEN_REQUESTS_MEMORY_PART: usize = 16;
/// How often somebody looks for open requests whose time is over.
pub const OPEN_REQUESTS_LOOK: Duration = Duration::from_millis(250);

/// Imports of one account that receive the same message of a stream. An account may import a
/// subject by many filters that overlap, and the publisher's turn pays for each.
pub const IMPORTS_OF_MESSAGE_MAX: usize = 16;

/// Accounts that one request passes on its way, when exporters import what they export.
pub const REQUEST_HOPS_MAX: usize = 8;

/// Services that one request goes to, those of all hops together.
pub const REQUEST_SERVICES_MAX: usize = 256;

/// Steps that a message takes in another account, beside its receivers.
pub const CROSSING_STEPS: usize = 8;

/// Bytes of a subject after a mapping or an import renamed it: as long as a client's may be.
pub const MAPPED_SUBJECT_MAX: usize = CONTROL_LINE_MAX;

/// Bytes of a request with its sender's header that a publisher keeps room for.
pub const CROSSING_BODY_KEEP_MAX: usize = 16 * 1024;

/// Events that wait to be told in the system account; what happens meanwhile is not told.
pub const SYSTEM_EVENTS_WAITING_MAX: usize = 4096;

/// Questions to the node that wait to be answered: of tenants all together, and of the system account.
pub const QUESTIONS_WAITING_MAX: usize = 4096;
/// Those of one tenant. Who asks more hears that nobody is there.
pub const TENANT_QUESTIONS_MAX: usize = 4;
/// Those of the system account.
pub const SYSTEM_QUESTIONS_MAX: usize = 256;
/// Bytes of the body of a question: a few options.
pub const QUESTION_BYTES_MAX: usize = 16 * 1024;

/// How often the numbers of each account in use are told in the system account.
pub const ACCOUNT_NUMBERS_INTERVAL: Duration = Duration::from_secs(30);
/// How long nothing is told of accounts whose numbers change after that was told.
pub const ACCOUNT_NUMBERS_PAUSE: Duration = Duration::from_millis(100);

/// Response times that wait to be told.
pub const MEASUREMENTS_WAITING_MAX: usize = 1024;
/// Refusals that wait to be told to the accounts of those who were refused.
pub const EVENTS_WAITING_MAX: usize = 1024;

/// Headers of a request among which those of a trace are looked for: they are kept while the request is
/// open, and repeated where its response time is told.
pub const TRACE_HEADERS_BYTES_MAX: usize = 8 * 1024;

/// What a subscription takes beside its filter's place and its own bytes: its place in the owner's
/// table, and what an allocator adds to six allocations.
pub const SUBSCRIPTION_BYTES: usize = 192;

/// Bytes of one connection that are not worth counting; what it keeps at rest is less.
pub const UNCOUNTED_BYTES_MAX: usize = 2 * TAIL_KEEP_MAX;

/// Bytes of messages that are billed together once they were sent, when each publisher brings little.
pub const PART_BYTES: usize = 64 * 1024;

/// How long a publisher pauses when three quarters of that wait for one of its
/// receivers, so that a consumer that is only a little slower slows its
/// publishers down instead of dying.
pub const PUBLISHER_STALL: Duration = Duration::from_millis(5);

/// Rounds that a publisher sends for one receiver while others keep appending.
/// Then the receiver's own task goes on: a publisher must not become a writer.
pub const FLUSH_ROUNDS_MAX: usize = 4;

/// Bytes that one turn sends to one receiver, at least; then its own task goes on after others.
pub const SEND_TURN_MAX: usize = 1024 * 1024;

/// Receivers of its last subject that a publisher remembers between turns.
/// More are looked up again: ten thousand clients of a broadcast that all
/// remember each other would be a hundred million references.
pub const MEMO_KEEP_MAX: usize = 64;

/// A receiver whose socket takes not one byte for this long is a slow consumer.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a closing connection may take to accept its last words.
pub const CLOSE_FLUSH: Duration = Duration::from_millis(500);

/// How long and how much a closing connection goes on reading what was already
/// on its way, so that the kernel's reset does not overtake the last words.
pub const CLOSE_LINGER: Duration = Duration::from_millis(200);
/// See [`CLOSE_LINGER`].
pub const CLOSE_LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Tokens of a filter that a client subscribes with: each one can be a node of the account's
/// subscriptions. Stock servers have a setting for that and no limit by default.
pub const SUBSCRIPTION_TOKENS_MAX: usize = 128;

/// PINGs that may stay unanswered before a connection is stale.
pub const PINGS_UNANSWERED_MAX: u32 = 2;

/// Replies of one internal request, and their bytes together.
pub const INTERNAL_REPLIES_MAX: usize = 1024;
/// See [`INTERNAL_REPLIES_MAX`].
pub const INTERNAL_REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest an internal request waits for replies.
pub const INTERNAL_DEADLINE_MAX: Duration = Duration::from_secs(300);

/// How often a line about strangers is logged (who was refused, or did not speak the protocol); the
/// rest is only counted.
pub const STRANGER_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of what such a line says about why: what strangers send can be in it.
pub const STRANGER_LOG_REASON_MAX: usize = 200;

/// Clients above the limit of connections that are being told so; further ones
/// are closed without a word, because telling takes a descriptor and a moment.
pub const REFUSED_MAX: usize = 128;

/// Threads of the operator's own work. Two, so that a big document being checked does not hold up
/// the metrics.
pub const OPERATOR_THREADS: usize = 2;

/// The longest time between two clients that a leaving node closes.
pub const LEAVING_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long clients may read INFO `ldm` before a stopping node closes them.
pub const LAME_DUCK: Duration = Duration::from_millis(250);

/// Connections that ended and are remembered, when nothing else is said, as on a stock server; and
/// the bytes that they take together, whatever is said.
pub const CLOSED_CONNECTIONS: usize = 10_000;
/// See [`CLOSED_CONNECTIONS`].
pub const CLOSED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Subscriptions that are remembered of a connection that ended, and bytes of their filters, groups and ids.
pub const CLOSED_SUBSCRIPTIONS_MAX: usize = 32;
/// See [`CLOSED_SUBSCRIPTIONS_MAX`].
pub const CLOSED_SUBSCRIPTION_BYTES_MAX: usize = 2048;

/// How often the round trip to a client is measured while somebody looks.
pub const ROUND_TRIP_LOOK: Duration = Duration::from_secs(60);

/// How long a stopping node waits for its connections to end.
pub const DRAIN: Duration = Duration::from_secs(3);

/// The most that a control line may be allowed to have.
pub const CONTROL_LINE_CEILING: usize = 15 * 1024;

// All that the system account may ask has a place.
const _: () = assert!(SYSTEM_QUESTIONS_MAX <= QUESTIONS_WAITING_MAX);
// A turn must be able to use what one look finds.
const _: () = assert!(LOOK_STEPS_MAX <= TURN_STEPS_SHARED);
const _: () = assert!(BROADCAST_STEPS_MAX <= TURN_STEPS_SHARED);
const _: () = assert!(READ_CHUNK_SHARED <= READ_CHUNK_ALONE);
// A frame that was copied in front must leave room to read the rest of it.
const _: () = assert!(CARRY_COPY_MAX < READ_CHUNK_ALONE);
const _: () = assert!(CONTROL_LINE_CEILING + 64 < CARRY_COPY_MAX);
const _: () = assert!(CONTROL_LINE_MAX <= CONTROL_LINE_CEILING);
// What one turn stages for one receiver must not make it a slow consumer alone.
const _: () = assert!(STAGED_BYTES_MAX < PENDING_BYTES_MAX / 4);
// One receiver alone is stopped before its account is full.
const _: () = assert!(PENDING_BYTES_MAX < ACCOUNT_BYTES_MAX);
// What other accounts ask must not make a receiver a slow consumer.
const _: () = assert!(REQUEST_WAIT_MAX.as_millis() * 2 < RATED_WAIT_MAX.as_millis());
const _: () = assert!(TAIL_KEEP_MAX < STAGING_BUFFER_KEEP_MAX);
const _: () = assert!(STAGING_BUFFER_KEEP_MAX < STAGING_POOL_BYTES_MAX);
