//! Configurations of streams and consumers: what may be asked for, and what it becomes.

pub mod policies;

mod consumer;
mod consumer_check;
mod consumer_update;
mod limits;
mod metadata;
mod mirror_check;
mod name;
mod source;
mod stream;
mod stream_check;
mod stream_update;
mod subject_check;
mod transform_check;
mod words;

pub use consumer::ConsumerConfig;
pub use consumer_check::ConsumerContext;
pub use consumer_update::DeliverySubject;
pub use limits::{AccountLimits, Features, ServerLimits};
pub use metadata::API_LEVEL;
pub use name::is_asset_name;
pub use source::{ExternalStream, SourceConsumer, StreamSource};
pub use stream::{ConsumerLimits, Placement, Republish, StreamConfig, SubjectTransform};
pub use stream_check::{OtherStreams, StreamContext};
pub(crate) use subject_check::overlap as filters_overlap;
