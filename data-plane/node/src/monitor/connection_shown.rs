//! One connection as `/connz` shows it, in the fields of nats-server.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use serde::Serialize;

use super::connections_wanted::{Listing, idle, up};
use super::subsz::Subscription;
use super::written::{round_trip, time, uptime};
use crate::broker::ConnectionView;
use crate::transport::{CertificateFacts, TlsFacts};

/// The entry.
#[derive(Debug, Serialize)]
pub(super) struct Connection {
    pub(super) cid: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    transport: &'static str,
    ip: String,
    port: u16,
    start: String,
    last_activity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<String>,
    uptime: String,
    idle: String,
    pending_bytes: usize,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    subscriptions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cipher_suite: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_peer_certs: Vec<Certificate>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_first: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorized_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) subscriptions_list_detail: Vec<Subscription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_tag: Option<String>,
}

#[derive(Debug, Serialize)]
struct Certificate {
    subject: String,
    spki_sha256: String,
    cert_sha256: String,
}

impl From<&CertificateFacts> for Certificate {
    fn from(facts: &CertificateFacts) -> Self {
        Self {
            subject: facts.subject.clone(),
            spki_sha256: HEXLOWER.encode(&facts.key_digest),
            cert_sha256: HEXLOWER.encode(&facts.digest),
        }
    }
}

impl Connection {
    /// Who it is in is told `with_login` only. Of one that ended this has the subscriptions too, of
    /// one that is open they come from the accounts.
    pub(super) fn of(view: ConnectionView, now: SystemTime, with_login: bool, listing: Listing) -> Self {
        let shown = |text: Option<String>| text.filter(|_| with_login);
        let (up, idle) = (up(&view, now), idle(&view, now));
        let tls = view.tls.as_ref();
        let certificate = tls.and_then(|tls: &TlsFacts| tls.certificate.as_ref());
        let mut entry = Self {
            cid: view.id,
            kind: "Client",
            transport: if view.over_websocket { "websocket" } else { "nats" },
            ip: view.peer.ip().to_canonical().to_string(),
            port: view.peer.port(),
            start: time(view.since),
            last_activity: time(view.heard),
            stop: view.ending.as_ref().map(|ending| time(ending.at)),
            reason: view.ending.as_ref().map(|ending| ending.reason),
            rtt: view.round_trip.map(round_trip),
            uptime: uptime(up),
            idle: uptime(idle),
            pending_bytes: view.pending_bytes,
            in_msgs: view.in_messages,
            out_msgs: view.out_messages,
            in_bytes: view.in_bytes,
            out_bytes: view.out_bytes,
            subscriptions: view.subscriptions,
            name: view.name,
            lang: view.lang,
            version: view.version,
            tls_version: tls.map(|tls| tls.version),
            tls_cipher_suite: tls.map(|tls| tls.cipher_suite.clone()),
            // Names of people and machines: as the login.
            tls_peer_certs: certificate
                .filter(|_| with_login)
                .map(Certificate::from)
                .into_iter()
                .collect(),
            tls_first: tls.is_some_and(|tls| tls.first && !view.over_websocket),
            authorized_user: shown(view.user),
            account: shown(view.account),
            name_tag: shown(view.account_name),
            subscriptions_list: Vec::new(),
            subscriptions_list_detail: Vec::new(),
        };
        for ended in view.ending.into_iter().flat_map(|ending| ending.subscriptions) {
            match listing {
                Listing::None => break,
                Listing::Names => entry.subscriptions_list.push(ended.filter),
                Listing::Detail => entry
                    .subscriptions_list_detail
                    .push(Subscription::of_ended(ended, view.id)),
            }
        }
        entry
    }
}
