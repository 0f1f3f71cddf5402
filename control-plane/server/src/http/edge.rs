//! The outermost layer of the public port: every request gets an id, a span, a
//! measurement, and, when it failed, the body of its problem.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue};
use tracing::Instrument;

use super::problem_response;
use crate::{
    call_origin::CallOrigin,
    grpc::is_grpc,
    log_throttle::{CallerThrottle, Throttle},
    metrics::Metrics,
    request_id::RequestId,
};

/// The header of the request id: accepted, or made, and echoed.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What measurements say when no route has the path.
const UNKNOWN_ROUTE: &str = "unknown";

/// Failed requests.
static FAILED: Throttle = Throttle::new();

/// Changes that were refused to callers who are known.
static REFUSED: CallerThrottle = CallerThrottle::new();

/// Stands in the extensions of answers to callers who are not known.
#[derive(Clone, Copy)]
struct Anonymous;

/// Marks an answer as one to a caller who is not known: anybody can make the log line about it.
pub(crate) fn anonymous(mut response: Response) -> Response {
    response.extensions_mut().insert(Anonymous);
    response
}

pub(crate) async fn edge(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let request_id = request
        .headers()
        .get(REQUEST_ID_HEADER)
        .and_then(|value| value.to_str().ok())
        .and_then(RequestId::parse)
        .unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(request_id.clone());
    let method = request.method().clone();
    // The pattern, not the path: paths hold ids, and a metric per id would never end.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| UNKNOWN_ROUTE.to_owned(), |path| path.as_str().to_owned());

    let is_change = is_change(&request);
    let origin = request.extensions().get::<CallOrigin>().cloned();
    let span = tracing::info_span!("request", request_id = %request_id, %method, route);
    let begin = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = problem_response::render(response, &request_id);

    let status = response.status().as_u16();
    let is_anonymous = response.extensions_mut().remove::<Anonymous>().is_some()
        || matches!(status, 401 | 405)
        || route == UNKNOWN_ROUTE;
    metrics.http_served(&method, &route, status, begin.elapsed());
    span.in_scope(|| {
        let elapsed_ms = begin.elapsed().as_millis() as u64;
        if status >= 500 {
            if let Some(unsaid) = FAILED.pass() {
                tracing::warn!(status, elapsed_ms, unsaid, "request failed");
            }
        } else if !is_change || is_anonymous {
            tracing::debug!(status, elapsed_ms, "request served");
        } else if is_refused(&response) {
            let unsaid = origin.map_or(Some(0), |origin| REFUSED.pass(origin.caller()));
            if let Some(unsaid) = unsaid {
                tracing::info!(status, elapsed_ms, unsaid, "request refused");
            }
        } else {
            // What changes something can be followed by its id from here to the nodes' logs.
            tracing::info!(status, elapsed_ms, "request served");
        }
    });
    let value = HeaderValue::from_str(request_id.as_str()).expect("a request id is plain ASCII");
    response.headers_mut().insert(REQUEST_ID_HEADER, value);
    response
}

/// Whether the request asks for a change. Over gRPC everything is a POST, and the names tell.
fn is_change(request: &Request) -> bool {
    let operation = request.uri().path().rsplit('/').next().unwrap_or_default();
    let only_looks = ["Get", "List"].iter().any(|word| operation.starts_with(word));
    !(request.method().is_safe() || only_looks && is_grpc(request.headers()))
}

/// Whether the answer says no, in either protocol.
fn is_refused(response: &Response) -> bool {
    let status = response.headers().get("grpc-status");
    response.status().is_client_error() || status.is_some_and(|status| status != "0")
}
