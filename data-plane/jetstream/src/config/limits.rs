//! What a server and an account allow a configuration to ask for.

use crate::nanos::Nanos;

/// Limits of the whole server. A number of zero or below is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerLimits {
    /// The longest time that message ids are remembered; zero for any.
    pub duplicate_window: Nanos,
    /// Messages that a consumer may have delivered and not acknowledged.
    pub max_ack_pending: i64,
    /// Messages that one pull request may ask for.
    pub max_request_batch: i64,
    /// What the server can do beyond the base.
    pub features: Features,
}

/// What a server may or may not be able to do.
///
/// A configuration that asks for something the server cannot do is checked like any other, and refused last:
/// who gets to read that refusal has no other mistake left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Features {
    /// Streams that count.
    pub counters: bool,
    /// Messages that are published later.
    pub schedules: bool,
    /// Batches that are stored as they come.
    pub fast_batches: bool,
    /// Consumers that prefer some of those who pull.
    pub priority_groups: bool,
    /// Consumers that are acknowledged by answers to flow control.
    pub flow_control_acks: bool,
    /// Publishers that are told before a message is stored.
    pub async_persistence: bool,
    /// Streams sourced through consumers made beforehand.
    pub source_consumers: bool,
}

impl Features {
    /// All of them.
    pub const ALL: Self = Self {
        counters: true,
        schedules: true,
        fast_batches: true,
        priority_groups: true,
        flow_control_acks: true,
        async_persistence: true,
        source_consumers: true,
    };
}

/// Limits of an account, or of its tier for a number of replicas. A number of zero or below is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Messages that a consumer may have delivered and not acknowledged.
    pub max_ack_pending: i64,
    /// Consumers that a stream may have.
    pub max_consumers: i64,
    /// Whether each stream has to say how large it may get.
    pub max_bytes_required: bool,
    /// How large a stream on disk may ask to get.
    pub storage_max_stream_bytes: i64,
    /// How large a stream in memory may ask to get.
    pub memory_max_stream_bytes: i64,
}
