//! Problems as gRPC statuses.
//!
//! The status code is the nearest one of gRPC. Our own code is in the metadata
//! `tollway-code`, and the whole problem, as the REST API would send it, in
//! `tollway-problem-bin` (JSON), so that clients of both see the same. When the call created something before
//! it failed, `tollway-resource-id` has its id.

use tollway_api::{Problem, ProblemCode};
use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::request_id::RequestId;

/// Metadata key of the stable code.
pub const CODE_KEY: &str = "tollway-code";
/// Metadata key of the problem's JSON.
pub const PROBLEM_KEY: &str = "tollway-problem-bin";

/// Metadata key of the id of what the call created before it failed.
pub const RESOURCE_KEY: &str = "tollway-resource-id";

/// The status of a problem.
pub(crate) fn status(mut problem: Problem, request_id: &RequestId) -> Status {
    request_id.as_str().clone_into(&mut problem.request_id);
    let mut metadata = MetadataMap::new();
    metadata.insert(CODE_KEY, MetadataValue::from_static(problem.code.as_str()));
    if let Some(id) = problem.resource_id.as_deref().and_then(|id| id.parse().ok()) {
        metadata.insert(RESOURCE_KEY, id);
    }
    let json = serde_json::to_vec(&problem).expect("a problem is made of texts and numbers");
    metadata.insert_bin(PROBLEM_KEY, MetadataValue::from_bytes(&json));
    Status::with_metadata(grpc_code(problem.code), problem.detail, metadata)
}

fn grpc_code(code: ProblemCode) -> Code {
    match code {
        ProblemCode::InvalidBody
        | ProblemCode::InvalidQuery
        | ProblemCode::InvalidCursor
        | ProblemCode::InvalidRequest
        | ProblemCode::BodyTooLarge
        | ProblemCode::UnsupportedMediaType
        | ProblemCode::ValidationFailed => Code::InvalidArgument,
        ProblemCode::Unauthorized => Code::Unauthenticated,
        ProblemCode::Forbidden => Code::PermissionDenied,
        ProblemCode::NotFound => Code::NotFound,
        ProblemCode::RouteNotFound | ProblemCode::MethodNotAllowed => Code::Unimplemented,
        ProblemCode::NameTaken => Code::AlreadyExists,
        ProblemCode::OrganizationNotEmpty
        | ProblemCode::CellNotEmpty
        | ProblemCode::NoCell
        | ProblemCode::DocumentRefused
        | ProblemCode::SuspendedByPlatform
        | ProblemCode::NoResponders
        | ProblemCode::RequestRefused => Code::FailedPrecondition,
        ProblemCode::Internal => Code::Internal,
        ProblemCode::DatabaseUnavailable | ProblemCode::CellAway => Code::Unavailable,
        ProblemCode::Overloaded
        | ProblemCode::QuotaExceeded
        | ProblemCode::TooManyCalls
        | ProblemCode::TooManyCredentials => Code::ResourceExhausted,
        ProblemCode::NotAppliedYet | ProblemCode::DeadlineExceeded => Code::DeadlineExceeded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_the_code_and_the_whole_problem() {
        let problem = Problem::invalid_field("name", "invalid_name", "a name begins with a letter");
        let status = status(problem.clone(), &RequestId::parse("r-1").unwrap());
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.metadata().get(CODE_KEY).unwrap(), "validation_failed");
        let json = status
            .metadata()
            .get_bin(PROBLEM_KEY)
            .unwrap()
            .to_bytes()
            .unwrap();
        let carried: Problem = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            carried,
            Problem {
                request_id: "r-1".into(),
                ..problem
            }
        );
    }
}
