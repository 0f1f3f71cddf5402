//! Problems as HTTP responses.
//!
//! A handler cannot know the request id, so its problem travels in the
//! response's extensions; [`super::edge`] writes the body when it knows both.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use tollway_api::{PROBLEM_MEDIA_TYPE, Problem, ProblemCode};

use crate::request_id::RequestId;

/// What a REST handler fails with.
#[derive(Debug)]
pub struct ProblemResponse(pub Box<Problem>);

impl<P: Into<Problem>> From<P> for ProblemResponse {
    fn from(problem: P) -> Self {
        Self(Box::new(problem.into()))
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status_of(&self.0);
        response.extensions_mut().insert(PendingProblem(self.0));
        response
    }
}

/// A problem whose body is not written yet.
#[derive(Clone)]
struct PendingProblem(Box<Problem>);

/// Writes the body of a pending problem; other responses pass unchanged.
pub(super) fn render(mut response: Response, request_id: &RequestId) -> Response {
    let Some(PendingProblem(mut problem)) = response.extensions_mut().remove::<PendingProblem>() else {
        return response;
    };
    request_id.as_str().clone_into(&mut problem.request_id);
    let body = serde_json::to_vec(&problem).expect("a problem is made of texts and numbers");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
    headers.remove(header::CONTENT_LENGTH);
    if problem.code == ProblemCode::Unauthorized {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"tollway\""),
        );
    }
    if let Some(location) = problem
        .location
        .as_deref()
        .and_then(|path| HeaderValue::from_str(path).ok())
    {
        headers.insert(header::LOCATION, location);
    }
    if matches!(
        problem.code,
        ProblemCode::DatabaseUnavailable
            | ProblemCode::CellAway
            | ProblemCode::Overloaded
            | ProblemCode::TooManyCalls
    ) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    *response.body_mut() = body.into();
    response
}

fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
