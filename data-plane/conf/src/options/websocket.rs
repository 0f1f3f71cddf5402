//! `websocket`: clients in browsers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::authorization::{Login, Simple};
use super::listen::Listen;
use super::tls::{self, Tls};
use crate::field::Field;
use crate::located::Located;
use crate::position::Position;
use crate::report::Report;

/// The block `websocket`.
#[derive(Debug, Clone, PartialEq)]
pub struct Websocket {
    /// Where it listens.
    pub listen: Listen,
    /// The address that clients are told.
    pub advertise: Option<Located<String>>,
    /// Certificates of its own; a websocket has TLS unless [`Self::no_tls`] says otherwise.
    pub tls: Option<Tls>,
    /// It is meant to be in the clear, behind something that has TLS.
    pub no_tls: bool,
    /// Only pages of the same host may connect.
    pub same_origin: bool,
    /// Only these pages may connect; all when empty.
    pub allowed_origins: Vec<Located<String>>,
    /// How long the upgrade may take.
    pub handshake_timeout: Option<Duration>,
    /// Whether messages may be compressed.
    pub compression: bool,
    /// A login for clients of the websocket alone.
    pub login: Option<Login>,
    /// How long its clients may take to log in.
    pub auth_timeout: Option<Duration>,
    /// Who a client is that does not say.
    pub no_auth_user: Option<Located<String>>,
    /// Cookies that stand for parts of CONNECT.
    pub cookies: Cookies,
    /// Headers of the answer to the upgrade.
    pub headers: BTreeMap<String, String>,
    /// Time between pings.
    pub ping_interval: Option<Duration>,
    /// Where the block stands.
    pub at: Position,
}

/// Names of cookies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cookies {
    /// Holds the user JWT.
    pub jwt: Option<String>,
    /// Holds the name.
    pub user: Option<String>,
    /// Holds the password.
    pub password: Option<String>,
    /// Holds the token.
    pub token: Option<String>,
}

/// Reads the block.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Option<Websocket> {
    report.map_of(block)?;
    let mut origins = None;
    let mut compression = None;
    let mut login = None;
    let mut socket = Websocket {
        listen: Listen::default(),
        advertise: None,
        tls: None,
        no_tls: false,
        same_origin: false,
        allowed_origins: Vec::new(),
        handshake_timeout: None,
        compression: false,
        login: None,
        auth_timeout: None,
        no_auth_user: None,
        cookies: Cookies::default(),
        headers: BTreeMap::new(),
        ping_interval: None,
        at: block.at.clone(),
    };
    let plain = |text: Option<Located<String>>| text.map(|text| text.value);
    for field in report.fields(block) {
        match field.key.as_str() {
            "listen" => socket.listen.set(report, &field),
            "port" => socket.listen.set_port(report, &field),
            "host" | "net" => socket.listen.set_host(report, &field),
            "advertise" => socket.advertise = field.text(report),
            "tls" => socket.tls = tls::read(report, &field),
            "no_tls" => socket.no_tls = field.boolean(report).unwrap_or(false),
            "same_origin" => socket.same_origin = field.boolean(report).unwrap_or(false),
            "allowed_origins" | "allowed_origin" | "allow_origins" | "allow_origin" | "origins"
            | "origin" => {
                let texts = field.texts(report);
                report.set(&mut origins, Some(texts), &field);
            }
            "handshake_timeout" => socket.handshake_timeout = field.seconds(report),
            "compress" | "compression" => {
                let on = field.boolean(report);
                report.set(&mut compression, on, &field);
            }
            "authorization" | "authentication" => {
                let read = authorization(report, &field);
                report.set(&mut login, read, &field);
            }
            "no_auth_user" => socket.no_auth_user = field.name(report),
            "jwt_cookie" => socket.cookies.jwt = plain(field.name(report)),
            "user_cookie" => socket.cookies.user = plain(field.name(report)),
            "pass_cookie" => socket.cookies.password = plain(field.name(report)),
            "token_cookie" => socket.cookies.token = plain(field.name(report)),
            "headers" => socket.headers = headers(report, &field),
            "ping_interval" => {
                socket.ping_interval = field.duration_or_seconds(report, "ping_interval");
            }
            _ => report.unknown(&field, "websocket"),
        }
    }
    socket.allowed_origins = origins.unwrap_or_default();
    socket.compression = compression.unwrap_or(false);
    (socket.login, socket.auth_timeout) = login.unwrap_or_default();
    Some(socket)
}

fn authorization(report: &mut Report, block: &Field<'_>) -> Option<(Option<Login>, Option<Duration>)> {
    report.map_of(block)?;
    let mut simple = Simple::default();
    for field in report.fields(block) {
        if !simple.take(report, &field) {
            report.unknown(&field, "the authorization of a websocket");
        }
    }
    let timeout = simple.timeout;
    Some((simple.login(report, block), timeout))
}

fn headers(report: &mut Report, block: &Field<'_>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for field in report.fields(block) {
        if let Some(text) = field.text(report) {
            if text.value.contains(['\r', '\n']) || !is_header_name(field.written) {
                report.reject(&field, "not a header and its value on one line");
                continue;
            }
            if OF_THE_UPGRADE.iter().any(|name| field.key == *name) {
                report.reject(&field, "belongs to the upgrade itself");
                continue;
            }
            headers.insert(field.written.to_owned(), text.value);
        }
    }
    headers
}

/// Headers that the answer to an upgrade has anyway.
const OF_THE_UPGRADE: [&str; 6] = [
    "connection",
    "upgrade",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "content-length",
];

fn is_header_name(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(token)
}
