//! Health, and the internal port that also has the metrics.

use axum::{Router, extract::State, middleware, response::IntoResponse, routing::get};
use http::header;
use tollway_api::{Problem, ProblemCode};

use super::{ProblemResponse, edge};
use crate::app::App;

/// What whoever runs the process reads; not for the outside.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(app.clone())
        .merge(health_router(app.clone()))
        .fallback(async || ProblemResponse::from(ProblemCode::RouteNotFound))
        .layer(middleware::from_fn_with_state(app.metrics().clone(), edge::edge))
}

/// `/healthz` says that the process runs, `/readyz` that it can serve.
pub(super) fn health_router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(app)
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(app): State<App>) -> Result<&'static str, ProblemResponse> {
    app.ready().await?;
    Ok("ready\n")
}

async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, ProblemResponse> {
    let text = app.metrics_text().map_err(|error| {
        tracing::error!(%error, "cannot write the metrics");
        Problem::new(ProblemCode::Internal)
    })?;
    Ok((
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    ))
}
