//! What every gRPC method does before and after the application layer.

use tollway_api::Problem;
use tonic::{Request, Response, Status};

use super::status::status;
use crate::app::{AppError, OpContext};

/// The services of the public API; one value serves them all.
#[derive(Clone)]
pub(super) struct Api;

impl Api {
    /// Opens the message. Who calls was found out at the door, before the message was read.
    pub(super) async fn enter<M>(&self, request: Request<M>) -> Result<(OpContext, M), Status> {
        let (_, extensions, message) = request.into_parts();
        let op = extensions
            .get::<OpContext>()
            .cloned()
            .expect("the door lets nobody in without a context");
        Ok((op, message))
    }
}

/// The method's answer, or the status of its problem.
pub(super) fn answer<R>(op: &OpContext, result: Result<R, AppError>) -> Result<Response<R>, Status> {
    result
        .map(Response::new)
        .map_err(|error| status(Problem::from(error), op.request_id()))
}
