//! Problems as pages.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};
use tollway_api::{Problem, ProblemCode};
use tollway_web::page::{ErrorPage, Shell};

use super::{guard, reply, visitor};
use crate::app::{App, AppError};

/// What a handler of the console fails with. The door knows who looks, and
/// writes the page.
#[derive(Debug)]
pub(super) struct PageError(Box<Problem>);

/// A problem on its way to the door.
#[derive(Clone)]
struct Pending(Box<Problem>);

impl From<AppError> for PageError {
    fn from(error: AppError) -> Self {
        Self(Box::new(error.into()))
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<ProblemCode> for PageError {
    fn from(code: ProblemCode) -> Self {
        Problem::new(code).into()
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Pending(self.0));
        response
    }
}

/// The problem that a handler left for the door, if it failed.
pub(super) fn take(response: &mut Response) -> Option<Problem> {
    response
        .extensions_mut()
        .remove::<Pending>()
        .map(|Pending(problem)| *problem)
}

/// The page about a problem.
pub(super) fn page(problem: Problem, shell: Shell, request_id: &str) -> ErrorPage {
    match problem.code {
        ProblemCode::NotFound | ProblemCode::RouteNotFound => ErrorPage::not_found(shell),
        ProblemCode::Forbidden => {
            let role = shell
                .viewer
                .as_ref()
                .map_or(String::new(), |viewer| viewer.role.clone());
            ErrorPage::forbidden(shell, &role)
        }
        ProblemCode::Internal => ErrorPage::internal(shell, request_id),
        ProblemCode::DatabaseUnavailable => ErrorPage::unavailable(shell, request_id),
        code => ErrorPage {
            shell,
            status: problem.status,
            title: problem.title,
            detail: if problem.detail == code.remedy() {
                String::new()
            } else {
                problem.detail
            },
            next: code.remedy().to_owned(),
            request_id: request_id.to_owned(),
        },
    }
}

/// Whether somebody looks for a page, rather than a program for an answer.
pub(in super::super) fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    method.is_safe()
        && headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"))
}

/// The page for an address that has none.
pub(in super::super) async fn no_page(app: &App, request: Request) -> Response {
    let shell = visitor::shell_of(app, request).await;
    let mut response = reply::error(ErrorPage::not_found(shell), false);
    guard::put_headers(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_says_is_said_on_the_page_too() {
        let problem = Problem::new(ProblemCode::NoCell);
        let page = page(problem, Shell::anonymous(), "req-1");
        assert_eq!(page.status, 409);
        assert_eq!(page.next, ProblemCode::NoCell.remedy());
        assert!(page.detail.is_empty(), "the advice is not said twice");
    }

    #[test]
    fn programs_get_no_pages() {
        let accept = |text: &'static str| {
            [(header::ACCEPT, http::HeaderValue::from_static(text))]
                .into_iter()
                .collect()
        };
        assert!(wants_page(
            &Method::GET,
            &accept("text/html,application/xhtml+xml,*/*;q=0.8")
        ));
        assert!(!wants_page(&Method::GET, &accept("*/*")));
        assert!(!wants_page(&Method::GET, &accept("application/json")));
        assert!(!wants_page(&Method::POST, &accept("text/html")));
        assert!(!wants_page(&Method::GET, &HeaderMap::new()));
    }
}
