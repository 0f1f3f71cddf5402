//! The public port's gRPC side: the same application layer as REST, in protobuf.

mod message;
mod status;

pub use status::{CODE_KEY, PROBLEM_KEY};
