//! What happens to messages on their way into a stream.

mod publish;
mod publish_headers;

pub use publish::{StreamView, Verdict};
pub use publish_headers::{PublishHeaders, Rollup, Ttl};
