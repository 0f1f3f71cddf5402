//! What consumers are told by those who get their messages.

mod ack;
mod ack_subject;
mod pull_request;

pub use ack::Ack;
pub use ack_subject::AckSubject;
pub use pull_request::{InvalidPullRequest, PullRequest};
