//! Requests and answers of the API.

pub mod request;
pub mod response;

mod level;
mod subject;

pub use level::{REQUIRED_LEVEL_HEADER, check_required_level};
pub use subject::{Call, ConsumerCall, StreamAction};
