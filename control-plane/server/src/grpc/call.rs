//! What every gRPC method does before and after the application layer.

use tollway_api::{Problem, ProblemCode};
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::status::status;
use crate::{
    app::{App, AppError, OpContext},
    http::bearer,
    request_id::RequestId,
};

/// The services of the public API; one value serves them all.
#[derive(Clone)]
pub(super) struct Api(pub(super) App);

impl Api {
    /// Authenticates the caller and opens the message.
    pub(super) async fn enter<M>(&self, request: Request<M>) -> Result<(OpContext, M), Status> {
        let (metadata, extensions, message) = request.into_parts();
        // The HTTP layer around us has chosen it already; both sides of the port log the same one.
        let request_id = extensions
            .get::<RequestId>()
            .cloned()
            .unwrap_or_else(RequestId::generate);
        let Some(token) = token(&metadata) else {
            return Err(status(ProblemCode::Unauthorized.into(), &request_id));
        };
        match self.0.authenticate(token, request_id.clone()).await {
            Ok(op) => Ok((op, message)),
            Err(error) => Err(status(error.into(), &request_id)),
        }
    }
}

/// The method's answer, or the status of its problem.
pub(super) fn answer<R>(op: &OpContext, result: Result<R, AppError>) -> Result<Response<R>, Status> {
    result
        .map(Response::new)
        .map_err(|error| status(Problem::from(error), op.request_id()))
}

fn token(metadata: &MetadataMap) -> Option<&str> {
    bearer(metadata.get("authorization")?.to_str().ok()?)
}
