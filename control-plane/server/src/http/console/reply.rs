//! Answers of the console: pages, pieces of pages, and redirects.

use askama::Template;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tollway_web::page::ErrorPage;

/// htmx says so when it fetches a piece of a page.
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
/// Makes htmx open another page instead of putting the answer into this one.
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// Whether a script of ours asks for a piece of a page that is open already.
pub(super) fn is_refresh(headers: &HeaderMap) -> bool {
    headers.contains_key(HX_REQUEST)
}

/// A page, or a piece of one.
pub(super) fn page(page: &impl Template) -> Response {
    page_with(StatusCode::OK, page)
}

/// A page with another status than 200.
pub(super) fn page_with(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => {
            let headers = [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            )];
            (status, headers, html).into_response()
        }
        // Templates write to memory; nothing in them fails on its own.
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An error as a page. A refresh gets the status alone: htmx then leaves what
/// is on the screen, with its time, and tries again.
pub(super) fn error(error: ErrorPage, refresh: bool) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if refresh {
        status.into_response()
    } else {
        page_with(status, &error)
    }
}

/// After a change: the browser asks for `path` with GET, so that a reload
/// changes nothing again. `path` is made of our own ids.
pub(super) fn see_other(path: &str) -> Response {
    let location = HeaderValue::try_from(path).expect("our own paths are visible ASCII");
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// To the sign-in page, also out of a refresh.
pub(super) fn sign_in(refresh: bool) -> Response {
    if refresh {
        (
            StatusCode::UNAUTHORIZED,
            [(HX_REDIRECT, HeaderValue::from_static("/sign-in"))],
        )
            .into_response()
    } else {
        see_other("/sign-in")
    }
}

/// A file that the browser saves and nobody keeps. `name` is made of names
/// that hold nothing but letters, digits and hyphens.
pub(super) fn download(name: &str, contents: String) -> Response {
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
        .expect("names of accounts and users are plain words");
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::from(contents)).into_response()
}
