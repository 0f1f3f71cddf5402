//! Signing in with a one-time link, and out.

use axum::{
    Form,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use tollway_api::{Problem, ProblemCode};
use tollway_web::page::{Shell, SignInPage};

use super::{
    cookie,
    form::{Button, MarkedForm},
    page_error, reply,
};
use crate::{app::App, authn::is_secret, http::anonymous, peers::Peer, request_id::RequestId};

const USED: &str = "This link was used already, or it ran out. A link works once, within 15 minutes.";
const NO_LINK: &str = "That is no sign-in link.";

/// Where a sign-in begins, and what the form sends back.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SignIn {
    #[serde(default)]
    token: String,
}

/// Following the link shows a button, or that the link is over. Looking at it uses nothing up.
pub(super) async fn show(
    State(app): State<App>,
    peer: Peer,
    query: Result<Query<SignIn>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Query(SignIn { token }) = query.unwrap_or_default();
    let problem = if token.is_empty() {
        ""
    } else if !is_secret(&token) {
        NO_LINK
    } else {
        match app.sign_in_link_is_good(&token, peer).await {
            // When it cannot be told now, the button tells.
            Ok(true) | Err(_) => "",
            Ok(false) => USED,
        }
    };
    let token = if problem.is_empty() { token } else { String::new() };
    reply::page(&SignInPage {
        shell: Shell::anonymous(),
        token,
        problem: problem.to_owned(),
    })
}

/// The button: uses the link up, and opens a session.
pub(super) async fn sign_in(
    State(app): State<App>,
    request_id: Option<axum::Extension<RequestId>>,
    peer: Peer,
    headers: HeaderMap,
    form: Result<Form<SignIn>, axum::extract::rejection::FormRejection>,
) -> Response {
    let Form(SignIn { token }) = form.unwrap_or_default();
    let secret = secret_of(&token);
    if !is_secret(secret) {
        return again(NO_LINK);
    }
    let browser = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let request_id = request_id.map_or_else(RequestId::generate, |axum::Extension(id)| id);
    match app.sign_in(secret, browser, peer, &request_id).await {
        Ok((session, _)) => {
            // The browser forgets the session that it had; nobody else shall go on with it.
            if let Some(before) = cookie::read(&headers)
                && let Err(error) = app.sign_out(&before, &request_id).await
            {
                tracing::warn!(
                    error = crate::app::chain(&error),
                    "the browser's session before could not be ended"
                );
            }
            (
                [(header::SET_COOKIE, cookie::set(&headers, &session))],
                reply::see_other("/"),
            )
                .into_response()
        }
        Err(error) => match Problem::from(error) {
            problem if problem.code == ProblemCode::Unauthorized => again(USED),
            problem => {
                let page = page_error::page(problem, Shell::anonymous(), request_id.as_str());
                reply::error(page, false)
            }
        },
    }
}

/// Ends the session.
pub(super) async fn sign_out(
    State(app): State<App>,
    request_id: Option<axum::Extension<RequestId>>,
    headers: HeaderMap,
    MarkedForm(_): MarkedForm<Button>,
) -> Result<Response, super::PageError> {
    if let Some(session) = cookie::read(&headers) {
        let request_id = request_id.map_or_else(RequestId::generate, |axum::Extension(id)| id);
        app.sign_out(&session, &request_id).await?;
    }
    Ok((
        [(header::SET_COOKIE, cookie::clear(&headers))],
        reply::see_other("/sign-in"),
    )
        .into_response())
}

fn again(problem: &str) -> Response {
    let page = SignInPage {
        shell: Shell::anonymous(),
        token: String::new(),
        problem: problem.to_owned(),
    };
    anonymous(reply::page_with(StatusCode::FORBIDDEN, &page))
}

/// The secret of what somebody pasted: a whole link, or the secret itself.
fn secret_of(pasted: &str) -> &str {
    let pasted = pasted.trim();
    let secret = pasted.split_once("token=").map_or(pasted, |(_, secret)| secret);
    secret.split(['&', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABC-_DE";

    #[test]
    fn a_link_may_be_pasted_whole_or_in_part() {
        for pasted in [
            SECRET.to_owned(),
            format!("  {SECRET}\n"),
            format!("http://127.0.0.1:8600/sign-in?token={SECRET}"),
            format!("token={SECRET}&x=1#top"),
        ] {
            assert_eq!(secret_of(&pasted), SECRET);
            assert!(is_secret(secret_of(&pasted)));
        }
        for other in ["", "tlw_abc", "http://127.0.0.1:8600/", &SECRET[1..]] {
            assert!(!is_secret(secret_of(other)), "{other}");
        }
    }
}
