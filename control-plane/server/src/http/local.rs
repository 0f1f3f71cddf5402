//! What whoever owns the data folder may ask, over the socket in it.

use axum::{Json, Router, extract::State, middleware, response::IntoResponse, routing::post};
use http::header;
use serde::{Deserialize, Serialize};
use tollway_api::ProblemCode;
use tollway_authz::Principal;

use super::{ProblemResponse, edge};
use crate::{
    app::{App, sign_in},
    request_id::RequestId,
};

/// Asks for no token: who can open the socket could read the token's file beside it.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/sign-in-links", post(sign_in_link))
        .with_state(app.clone())
        .fallback(async || ProblemResponse::from(ProblemCode::RouteNotFound))
        .layer(middleware::from_fn_with_state(app.metrics().clone(), edge::edge))
}

/// A link for the console, as `tollway sign-in-link` asks for it.
#[derive(Serialize, Deserialize)]
pub(crate) struct SignInLink {
    /// Path and query on the public port. Works once.
    pub(crate) path: String,
}

async fn sign_in_link(State(app): State<App>) -> Result<impl IntoResponse, ProblemResponse> {
    let op = app.op(Principal::system("local_socket"), RequestId::generate());
    let secret = sign_in::link_create(&op).await?;
    let link = SignInLink {
        path: sign_in::link_path(&secret),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(link)))
}
