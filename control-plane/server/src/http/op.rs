//! Who calls: the extractor that every route of the API takes first.

use std::{collections::HashMap, sync::LazyLock};

use axum::extract::{FromRequestParts, MatchedPath};
use http::{Method, header, request::Parts};
use tollway_api::ProblemCode;

use super::{ProblemResponse, openapi};
use crate::{
    app::{App, OpContext},
    call_origin::CallOrigin,
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
        let peer = Peer::of_call(&parts.extensions);
        let op = app.authenticate(token, peer, request_id).await?;
        CallOrigin::note(&parts.extensions, op.principal());
        if let Some(operation) = operation_of(parts) {
            op.check_role(operation)?;
        }
        Ok(Self(op))
    }
}

/// The operation of the OpenAPI document that a request with a body asks for.
fn operation_of(parts: &Parts) -> Option<&'static str> {
    static OPERATIONS: LazyLock<HashMap<(Method, String), String>> = LazyLock::new(operations);
    let path = parts.extensions.get::<MatchedPath>()?.as_str().to_owned();
    OPERATIONS.get(&(parts.method.clone(), path)).map(String::as_str)
}

/// The operations that take a body, by method and path.
fn operations() -> HashMap<(Method, String), String> {
    let mut operations = HashMap::new();
    for (path, item) in openapi::document().paths.paths {
        let methods = [
            (Method::POST, item.post),
            (Method::PUT, item.put),
            (Method::PATCH, item.patch),
            (Method::DELETE, item.delete),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation.filter(|operation| operation.request_body.is_some())
                && let Some(id) = operation.operation_id
            {
                operations.insert((method, path.clone()), id);
            }
        }
    }
    operations
}

/// The token of an `Authorization` header; the scheme's case does not matter.
pub(crate) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::action_of;

    #[test]
    fn every_operation_with_a_body_says_which_right_it_needs() {
        let operations = operations();
        assert!(operations.len() > 5, "{operations:?}");
        for operation in operations.values() {
            assert!(action_of(operation).is_some(), "{operation}");
        }
    }
}
