//! The public port's HTTP side: routes, extractors, problems.

mod console;
mod edge;
mod extract;
mod internal;
mod local;
mod mismatch;
mod op;
mod openapi;
mod problem_response;
mod problems;
mod query;
mod route;
mod router;

pub use edge::REQUEST_ID_HEADER;
pub(crate) use edge::anonymous;
pub use extract::{JsonBody, OptionalJsonBody, PathParams, QueryParams};
pub use openapi::document as openapi_document;
pub use problem_response::ProblemResponse;

pub(crate) use internal::router as internal_router;
pub(crate) use local::{SignInLink, router as local_router};
pub(crate) use op::bearer;
pub(crate) use router::public_router;
