//! Who calls: the extractor that every route of the API takes first.

use axum::extract::FromRequestParts;
use http::{header, request::Parts};
use tollway_api::ProblemCode;

use super::ProblemResponse;
use crate::{
    app::{App, OpContext},
    peers::Peer,
    request_id::RequestId,
};

/// The authenticated caller of a REST route.
pub(super) struct Op(pub(super) OpContext);

impl FromRequestParts<App> for Op {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ProblemResponse> {
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .cloned()
            .unwrap_or_else(RequestId::generate);
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(bearer)
            .ok_or(ProblemCode::Unauthorized)?;
        Ok(Self(
            app.authenticate(token, Peer::of_call(&parts.extensions), request_id)
                .await?,
        ))
    }
}

/// The token of an `Authorization` header; the scheme's case does not matter.
pub(crate) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
