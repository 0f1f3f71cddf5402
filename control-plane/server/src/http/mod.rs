//! The public port's HTTP side: routes, extractors, problems.

mod edge;
mod extract;
mod problem_response;

pub use extract::{JsonBody, OptionalJsonBody, PathParams, QueryParams};
pub use problem_response::ProblemResponse;
