//! What every request of the console passes, whoever sends it: a change must
//! come from a page of ours, and every answer forbids what no page needs.
//!
//! Two walls stand against forged requests, because either alone has holes.
//! Browsers say where a request comes from, and [`came_from_here`] believes
//! them; and each form carries a mark that only pages of the same session
//! hold ([`super::form`]).

use axum::{extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use tollway_web::{
    CONTENT_SECURITY_POLICY,
    page::{ErrorPage, Shell},
};

use super::reply::{self, is_refresh};
use crate::http::anonymous;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Refuses changes from elsewhere, and puts the headers on.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if came_from_here(request.method(), request.uri(), request.headers()) {
        next.run(request).await
    } else {
        let refresh = is_refresh(request.headers());
        anonymous(reply::error(
            ErrorPage::untrusted_form(Shell::anonymous()),
            refresh,
        ))
    };
    put_headers(&mut response);
    response
}

/// Puts on what every answer to a browser carries.
pub(super) fn put_headers(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages are about one session at one moment. Assets have said otherwise already.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Whether the request may change something, as far as its origin goes.
///
/// `Sec-Fetch-Site` decides where browsers send it: to https and to loopback.
/// Elsewhere `Origin` has to name the host that was asked. A request with
/// neither is refused: no browser in use sends a form like that.
fn came_from_here(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return true;
    }
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok())
    else {
        return false;
    };
    let asked = match headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        // HTTP/2 has the host in the address.
        None => uri.authority().map(|authority| authority.as_str()),
    };
    let named = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    named.is_some() && named == asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: Method, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        came_from_here(&method, &Uri::from_static("/accounts"), &headers)
    }

    #[test]
    fn looking_is_allowed_from_anywhere() {
        assert!(allowed(Method::GET, &[("sec-fetch-site", "cross-site")]));
        assert!(allowed(Method::HEAD, &[]));
    }

    #[test]
    fn a_form_is_taken_from_our_own_pages_only() {
        assert!(allowed(Method::POST, &[("sec-fetch-site", "same-origin")]));
        assert!(allowed(Method::POST, &[("sec-fetch-site", "none")]));
        for site in ["cross-site", "same-site", ""] {
            // The browser's word counts more than an origin that seems right.
            let headers = [
                ("sec-fetch-site", site),
                ("origin", "http://tollway:8600"),
                ("host", "tollway:8600"),
            ];
            assert!(!allowed(Method::POST, &headers), "{site:?}");
        }
    }

    #[test]
    fn without_the_browsers_word_the_origin_has_to_be_the_host() {
        assert!(allowed(
            Method::POST,
            &[("origin", "http://tollway:8600"), ("host", "tollway:8600")]
        ));
        assert!(allowed(
            Method::POST,
            &[("origin", "https://tollway.example"), ("host", "tollway.example")]
        ));
        for origin in [
            "http://tollway:8601",
            "http://tollway:8600.evil.example",
            "null",
            "tollway:8600",
            "http://",
        ] {
            assert!(
                !allowed(Method::POST, &[("origin", origin), ("host", "tollway:8600")]),
                "{origin}"
            );
        }
        assert!(!allowed(Method::POST, &[("host", "tollway:8600")]));
        assert!(!allowed(Method::DELETE, &[]));
        assert!(!allowed(Method::POST, &[("origin", "http://tollway:8600")]));
    }
}
