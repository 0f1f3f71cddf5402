//! Who comes and goes, and who was not let in.
//!
//! The JWT that a client showed is not part of an event, as it is on stock servers: with a bearer
//! token, who reads that can be the user.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use time::OffsetDateTime;
use tollway_claims::ConnectionType;

use super::super::card::ConnectionView;
use super::super::client::{Client, Sink};
use super::super::close_reason::CloseReason;
use super::super::latency::{id, rfc3339};
use super::super::shared::Shared;
use super::super::user::Origin;
use super::server::ServerView;

const CONNECTED: &str = "io.nats.server.advisory.v1.client_connect";
const DISCONNECTED: &str = "io.nats.server.advisory.v1.client_disconnect";

#[derive(Serialize)]
struct Connected {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerView,
    client: ClientInfo,
}

#[derive(Serialize)]
struct Disconnected {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerView,
    client: ClientInfo,
    /// What the client sent, and what it was sent.
    sent: Traffic,
    received: Traffic,
    reason: &'static str,
}

#[derive(Serialize)]
struct Traffic {
    msgs: u64,
    bytes: u64,
}

/// A client as stock servers describe it.
#[derive(Serialize)]
struct ClientInfo {
    start: String,
    host: String,
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    acc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ver: Option<String>,
    /// Nanoseconds to the client and back, when that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_tag: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    kind: &'static str,
    client_type: &'static str,
}

/// A client is in.
pub(crate) fn connected(shared: &Arc<Shared>, client: &Arc<Client>, over: ConnectionType) {
    let Some(account) = shared.system.listener() else {
        return;
    };
    shared.system.note_change(&client.account);
    let subject = format!("$SYS.ACCOUNT.{}.CONNECT", client.account.label);
    shared.system.tell_in(account, &subject, || {
        json(&Connected {
            r#type: CONNECTED,
            id: id(),
            timestamp: rfc3339(OffsetDateTime::now_utc()),
            server: shared.system.server(&shared.settings),
            client: ClientInfo::of(client, over).0,
        })
    });
}

/// A client that was in is out.
pub(crate) fn disconnected(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    over: ConnectionType,
    reason: &CloseReason,
) {
    let Some(account) = shared.system.listener() else {
        return;
    };
    shared.system.note_change(&client.account);
    let subject = format!("$SYS.ACCOUNT.{}.DISCONNECT", client.account.label);
    shared.system.tell_in(account, &subject, || {
        let (mut info, view) = ClientInfo::of(client, over);
        let now = rfc3339(OffsetDateTime::now_utc());
        info.stop = Some(now.clone());
        let round_trip = view.as_ref().and_then(|view| view.round_trip);
        info.rtt = round_trip.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let (sent, received) = view.map_or((Traffic::NONE, Traffic::NONE), |view| {
            let sent = Traffic {
                msgs: view.in_messages,
                bytes: view.in_bytes,
            };
            let received = Traffic {
                msgs: view.out_messages,
                bytes: view.out_bytes,
            };
            (sent, received)
        });
        json(&Disconnected {
            r#type: DISCONNECTED,
            id: id(),
            timestamp: now,
            server: shared.system.server(&shared.settings),
            client: info,
            sent,
            received,
            reason: reason.stock(),
        })
    });
}

/// Somebody who was not let in. The texts are what it said of itself, as much of them as is told.
pub(crate) struct Stranger {
    pub(crate) id: u64,
    pub(crate) ip: IpAddr,
    /// The account that it named, if that is served here.
    pub(crate) account: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) lang: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) over: ConnectionType,
}

/// A client was not let in, because of this rule.
pub(crate) fn refused(shared: &Arc<Shared>, rule: &str, describe: impl FnOnce() -> Stranger) {
    let Some(account) = shared.system.listener() else {
        return;
    };
    let subject = format!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", shared.settings.server_id);
    shared.system.tell_in(account, &subject, || {
        let stranger = describe();
        let now = rfc3339(OffsetDateTime::now_utc());
        json(&Disconnected {
            r#type: DISCONNECTED,
            id: id(),
            timestamp: now.clone(),
            server: shared.system.server(&shared.settings),
            client: ClientInfo {
                start: now.clone(),
                host: stranger.ip.to_string(),
                id: stranger.id,
                acc: stranger.account,
                user: stranger.user,
                name: stranger.name,
                lang: stranger.lang,
                ver: stranger.version,
                rtt: None,
                stop: Some(now),
                issuer_key: None,
                name_tag: None,
                tags: Vec::new(),
                kind: "Client",
                client_type: client_type(stranger.over),
            },
            sent: Traffic::NONE,
            received: Traffic::NONE,
            reason: refused_by(rule),
        })
    });
}

/// What stock servers call it.
fn refused_by(rule: &str) -> &'static str {
    match rule {
        "timeout" => "Authentication Timeout",
        "account_connections" | "user_connections" => "Maximum Account Connections Exceeded",
        _ => "Authentication Failure",
    }
}

impl Traffic {
    const NONE: Self = Self { msgs: 0, bytes: 0 };
}

impl ClientInfo {
    fn of(client: &Client, over: ConnectionType) -> (Self, Option<ConnectionView>) {
        let view = match &client.sink {
            Sink::Socket(outbound) => Some(outbound.card.read(outbound.id).0),
            Sink::Inbox(_) | Sink::System(_) => None,
        };
        let user = client.user();
        let (issuer_key, tags) = match &user.origin {
            Origin::Signed(login) => {
                let claims = login.user.claims();
                (Some(claims.issuer.to_string()), claims.tags.clone())
            }
            Origin::Listed(_) => (None, Vec::new()),
        };
        let since = view.as_ref().map_or_else(SystemTime::now, |view| view.since);
        let said =
            |of: fn(&ConnectionView) -> &Option<String>| view.as_ref().and_then(|view| of(view).clone());
        let info = Self {
            start: rfc3339(since.into()),
            host: view
                .as_ref()
                .map(|view| view.peer.ip().to_canonical().to_string())
                .unwrap_or_default(),
            id: client.id,
            acc: Some(client.account.label.to_string()),
            user: user.name(),
            name: said(|view| &view.name),
            lang: said(|view| &view.lang),
            ver: said(|view| &view.version),
            rtt: None,
            stop: None,
            issuer_key,
            name_tag: Some(client.account.served().claims().name.clone()),
            tags,
            kind: "Client",
            client_type: client_type(over),
        };
        (info, view)
    }
}

fn client_type(over: ConnectionType) -> &'static str {
    match over {
        ConnectionType::Websocket => "websocket",
        _ => "nats",
    }
}

fn json(event: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(event).expect("texts and numbers are JSON")
}
