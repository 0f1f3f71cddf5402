//! The public port, as a list: REST, the OpenAPI document, health, console, gRPC.

use std::any::Any;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderValue, header};
use tollway_api::{Problem, ProblemCode};
use tonic::Status;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};
use utoipa_axum::router::OpenApiRouter;

use super::{ProblemResponse, console, edge, internal, openapi, route};
use crate::{app::App, bounds::REQUEST_BODY_BYTES_MAX, grpc};

/// Everything that the public port serves.
pub(crate) async fn public_router(app: App) -> Router {
    let (api, _) = OpenApiRouter::from(Router::new())
        .merge(route::api())
        .split_for_parts();
    // Made once: an answer that nobody takes keeps no copy.
    let document = serde_json::to_vec(&openapi::document()).expect("the document is made of texts");
    let document = Bytes::from(document);
    Router::new()
        .merge(api.with_state(app.clone()).layer(never_stored()))
        .route(
            "/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], document)),
        )
        .merge(internal::health_router(app.clone()))
        .layer(DefaultBodyLimit::max(REQUEST_BODY_BYTES_MAX))
        .merge(console::router(app.clone()))
        // gRPC has its own limits for messages; a body limit would cut long streams.
        .merge(grpc::router(app.clone()).await)
        .fallback({
            let app = app.clone();
            move |request| no_route(app, request)
        })
        .method_not_allowed_fallback({
            let app = app.clone();
            move |request| no_method(app, request)
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(app.metrics().clone(), edge::edge))
}

/// Answers of the API hold secrets, and what is true for one caller at one moment.
fn never_stored() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

async fn no_route(app: App, request: Request) -> Response {
    if grpc::is_grpc(request.headers()) {
        return Status::unimplemented("there is no such service").into_http();
    }
    if console::wants_page(request.method(), request.headers()) {
        return console::no_page(&app, request).await;
    }
    ProblemResponse::from(ProblemCode::RouteNotFound).into_response()
}

async fn no_method(app: App, request: Request) -> Response {
    // Whoever types the address of a form's button gets what any address without a page has.
    if console::wants_page(request.method(), request.headers()) {
        return console::no_page(&app, request).await;
    }
    ProblemResponse::from(ProblemCode::MethodNotAllowed).into_response()
}

/// A panic is a bug of ours; it ends one call and nothing else.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text");
    tracing::error!(panic = text, "a handler panicked");
    ProblemResponse::from(Problem::new(ProblemCode::Internal)).into_response()
}
