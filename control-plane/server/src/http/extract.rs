//! Extractors whose every rejection is a problem with a stable code.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
};
use http::{StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use tollway_api::{FieldError, Problem, ProblemCode};

use super::{
    ProblemResponse,
    mismatch::{mismatch, not_json, sentence},
};

/// A JSON body, read strictly: unknown fields, wrong types and trailing bytes are refused with the place named.
pub struct JsonBody<T>(pub T);

/// A JSON body that may be left out; an empty one is the default value.
pub struct OptionalJsonBody<T>(pub T);

/// The parameters in a path. What cannot be one names nothing that exists.
pub struct PathParams<T>(pub T);

/// The query string, read strictly.
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, ProblemResponse> {
        let is_json = is_json(&request);
        let body = Bytes::from_request(request, state).await.map_err(unreadable)?;
        if !is_json {
            return Err(ProblemCode::UnsupportedMediaType.into());
        }
        Ok(Self(read_json(&body)?))
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, ProblemResponse> {
        let is_json = is_json(&request);
        let body = Bytes::from_request(request, state).await.map_err(unreadable)?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json {
            return Err(ProblemCode::UnsupportedMediaType.into());
        }
        Ok(Self(read_json(&body)?))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParams<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(params)) => Ok(Self(params)),
            Err(_) => Err(ProblemCode::NotFound.into()),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemResponse> {
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) else {
            return Err(ProblemCode::InvalidQuery.into());
        };
        Ok(Self(read_query(pairs)?))
    }
}

/// Reads the parameters into `T`. Their values are texts: a field that is none reads its own.
fn read_query<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T, ProblemResponse> {
    let refused = |error: FieldError| {
        Problem::new(ProblemCode::InvalidQuery)
            .with_detail(sentence(&error))
            .with_error(error)
    };
    let mut fields = serde_json::Map::new();
    for (name, value) in pairs {
        if fields.contains_key(&name) {
            let twice = format!("duplicate field `{name}`");
            return Err(refused(mismatch(&name, &twice)).into());
        }
        fields.insert(name, value.into());
    }
    serde_path_to_error::deserialize(serde_json::Value::Object(fields)).map_err(|error| {
        let path = error.path().to_string();
        refused(mismatch(&path, &error.into_inner().to_string())).into()
    })
}

fn is_json(request: &Request) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return false;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn unreadable(rejection: BytesRejection) -> ProblemResponse {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::BodyTooLarge.into(),
        _ => Problem::new(ProblemCode::InvalidRequest)
            .with_detail("the body ended before its announced end, or did not come in time")
            .into(),
    }
}

/// Reads a whole JSON document into `T`.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProblemResponse> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        json_problem(&field, error.inner())
    })?;
    deserializer.end().map_err(|error| json_problem(".", &error))?;
    Ok(value)
}

fn json_problem(path: &str, error: &serde_json::Error) -> ProblemResponse {
    let problem = Problem::new(ProblemCode::InvalidBody);
    if !error.is_data() {
        return problem.with_detail(not_json(error)).into();
    }
    let error = mismatch(path, &error.to_string());
    problem.with_detail(sentence(&error)).with_error(error).into()
}

#[cfg(test)]
mod tests {
    use tollway_api::{NewAccount, NewUser};

    use super::*;

    #[test]
    fn the_place_and_kind_of_a_mismatch_are_named() {
        let problem = read_json::<NewAccount>(br#"{"name":"a","limits":{"connections":"many"}}"#)
            .unwrap_err()
            .0;
        assert_eq!(problem.code, ProblemCode::InvalidBody);
        assert_eq!(problem.errors[0].field, "limits.connections");
        assert_eq!(problem.errors[0].code, "invalid_type");

        let problem = read_json::<NewUser>(br#"{"name":"a","permissions":{"publish_alow":[]}}"#)
            .unwrap_err()
            .0;
        assert_eq!(problem.errors[0].code, "unknown_field");
        assert_eq!(problem.errors[0].field, "permissions.publish_alow");

        let problem = read_json::<NewUser>(b"{}").unwrap_err().0;
        assert_eq!(problem.errors[0].code, "missing_field");
        assert_eq!(problem.errors[0].field, "name");
        assert_eq!(problem.detail, "name: is missing");
    }

    #[test]
    fn what_is_no_json_document_is_refused() {
        for body in [
            b"".as_slice(),
            b"{",
            b"\xff\xfe",
            b"{\"name\":\"\xff\"}",
            b"{\"name\":\"a\"}{}",
            &[b'['; 100_000],
        ] {
            let problem = read_json::<NewUser>(body).unwrap_err().0;
            assert_eq!(problem.code, ProblemCode::InvalidBody);
        }
    }
}
