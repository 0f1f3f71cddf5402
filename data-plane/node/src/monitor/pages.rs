//! Which page is where, and what each answers.
//!
//! A page looks at every connection or subscription there is, so one at a time is made, on a
//! thread that nothing else waits for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query as Parameters, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::Monitor;
use super::accountz::Accountz;
use super::accstatz::Accstatz;
use super::connz::Connz;
use super::others::{Gatewayz, Leafz, Routez};
use super::query::{InvalidQuery, Query};
use super::subsz::Subsz;
use super::varz::Varz;
use super::written;

#[derive(Clone)]
struct Desk {
    monitor: Monitor,
    places: Arc<Semaphore>,
}

/// The pages of nats-server.
pub(super) fn router(monitor: Monitor) -> Router {
    let desk = Desk {
        monitor,
        places: Arc::new(Semaphore::new(1)),
    };
    Router::new()
        .route("/healthz", get(healthz))
        .route(
            "/varz",
            page("/varz", |monitor, _| {
                Ok(Varz::now(&monitor.broker, &monitor.about))
            }),
        )
        .route(
            "/connz",
            page("/connz", |monitor, query| Connz::now(&monitor.broker, query)),
        )
        .route(
            "/subsz",
            page("/subsz", |monitor, query| Subsz::now(&monitor.broker, query)),
        )
        .route(
            "/subscriptionsz",
            page("/subsz", |monitor, query| Subsz::now(&monitor.broker, query)),
        )
        .route(
            "/accountz",
            page("/accountz", |monitor, query| {
                Accountz::now(&monitor.broker, query)
            }),
        )
        .route(
            "/accstatz",
            page("/accstatz", |monitor, query| {
                Accstatz::now(&monitor.broker, query)
            }),
        )
        .route(
            "/routez",
            page("/routez", |monitor, _| Ok(Routez::now(&monitor.broker))),
        )
        .route(
            "/leafz",
            page("/leafz", |monitor, _| Ok(Leafz::now(&monitor.broker))),
        )
        .route(
            "/gatewayz",
            page("/gatewayz", |monitor, _| Ok(Gatewayz::now(&monitor.broker))),
        )
        .with_state(desk)
}

const JSON: &str = "application/json";

/// Browsers take it for what it is said to be and for nothing else.
const NO_GUESSING: (header::HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// The process runs, and answers. What stock servers ask JetStream beside that has no counterpart
/// yet, and as there a server without it is well.
async fn healthz(State(desk): State<Desk>) -> Response {
    desk.monitor.about.asked("/healthz");
    let status = BTreeMap::from([("status", "ok")]);
    answer(
        StatusCode::OK,
        JSON,
        serde_json::to_string(&status).unwrap_or_default(),
    )
}

fn page<P: Serialize + 'static>(
    name: &'static str,
    make: fn(&Monitor, &Query) -> Result<P, InvalidQuery>,
) -> axum::routing::MethodRouter<Desk> {
    get(
        move |State(desk): State<Desk>, Parameters(parameters): Parameters<HashMap<String, String>>| async move {
            desk.monitor.about.asked(name);
            let place = desk.places.acquire_owned().await.expect("it is never closed");
            let made = tokio::task::spawn_blocking(move || {
                let _place = place;
                make(&desk.monitor, &Query::from(parameters)).map(|content| written::page(&content))
            });
            match made.await {
                Ok(Ok(Ok(text))) => answer(StatusCode::OK, JSON, text),
                Ok(Err(invalid)) => answer(StatusCode::BAD_REQUEST, TEXT, invalid.to_string()),
                Ok(Ok(Err(error))) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
                Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
            }
        },
    )
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(status: StatusCode, kind: &'static str, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, kind), NO_GUESSING], text).into_response()
}
