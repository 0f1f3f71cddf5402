//! Requests of one account that another account may answer.
//!
//! A request that crosses gets a reply subject of ours, `_R_.` and 32 characters. A third of them
//! finds the account that asked, the rest is the request's secret: 128 random bits that nobody
//! knows but who receives the request. Only clients of the account that the request went to can
//! use it, and only until the answer came, the export's time is over, or the grant is withdrawn.
//!
//! ```text
//! billing asks, reply _INBOX.x ──▶ open(_INBOX.x, orders) ──▶ orders gets the request, reply _R_.…
//! orders publishes to _R_.…    ──▶ answer(…, orders)      ──▶ _INBOX.x, in billing alone
//! ```
//!
//! The table belongs to the account that asks, is counted in its memory, and is bounded: who asks
//! more than that at once loses the way back of its own oldest requests.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use parking_lot::Mutex;
use tollway_accounts::ServiceRoute;
use tollway_claims::ResponseType;

use super::bounds::{OPEN_REQUEST_BYTES, OPEN_REQUESTS_MAX};
use super::crossing::Crossing;
use super::latency::Measured;
use super::memory::Memory;

/// What subjects begin with that lead answers back.
pub(crate) const ANSWER_PREFIX: &[u8] = b"_R_.";

const TAG_BYTES: usize = 8;
const SECRET_BYTES: usize = 16;
const TOKEN_BYTES: usize = TAG_BYTES + SECRET_BYTES;
/// Without padding, four characters for three bytes.
const TOKEN_CHARACTERS: usize = TOKEN_BYTES / 3 * 4;

/// Bytes of a subject that leads an answer back.
pub(crate) const ANSWER_SUBJECT_BYTES: usize = ANSWER_PREFIX.len() + TOKEN_CHARACTERS;

/// What finds one open request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// Whose request it is: see [`OpenRequests::tag`].
    pub(crate) tag: u64,
    secret: u128,
}

impl Token {
    /// Reads a subject that leads an answer back.
    pub(crate) fn of_subject(subject: &[u8]) -> Option<Self> {
        let text = subject.strip_prefix(ANSWER_PREFIX)?;
        if text.len() != TOKEN_CHARACTERS {
            return None;
        }
        let mut bytes = [0; TOKEN_BYTES];
        BASE64URL_NOPAD.decode_mut(text, &mut bytes).ok()?;
        let (tag, secret) = bytes.split_at(TAG_BYTES);
        Some(Self {
            tag: u64::from_le_bytes(tag.try_into().ok()?),
            secret: u128::from_le_bytes(secret.try_into().ok()?),
        })
    }

    pub(crate) fn subject(self) -> [u8; ANSWER_SUBJECT_BYTES] {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..TAG_BYTES].copy_from_slice(&self.tag.to_le_bytes());
        bytes[TAG_BYTES..].copy_from_slice(&self.secret.to_le_bytes());
        let mut subject = [0; ANSWER_SUBJECT_BYTES];
        subject[..ANSWER_PREFIX.len()].copy_from_slice(ANSWER_PREFIX);
        BASE64URL_NOPAD.encode_mut(&bytes, &mut subject[ANSWER_PREFIX.len()..]);
        subject
    }
}

/// A request that waits for its answer.
pub(crate) struct OpenRequest {
    /// Where the answer goes, in the account that asks.
    pub(crate) reply: Box<[u8]>,
    /// The number of the account whose clients may answer.
    pub(crate) answerer: u64,
    pub(crate) response: ResponseType,
    /// How long it stays open, from the request or the last part of its answer on.
    pub(crate) threshold: Duration,
    /// The import that it went by. None when it is itself an answer that asks back.
    pub(crate) route: Option<Arc<ServiceRoute>>,
    /// When response times are told.
    pub(crate) measured: Option<Box<Measured>>,
}

/// A request that was opened.
pub(crate) struct Opened {
    pub(crate) token: Token,
    /// Somebody has to begin to come by for requests whose time is over ([`OpenRequests::expire`]).
    pub(crate) watch: bool,
}

/// An answer that found its request.
pub(crate) struct Answered {
    /// Where it goes, in the account that asked.
    pub(crate) reply: Box<[u8]>,
    /// To be told, once.
    pub(crate) measured: Option<Box<Measured>>,
}

/// All open requests of one account.
pub(crate) struct OpenRequests {
    /// Finds the account among those that its partners know. Random, so that it tells nothing.
    pub(crate) tag: u64,
    memory: Arc<Memory>,
    bytes_max: usize,
    table: Mutex<Table>,
}

struct Table {
    /// What is granted.
    crossing: Arc<Crossing>,
    open: HashMap<u128, Entry, BuildHasherDefault<SecretHasher>>,
    /// The same requests by the end of their time.
    ends: BTreeSet<(Instant, u128)>,
    bytes: usize,
    /// Whether somebody comes by for what is over.
    watched: bool,
}

struct Entry {
    request: OpenRequest,
    ends: Instant,
}

impl OpenRequests {
    /// None are open. `memory` is that of the account, `bytes_max` how much of it they may take.
    pub(crate) fn new(tag: u64, memory: Arc<Memory>, bytes_max: usize, crossing: Arc<Crossing>) -> Self {
        Self {
            tag,
            memory,
            bytes_max,
            table: Mutex::new(Table {
                crossing,
                open: HashMap::default(),
                ends: BTreeSet::new(),
                bytes: 0,
                watched: false,
            }),
        }
    }

    /// Opens a request. None when it is not granted any more, or when the machine has no random
    /// bytes: then it must not leave. `decided_by` is there when it is known what granted it.
    pub(crate) fn open(
        &self,
        request: OpenRequest,
        decided_by: Option<&Arc<Crossing>>,
        now: Instant,
    ) -> Option<Opened> {
        let secret = secret()?;
        let ends = now + request.threshold;
        let mut table = self.table.lock();
        // Whoever decided a moment ago may have done so by what was in force before.
        let in_force = decided_by.is_some_and(|crossing| Arc::ptr_eq(&table.crossing, crossing));
        if !in_force && !table.crossing.grants(&request) {
            return None;
        }
        let before = table.bytes;
        table.bytes += request.bytes();
        table.open.insert(secret, Entry { request, ends });
        table.ends.insert((ends, secret));
        while table.open.len() > OPEN_REQUESTS_MAX || table.bytes > self.bytes_max {
            let Some(&(_, oldest)) = table.ends.first() else {
                break;
            };
            table.take(oldest);
        }
        self.memory.wait(before, table.bytes);
        Some(Opened {
            token: Token {
                tag: self.tag,
                secret,
            },
            watch: !std::mem::replace(&mut table.watched, true),
        })
    }

    /// An answer of the account `answerer`. The last one, by type or because it is `empty`, closes the request.
    pub(crate) fn answer(&self, token: Token, answerer: u64, empty: bool, now: Instant) -> Option<Answered> {
        let mut table = self.table.lock();
        let entry = table.open.get_mut(&token.secret)?;
        if entry.request.answerer != answerer || entry.ends <= now {
            return None;
        }
        if entry.request.response == ResponseType::Singleton || empty {
            let before = table.bytes;
            let request = table.take(token.secret)?;
            self.memory.wait(before, table.bytes);
            return Some(Answered {
                reply: request.reply,
                measured: request.measured,
            });
        }
        let was = entry.ends;
        entry.ends = now + entry.request.threshold;
        let (ends, reply) = (entry.ends, entry.request.reply.clone());
        table.ends.remove(&(was, token.secret));
        table.ends.insert((ends, token.secret));
        Some(Answered {
            reply,
            measured: None,
        })
    }

    /// Nobody received the request.
    pub(crate) fn withdraw(&self, token: Token) -> Option<Box<Measured>> {
        let mut table = self.table.lock();
        let before = table.bytes;
        let request = table.take(token.secret);
        self.memory.wait(before, table.bytes);
        request?.measured
    }

    /// Something else is granted now: what went by a grant that is none any more is closed.
    pub(crate) fn regrant(&self, crossing: &Arc<Crossing>) {
        let mut table = self.table.lock();
        table.crossing = crossing.clone();
        // Many requests go by few routes.
        let mut known: HashMap<(u64, Option<*const ServiceRoute>), bool> = HashMap::new();
        let mut gone = Vec::new();
        for (secret, Entry { request, .. }) in &table.open {
            let route = (request.answerer, request.route.as_ref().map(Arc::as_ptr));
            if !*known.entry(route).or_insert_with(|| crossing.grants(request)) {
                gone.push(*secret);
            }
        }
        let before = table.bytes;
        for secret in gone {
            table.take(secret);
        }
        self.memory.wait(before, table.bytes);
    }

    /// Closes requests whose time is over, and shows those that are measured. False when none is left.
    pub(crate) fn expire(&self, now: Instant, mut unanswered: impl FnMut(Box<Measured>)) -> bool {
        let mut table = self.table.lock();
        let before = table.bytes;
        while let Some(&(ends, secret)) = table.ends.first()
            && ends <= now
        {
            if let Some(measured) = table.take(secret).and_then(|request| request.measured) {
                unanswered(measured);
            }
        }
        self.memory.wait(before, table.bytes);
        if table.open.is_empty() {
            // What a burst of requests took is given back.
            table.open.shrink_to_fit();
            table.watched = false;
        }
        table.watched
    }
}

impl Drop for OpenRequests {
    fn drop(&mut self) {
        self.memory.wait(self.table.get_mut().bytes, 0);
    }
}

impl Table {
    fn take(&mut self, secret: u128) -> Option<OpenRequest> {
        let Entry { request, ends } = self.open.remove(&secret)?;
        self.ends.remove(&(ends, secret));
        self.bytes -= request.bytes();
        Some(request)
    }
}

impl OpenRequest {
    fn bytes(&self) -> usize {
        let measured = self.measured.as_ref().map_or(0, |measured| measured.bytes());
        OPEN_REQUEST_BYTES + self.reply.len() + measured
    }
}

/// Random numbers need no hash.
#[derive(Default)]
struct SecretHasher(u64);

impl Hasher for SecretHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, secret: u128) {
        self.0 = secret as u64;
    }
}

/// 128 bits that nobody can guess. The system is asked once for many of them.
fn secret() -> Option<u128> {
    const POOL: usize = 32;
    thread_local! {
        static UNUSED: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) };
    }
    UNUSED.with_borrow_mut(|unused| {
        if unused.is_empty() {
            let mut bytes = [0; POOL * SECRET_BYTES];
            getrandom::fill(&mut bytes).ok()?;
            let secrets = bytes.chunks_exact(SECRET_BYTES);
            unused.extend(secrets.map(|secret| {
                u128::from_le_bytes(secret.try_into().expect("a chunk is as long as a secret"))
            }));
        }
        unused.pop()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::memory::NodeMemory;

    const SECOND: Duration = Duration::from_secs(1);
    const ASKED: u64 = 7;
    const OTHER: u64 = 8;

    fn requests() -> (OpenRequests, Arc<Memory>) {
        let memory = Arc::new(Memory::new(1 << 20, Arc::new(NodeMemory::new(1 << 20))));
        (
            OpenRequests::new(42, memory.clone(), 64 * 1024, Arc::default()),
            memory,
        )
    }

    fn open(requests: &OpenRequests, request: OpenRequest, now: Instant) -> Token {
        let granted = requests.table.lock().crossing.clone();
        requests
            .open(request, Some(&granted), now)
            .expect("it is granted")
            .token
    }

    fn request(response: ResponseType) -> OpenRequest {
        OpenRequest {
            reply: (*b"_INBOX.x").into(),
            answerer: ASKED,
            response,
            threshold: SECOND,
            route: None,
            measured: None,
        }
    }

    fn reply(answered: Option<Answered>) -> Option<Vec<u8>> {
        answered.map(|answered| answered.reply.into_vec())
    }

    #[test]
    fn a_subject_leads_to_its_token_and_nothing_else_does() {
        let (requests, _) = requests();
        let now = Instant::now();
        let token = open(&requests, request(ResponseType::Singleton), now);
        let subject = token.subject();
        assert_eq!(Token::of_subject(&subject), Some(token));
        for length in 0..subject.len() {
            assert_eq!(Token::of_subject(&subject[..length]), None);
        }
        assert_eq!(Token::of_subject(&[&subject[..], b".T"].concat()), None);
        let other = open(&requests, request(ResponseType::Singleton), now);
        assert_ne!(other.secret, token.secret);
    }

    #[test]
    fn one_answer_closes_a_singleton_and_only_the_asked_account_gives_it() {
        let (requests, _) = requests();
        let now = Instant::now();
        let token = open(&requests, request(ResponseType::Singleton), now);
        assert_eq!(reply(requests.answer(token, OTHER, false, now)), None);
        assert_eq!(
            reply(requests.answer(token, ASKED, false, now)).as_deref(),
            Some(&b"_INBOX.x"[..])
        );
        assert_eq!(reply(requests.answer(token, ASKED, false, now)), None);
    }

    #[test]
    fn parts_keep_a_request_open_until_an_empty_one_or_silence() {
        let (requests, _) = requests();
        let start = Instant::now();
        for response in [ResponseType::Stream, ResponseType::Chunked] {
            let ended = open(&requests, request(response), start);
            let silent = open(&requests, request(response), start);
            for part in 0..5 {
                let now = start + SECOND * 3 / 4 * part;
                assert!(requests.answer(ended, ASKED, false, now).is_some(), "{part}");
                assert!(requests.answer(silent, ASKED, false, now).is_some(), "{part}");
            }
            let now = start + SECOND * 3;
            assert!(requests.answer(ended, ASKED, true, now).is_some());
            assert!(requests.answer(ended, ASKED, false, now).is_none());
            assert!(requests.answer(silent, ASKED, false, now + SECOND).is_none());
        }
    }

    #[test]
    fn what_is_over_is_given_back() {
        let (requests, memory) = requests();
        let start = Instant::now();
        let tokens: Vec<_> = (0..10)
            .map(|_| open(&requests, request(ResponseType::Singleton), start))
            .collect();
        assert!(memory.waiting() > 0);
        requests.withdraw(tokens[0]);
        requests.answer(tokens[1], ASKED, false, start);
        assert!(
            requests.expire(start + SECOND / 2, |_| {}),
            "there are more to come by for"
        );
        assert!(!requests.expire(start + SECOND, |_| {}));
        assert_eq!(memory.waiting(), 0);
    }

    #[test]
    fn somebody_is_asked_once_to_come_by() {
        let (requests, _) = requests();
        let start = Instant::now();
        let watch = |now| {
            let opened = requests.open(request(ResponseType::Singleton), Some(&Arc::default()), now);
            opened.map(|opened| opened.watch)
        };
        // Nothing is granted: this only opens for who decided by what is in force.
        assert_eq!(watch(start), None);
        let granted = requests.table.lock().crossing.clone();
        let watch = |now| {
            let opened = requests.open(request(ResponseType::Singleton), Some(&granted), now);
            opened.expect("it is granted").watch
        };
        assert!(watch(start) && !watch(start));
        requests.expire(start + SECOND, |_| {});
        assert!(watch(start));
    }

    #[test]
    fn who_asks_too_much_loses_its_own_oldest_requests() {
        let (requests, memory) = requests();
        let start = Instant::now();
        let tokens: Vec<_> = (0..1000)
            .map(|number| {
                let now = start + Duration::from_micros(number);
                open(&requests, request(ResponseType::Singleton), now)
            })
            .collect();
        assert!(memory.waiting() <= 64 * 1024);
        assert!(requests.answer(tokens[0], ASKED, false, start).is_none());
        assert!(requests.answer(tokens[999], ASKED, false, start).is_some());
    }

    #[test]
    fn a_grant_that_ends_takes_its_requests_along() {
        let (requests, memory) = requests();
        let now = Instant::now();
        let token = open(&requests, request(ResponseType::Stream), now);
        requests.regrant(&Arc::default());
        assert!(requests.answer(token, ASKED, false, now).is_none());
        assert_eq!(memory.waiting(), 0);
    }
}
