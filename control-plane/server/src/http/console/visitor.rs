//! Who looks: the session behind the cookie, found before any handler runs.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
};
use http::request::Parts;
use tollway_api::{Problem, ProblemCode};
use tollway_authz::{Action, allows};
use tollway_web::page::{Shell, Viewer};

use super::{
    PageError, cookie,
    form::csrf_token,
    page_error,
    reply::{self, is_refresh},
    view::role_in_words,
};
use crate::{
    app::{App, AppError, OpContext, organization},
    call_origin::CallOrigin,
    http::anonymous,
    peers::Peer,
    request_id::RequestId,
};

/// What the frame calls those who run the platform.
const PLATFORM: &str = "Platform";

/// A signed-in browser, as handlers see it.
#[derive(Clone)]
pub(super) struct Visitor {
    /// For the application layer.
    pub(super) op: OpContext,
    /// The mark that forms of this session carry.
    pub(super) csrf: String,
    name: String,
}

impl Visitor {
    /// The session behind the cookie.
    async fn of(app: &App, cookie: &str, peer: Peer, request_id: RequestId) -> Result<Self, AppError> {
        let (op, _) = app.session(cookie, peer, request_id).await?;
        let name = match op.principal().organization() {
            Some(home) => organization::get(&op, &home.to_string()).await?.display_name,
            None => PLATFORM.to_owned(),
        };
        Ok(Self {
            op,
            csrf: csrf_token(cookie),
            name,
        })
    }

    /// Whether the session's role may do this somewhere.
    pub(super) fn may(&self, action: Action) -> bool {
        allows(self.op.principal().role(), action)
    }

    /// For pages that only lead to a change.
    pub(super) fn must(&self, action: Action) -> Result<(), PageError> {
        if self.may(action) {
            Ok(())
        } else {
            Err(ProblemCode::Forbidden.into())
        }
    }

    /// Whether the session belongs to those who run the platform.
    pub(super) fn is_platform(&self) -> bool {
        self.op.principal().organization().is_none()
    }

    /// The frame of pages for this session.
    pub(super) fn shell(&self) -> Shell {
        Shell::of(Viewer {
            name: self.name.clone(),
            role: role_in_words(self.op.principal().role().as_str()),
            csrf: self.csrf.clone(),
        })
    }
}

/// Handlers behind the door take their visitor from the request.
impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .expect("the door let this request in"))
    }
}

fn request_id(request: &Request) -> RequestId {
    request
        .extensions()
        .get::<RequestId>()
        .cloned()
        .unwrap_or_else(RequestId::generate)
}

/// Lets in who has a session, sends others to the sign-in page, and writes the
/// pages about what went wrong inside.
pub(super) async fn door(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let refresh = is_refresh(request.headers());
    let request_id = request_id(&request);
    let Some(cookie) = cookie::read(request.headers()) else {
        return anonymous(reply::sign_in(refresh));
    };
    let peer = Peer::of_call(request.extensions());
    let visitor = match Visitor::of(&app, &cookie, peer, request_id.clone()).await {
        Ok(visitor) => visitor,
        Err(error) => {
            return match Problem::from(error) {
                problem if problem.code == ProblemCode::Unauthorized => anonymous(reply::sign_in(refresh)),
                problem => {
                    let page = page_error::page(problem, Shell::anonymous(), request_id.as_str());
                    reply::error(page, refresh)
                }
            };
        }
    };
    CallOrigin::note(request.extensions(), visitor.op.principal());
    request.extensions_mut().insert(visitor.clone());
    let mut response = next.run(request).await;
    match page_error::take(&mut response) {
        Some(problem) => reply::error(
            page_error::page(problem, visitor.shell(), request_id.as_str()),
            refresh,
        ),
        None => response,
    }
}

/// The frame for a page that needs no session, but is nicer with one.
pub(super) async fn shell_of(app: &App, request: Request) -> Shell {
    let request_id = request_id(&request);
    let Some(cookie) = cookie::read(request.headers()) else {
        return Shell::anonymous();
    };
    let peer = Peer::of_call(request.extensions());
    // A body is not for two threads: gone before anything is awaited.
    drop(request);
    match Visitor::of(app, &cookie, peer, request_id).await {
        Ok(visitor) => visitor.shell(),
        Err(_) => Shell::anonymous(),
    }
}
