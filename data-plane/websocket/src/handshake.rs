//! The request that opens a websocket, and the answer to it.

use std::net::IpAddr;

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

use crate::bounds::{REQUEST_BYTES_MAX, REQUEST_HEADERS_MAX};
use crate::origin::OriginRules;

/// What a server wants of a request.
#[derive(Debug, Clone, Default)]
pub struct UpgradeSettings {
    /// Whether compression is agreed to when a client offers it.
    pub compression: bool,
    /// Which pages may connect.
    pub origins: OriginRules,
    /// Names of cookies that are looked at.
    pub cookies: CookieNames,
    /// Headers that the answer has beside those of the upgrade, as they are.
    pub headers: Vec<(String, String)>,
}

/// Names of the cookies that stand for parts of CONNECT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CookieNames {
    /// Holds the user JWT.
    pub jwt: Option<String>,
    /// Holds the name.
    pub user: Option<String>,
    /// Holds the password.
    pub password: Option<String>,
    /// Holds the token.
    pub token: Option<String>,
}

/// What those cookies held.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cookies {
    /// The user JWT.
    pub jwt: Option<String>,
    /// The name.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The token.
    pub token: Option<String>,
}

/// Only which there are: they are secrets.
impl std::fmt::Debug for Cookies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Cookies")
            .field("jwt", &self.jwt.is_some())
            .field("user", &self.user.is_some())
            .field("password", &self.password.is_some())
            .field("token", &self.token.is_some())
            .finish()
    }
}

/// A request that is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Compression was agreed on.
    pub compression: bool,
    /// The client is a page in a browser.
    pub browser: bool,
    /// Who a proxy says the client is. Anybody can say so: it is for people to read.
    pub forwarded_for: Option<IpAddr>,
    /// Cookies that were asked for.
    pub cookies: Cookies,
    accept: String,
}

/// A request that is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UpgradeError {
    /// The status of HTTP.
    pub status: u16,
    /// Why.
    pub reason: &'static str,
}

const fn bad(reason: &'static str) -> UpgradeError {
    UpgradeError { status: 400, reason }
}

/// Reads a request. `None` when it is not all there yet. `secure` says whether it came over TLS.
///
/// # Errors
/// With the answer that the client should get before the connection is closed.
pub fn read_request(
    bytes: &[u8],
    settings: &UpgradeSettings,
    secure: bool,
) -> Result<Option<Upgrade>, UpgradeError> {
    let mut lines = [httparse::EMPTY_HEADER; REQUEST_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut lines);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < REQUEST_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            let reason = "the request has too much in its headers";
            return Err(UpgradeError { status: 431, reason });
        }
        Err(_) => return Err(bad("this is no request of HTTP/1.1")),
    };
    let headers = Headers(request.headers);
    if request.method != Some("GET") {
        let reason = "a websocket is opened with GET";
        return Err(UpgradeError { status: 405, reason });
    }
    let host = headers.only("host")?.ok_or(bad("the header Host is missing"))?;
    if !headers.has_item("upgrade", "websocket") {
        return Err(bad(
            "this port is for websockets: the header Upgrade has to say so",
        ));
    }
    if !headers.has_item("connection", "upgrade") {
        return Err(bad("the header Connection has to name Upgrade"));
    }
    let key = headers.only("sec-websocket-key")?.unwrap_or_default();
    let is_key = BASE64.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16);
    if !is_key {
        return Err(bad("the header Sec-WebSocket-Key has to be 16 bytes in base64"));
    }
    if headers.only("sec-websocket-version")? != Some("13") {
        return Err(bad("the header Sec-WebSocket-Version has to be 13"));
    }
    let path = request.path.unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    if path == "/leafnode" || path == "/mqtt" {
        let reason = "neither leaf nodes nor MQTT are served over websockets here";
        return Err(UpgradeError { status: 404, reason });
    }
    // An old name of the same header; no header, or an empty one, is not from a browser.
    let said = |name| Ok(headers.only(name)?.filter(|origin| !origin.is_empty()));
    let origin = match said("origin")? {
        None => said("sec-websocket-origin")?,
        origin => origin,
    };
    if let Some(origin) = origin
        && !settings.origins.allow(origin, host, secure)
    {
        let reason = "pages of this origin may not connect";
        return Err(UpgradeError { status: 403, reason });
    }
    if length < bytes.len() {
        // Bytes that a proxy takes for another request could be meant for it.
        return Err(bad("nothing may be sent before the answer"));
    }
    let agent = headers.first("user-agent").unwrap_or_default();
    Ok(Some(Upgrade {
        compression: settings.compression && headers.offers_compression(),
        browser: agent.starts_with("Mozilla/"),
        forwarded_for: headers.forwarded_for(),
        cookies: headers.cookies(&settings.cookies),
        accept: accept(key),
    }))
}

/// What a server answers to a key, to show that it knows what a websocket is.
fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&hash.finalize())
}

impl Upgrade {
    /// The answer that opens the websocket.
    pub fn response(&self, settings: &UpgradeSettings) -> Vec<u8> {
        let mut text = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
            self.accept
        );
        if self.compression {
            text.push_str(
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
            );
        }
        for (name, value) in &settings.headers {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

impl UpgradeError {
    /// The answer that refuses.
    pub fn response(&self) -> Vec<u8> {
        let name = match self.status {
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            431 => "Request Header Fields Too Large",
            _ => "Bad Request",
        };
        let body = format!("{}\n", self.reason);
        format!(
            "HTTP/1.1 {} {name}\r\nSec-WebSocket-Version: 13\r\nContent-Type: text/plain; charset=utf-8\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.status,
            body.len(),
        )
        .into_bytes()
    }
}

struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    /// Lines that are no text are as if they were not there.
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .filter_map(|header| std::str::from_utf8(header.value).ok())
            .map(str::trim)
    }

    fn first(&self, name: &'static str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// A header that decides something must not stand there twice, nor hold what is no text: someone
    /// before us may have read the other one, or something else.
    fn only(&self, name: &'static str) -> Result<Option<&'a str>, UpgradeError> {
        let mut all = self
            .0
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        let Some(header) = all.next() else {
            return Ok(None);
        };
        if all.next().is_some() {
            return Err(bad("a header stands there twice"));
        }
        let text = std::str::from_utf8(header.value).map_err(|_| bad("a header holds no text"))?;
        Ok(Some(text.trim()))
    }

    fn items(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|line| line.split(',')).map(str::trim)
    }

    fn has_item(&self, name: &'static str, wanted: &str) -> bool {
        self.items(name).any(|item| item.eq_ignore_ascii_case(wanted))
    }

    /// Whether one of the offers is one that we can keep: our window is always the largest, so an
    /// offer that asks for a smaller one, or for something that we do not know, is passed over.
    fn offers_compression(&self) -> bool {
        self.items("sec-websocket-extensions").any(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            let is_ours = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("permessage-deflate"));
            is_ours
                && parts.all(|parameter| {
                    let name = parameter.split('=').next().unwrap_or_default().trim();
                    let known = [
                        "server_no_context_takeover",
                        "client_no_context_takeover",
                        "client_max_window_bits",
                    ];
                    known.iter().any(|known| name.eq_ignore_ascii_case(known))
                })
        })
    }

    fn forwarded_for(&self) -> Option<IpAddr> {
        self.items("x-forwarded-for").find_map(|item| item.parse().ok())
    }

    fn cookies(&self, names: &CookieNames) -> Cookies {
        let find = |name: &Option<String>| {
            let name = name.as_deref()?;
            self.all("cookie")
                .flat_map(|line| line.split(';'))
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| key.trim() == name)
                .map(|(_, value)| {
                    let value = value.trim();
                    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                    inner.unwrap_or(value).to_owned()
                })
        };
        Cookies {
            jwt: find(&names.jwt),
            user: find(&names.user),
            password: find(&names.password),
            token: find(&names.token),
        }
    }
}
