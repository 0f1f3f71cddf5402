//! The cookie that carries a session.
//!
//! Behind https its name begins with `__Host-`: browsers then take it only
//! with `Secure`, for this host alone, so that no neighbouring host can slip in
//! a session of its own. Over plain http, as on loopback, browsers refuse that
//! name.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use zeroize::Zeroizing;

use crate::authn::SESSION_LIFETIME;

const PLAIN: &str = "tollway-session";
const HOST: &str = "__Host-tollway-session";

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether the browser speaks https, to the proxy in front of us. A browser
/// that lies about it harms its own session only.
fn is_https(headers: &HeaderMap) -> bool {
    headers
        .get(FORWARDED_PROTO)
        .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// The session's secret, if the browser sent one.
pub(super) fn read(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let name = if is_https(headers) { HOST } else { PLAIN };
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| Zeroizing::new(value.to_owned()))
}

/// Gives the browser a session.
pub(super) fn set(headers: &HeaderMap, secret: &str) -> HeaderValue {
    write(headers, secret, SESSION_LIFETIME.whole_seconds())
}

/// Takes it away again.
pub(super) fn clear(headers: &HeaderMap) -> HeaderValue {
    write(headers, "", 0)
}

fn write(headers: &HeaderMap, value: &str, max_age: i64) -> HeaderValue {
    let (name, secure) = if is_https(headers) {
        (HOST, "; Secure")
    } else {
        (PLAIN, "")
    };
    let cookie = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
    let mut cookie = HeaderValue::try_from(cookie).expect("a session's secret is base64url");
    cookie.set_sensitive(true);
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn plain_http_gets_a_plain_name_and_https_the_guarded_one() {
        let cookie = set(&headers(&[]), "s3cret");
        assert_eq!(
            cookie,
            "tollway-session=s3cret; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
        );
        let cookie = set(&headers(&[("x-forwarded-proto", "https")]), "s3cret");
        assert_eq!(
            cookie,
            "__Host-tollway-session=s3cret; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn a_session_is_read_among_other_cookies() {
        let sent = [("cookie", "a=b; tollway-session=s3cret; c=d")];
        assert_eq!(read(&headers(&sent)).unwrap().as_str(), "s3cret");
        for other in ["", "tollway-session=", "xtollway-session=a", "tollway-session"] {
            assert!(read(&headers(&[("cookie", other)])).is_none(), "{other}");
        }
    }

    #[test]
    fn behind_https_a_cookie_that_a_neighbour_could_set_is_not_read() {
        let sent = [
            ("cookie", "tollway-session=planted"),
            ("x-forwarded-proto", "https"),
        ];
        assert!(read(&headers(&sent)).is_none());
    }

    #[test]
    fn signing_out_ends_the_cookie() {
        assert!(clear(&headers(&[])).to_str().unwrap().contains("Max-Age=0"));
    }
}
