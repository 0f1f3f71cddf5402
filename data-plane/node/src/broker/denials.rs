//! What an account's clients were refused: counted by kind, and told in the account itself.
//!
//! Clients hear the texts of stock servers, which do not say why. The account hears why, on
//! `$TOLLWAY.EVENT.REFUSED.<kind>`, if anybody listens there: a tenant sees all of its own refusals
//! and nobody else's. Nobody but the node publishes on these subjects. Of each kind there is at most
//! one event per second; what else happened meanwhile is counted in the next one. So whoever is
//! refused a million times, and be it a stranger who only names the account, makes neither the
//! node nor the account do more than that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use time::OffsetDateTime;
use tollway_accounts::{EventGate, Events};
use tollway_subject::FilterBuf;

use super::account::Account;
use super::bounds::EVENT_TEXT_MAX;
use super::clock;
use super::latency::{Measurement, id, rfc3339};
use super::shared::Shared;
use super::user::{Origin, User};

/// Where events of the node are; no client publishes there.
pub(crate) const EVENT_PREFIX: &[u8] = b"$TOLLWAY.";

/// What was refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Denied {
    ConnectAuthorization,
    ConnectConnections,
    ConnectUserConnections,
    PublishPermission,
    PublishRate,
    PublishPayload,
    SubscribePermission,
    SubscribeSubscriptions,
    SubscribeTokens,
    SubscribeMemory,
    ReceiveMemory,
    ReceiveRate,
}

impl Denied {
    pub(crate) const ALL: [Self; 12] = [
        Self::ConnectAuthorization,
        Self::ConnectConnections,
        Self::ConnectUserConnections,
        Self::PublishPermission,
        Self::PublishRate,
        Self::PublishPayload,
        Self::SubscribePermission,
        Self::SubscribeSubscriptions,
        Self::SubscribeTokens,
        Self::SubscribeMemory,
        Self::ReceiveMemory,
        Self::ReceiveRate,
    ];

    /// A stable word for subjects, events and metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ConnectAuthorization => "connect.authorization",
            Self::ConnectConnections => "connect.connections",
            Self::ConnectUserConnections => "connect.user_connections",
            Self::PublishPermission => "publish.permission",
            Self::PublishRate => "publish.rate",
            Self::PublishPayload => "publish.payload",
            Self::SubscribePermission => "subscribe.permission",
            Self::SubscribeSubscriptions => "subscribe.subscriptions",
            Self::SubscribeTokens => "subscribe.tokens",
            Self::SubscribeMemory => "subscribe.memory",
            Self::ReceiveMemory => "receive.memory",
            Self::ReceiveRate => "receive.rate",
        }
    }
}

/// One refusal, with everything that the account is told about it.
#[derive(Debug, Clone)]
pub(crate) struct Denial {
    pub(crate) at: OffsetDateTime,
    pub(crate) subject: Option<String>,
    pub(crate) queue: Option<String>,
    /// What decided: a rule as the claim has it, a limit with its number, a word.
    pub(crate) rule: String,
    pub(crate) reason: Option<String>,
    pub(crate) user: DeniedUser,
    pub(crate) client: DeniedClient,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DeniedUser {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Whose credentials they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

impl From<&User> for DeniedUser {
    fn from(user: &User) -> Self {
        match &user.origin {
            Origin::Signed(login) => {
                let claims = login.user.claims();
                Self {
                    name: Some(shortened(&claims.name)),
                    key: Some(claims.subject.to_string()),
                    id: claims.user.clone(),
                }
            }
            Origin::Listed(listed) => Self {
                name: listed.name.as_deref().map(shortened),
                ..Self::default()
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DeniedClient {
    pub(crate) id: u64,
    pub(crate) ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

/// What one account was told lately.
#[derive(Default)]
pub(crate) struct Denials(Mutex<HashMap<Denied, EventGate<Box<Denial>>>>);

#[derive(Serialize)]
struct Event<'e> {
    r#type: &'static str,
    id: String,
    timestamp: String,
    account: &'e str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'e str>,
    rule: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'e str>,
    user: &'e DeniedUser,
    client: &'e DeniedClient,
    /// How many refusals of this kind it stands for; the rest is about the first of them.
    count: u64,
    first: String,
    last: String,
}

/// Counts a refusal, and tells the account if anybody there listens.
pub(crate) fn deny(
    shared: &Arc<Shared>,
    account: &Arc<Account>,
    kind: Denied,
    describe: impl FnOnce() -> Denial,
) {
    deny_many(shared, account, kind, 1, describe);
}

/// The same, of several of one kind that happened together.
pub(crate) fn deny_many(
    shared: &Arc<Shared>,
    account: &Arc<Account>,
    kind: Denied,
    count: u64,
    describe: impl FnOnce() -> Denial,
) {
    account.meters.add_refusals(kind, count);
    let subject = subject(kind);
    if !account.listens(subject.as_bytes()) {
        return;
    }
    let now = clock::now();
    let (told, held_until) = {
        let mut gates = account.denials.0.lock();
        let gate = gates.entry(kind).or_default();
        let waited_for = gate.poll_timeout().is_some();
        let told = gate.handle_events(now, count, || Box::new(describe()));
        (told, gate.poll_timeout().filter(|_| !waited_for))
    };
    if let Some(events) = told {
        announce(shared, account, kind, &events);
    }
    if let Some(until) = held_until {
        let (shared, account) = (shared.clone(), account.clone());
        tokio::spawn(async move {
            tokio::time::sleep(until.saturating_sub(now)).await;
            tell_held(&shared, &account, kind).await;
        });
    }
}

/// Tells what was held back. There is one who waits for each gate that holds something.
async fn tell_held(shared: &Arc<Shared>, account: &Arc<Account>, kind: Denied) {
    loop {
        let now = clock::now();
        let wait = {
            let mut gates = account.denials.0.lock();
            let gate = gates.entry(kind).or_default();
            match gate.handle_timeout(now) {
                Some(events) => {
                    drop(gates);
                    return announce(shared, account, kind, &events);
                }
                None => gate.poll_timeout(),
            }
        };
        // The timer rang a little early.
        let Some(until) = wait else { return };
        tokio::time::sleep(until.saturating_sub(now).max(Duration::from_millis(1))).await;
    }
}

fn announce(shared: &Shared, account: &Arc<Account>, kind: Denied, events: &Events<Box<Denial>>) {
    let denial = &events.first;
    let now = OffsetDateTime::now_utc();
    let event = Event {
        r#type: "io.tollway.node.v1.refused",
        id: id(),
        timestamp: rfc3339(now),
        account: &account.label,
        kind: kind.word(),
        subject: denial.subject.as_deref(),
        queue: denial.queue.as_deref(),
        rule: &denial.rule,
        reason: denial.reason.as_deref(),
        user: &denial.user,
        client: &denial.client,
        count: events.count,
        first: rfc3339(denial.at),
        last: rfc3339(now - clock::now().saturating_sub(events.last_at)),
    };
    let payload = serde_json::to_vec(&event).expect("texts and numbers are JSON");
    shared.desk.publish(Measurement {
        exporter: account.clone(),
        subject: subject(kind),
        payload,
    });
}

fn subject(kind: Denied) -> FilterBuf {
    let subject = format!("$TOLLWAY.EVENT.REFUSED.{}", kind.word());
    FilterBuf::new(subject.as_bytes()).expect("words with dots between them are a subject")
}

/// As much of a text as the account is told.
pub(crate) fn shortened(text: &str) -> String {
    // Much of it a client chose; who reads it with a terminal must not be told what to do.
    let harmless = |character: char| match character.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => character,
    };
    text.chars().take(EVENT_TEXT_MAX).map(harmless).collect()
}

/// The same, of what a client sent.
pub(crate) fn shortened_bytes(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(4 * EVENT_TEXT_MAX)];
    shortened(&String::from_utf8_lossy(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_chose_is_told_short_and_without_control_characters() {
        assert_eq!(
            shortened_bytes(b"a\x1b[2Jb\0\xff"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}"
        );
        assert_eq!(shortened(&"\n".repeat(1000)), "\u{fffd}".repeat(EVENT_TEXT_MAX));
    }

    #[test]
    fn every_kind_has_a_place_and_a_word_of_its_own() {
        let words: std::collections::HashSet<_> = Denied::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), Denied::ALL.len());
        for (place, kind) in Denied::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert!(subject(kind).as_bytes().starts_with(EVENT_PREFIX));
        }
    }
}
