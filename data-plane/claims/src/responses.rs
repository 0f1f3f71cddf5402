//! Leave to answer: who was asked may publish to the reply subject, a number
//! of times and for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::limit::Limit;
use crate::permissions::ResponsePermission;

/// Reply subjects that one connection can be entitled to at the same time.
/// When there are more, the entitlement that was given first ends early.
pub const RESPONSE_GRANTS_MAX: usize = 4096;

/// Bytes that these take together, see [`ResponseGrants::bytes`], for the same reason: the client
/// decides how long its reply subjects are.
pub const RESPONSE_GRANT_BYTES_MAX: usize = 1024 * 1024;

/// What an entitlement takes beside its subject: its places in both maps, and what an allocator adds.
const GRANT_BYTES: usize = 160;

/// What a claim's response permission comes to, with its defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseRule {
    max: Limit,
    ttl: Option<Duration>,
}

impl From<&ResponsePermission> for ResponseRule {
    fn from(permission: &ResponsePermission) -> Self {
        let max = match permission.max {
            0 => Limit::AtMost(1),
            max => u64::try_from(max).map_or(Limit::Unlimited, Limit::AtMost),
        };
        let ttl = match permission.ttl_ns {
            0 => Some(Duration::from_secs(120)),
            ttl => u64::try_from(ttl).ok().map(Duration::from_nanos),
        };
        Self { max, ttl }
    }
}

impl ResponseRule {
    fn is_over(&self, given_at: Duration, now: Duration) -> bool {
        self.ttl.is_some_and(|ttl| now.saturating_sub(given_at) > ttl)
    }
}

/// The reply subjects that one connection may publish to at present.
///
/// `by_subject` and `by_age` always hold the same grants; `by_age` counts
/// grants in the order they were given. The time is any clock that does not
/// run backwards, such as the time since the connection was made.
#[derive(Debug)]
pub struct ResponseGrants {
    rule: ResponseRule,
    by_subject: HashMap<Arc<[u8]>, Grant>,
    by_age: BTreeMap<u64, Arc<[u8]>>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Grant {
    number: u64,
    given_at: Duration,
    used: u64,
}

impl ResponseGrants {
    pub(crate) fn new(rule: ResponseRule) -> Self {
        Self {
            rule,
            by_subject: HashMap::new(),
            by_age: BTreeMap::new(),
            next: 0,
            bytes: 0,
        }
    }

    /// A message with this reply subject was delivered to the connection. A
    /// subject that it was asked with before counts from the beginning again.
    pub fn handle_delivery(&mut self, reply: &[u8], now: Duration) {
        if reply.is_empty() {
            return;
        }
        self.remove(reply);
        self.drop_expired(now);
        while self.by_subject.len() >= RESPONSE_GRANTS_MAX
            || self.bytes + GRANT_BYTES + reply.len() > RESPONSE_GRANT_BYTES_MAX
        {
            if !self.displace_oldest() {
                break;
            }
        }
        let number = self.next;
        self.next += 1;
        let reply: Arc<[u8]> = reply.into();
        self.bytes += GRANT_BYTES + reply.len();
        self.by_age.insert(number, reply.clone());
        self.by_subject.insert(
            reply,
            Grant {
                number,
                given_at: now,
                used: 0,
            },
        );
    }

    /// Ends the entitlement that was given first. False when there is none.
    pub fn displace_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.by_age.pop_first() else {
            return false;
        };
        self.by_subject.remove(&oldest);
        self.bytes -= GRANT_BYTES + oldest.len();
        true
    }

    /// The connection wants to publish to a subject that its rules do not
    /// allow. True uses up one of the messages it was granted.
    pub fn handle_publish(&mut self, subject: &[u8], now: Duration) -> bool {
        let Some(grant) = self.by_subject.get_mut(subject) else {
            return false;
        };
        if self.rule.is_over(grant.given_at, now) {
            self.remove(subject);
            return false;
        }
        grant.used += 1;
        if !self.rule.max.allows(grant.used + 1) {
            self.remove(subject); // used up: it need not wait for its end
        }
        true
    }

    /// How many reply subjects are held.
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    /// Whether no reply subject is held.
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// About how many bytes the entitlements take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn drop_expired(&mut self, now: Duration) {
        while let Some((_, oldest)) = self.by_age.first_key_value()
            && self.rule.is_over(self.by_subject[oldest].given_at, now)
        {
            self.displace_oldest();
        }
    }

    fn remove(&mut self, reply: &[u8]) {
        if let Some(grant) = self.by_subject.remove(reply) {
            self.by_age.remove(&grant.number);
            self.bytes -= GRANT_BYTES + reply.len();
        }
    }
}
