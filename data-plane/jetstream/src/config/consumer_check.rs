//! What a consumer may be configured to be, and what is filled in.

use crate::bounds::{DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX};
use crate::config::consumer::ConsumerConfig;
use crate::config::limits::{AccountLimits, ServerLimits};
use crate::config::name::is_asset_name;
use crate::config::policies::{AckPolicy, DeliverPolicy, PriorityPolicy, Retention};
use crate::config::stream::StreamConfig;
use crate::config::stream_check::invalid;
use crate::config::subject_check::{contains, has_no_wildcard, is_filter, overlap};
use crate::error::{ApiError, ErrorKind};
use crate::nanos::Nanos;

/// What a consumer's configuration is checked against.
pub struct ConsumerContext<'a> {
    /// Limits of the server.
    pub server: &'a ServerLimits,
    /// Limits of the account, or of its tier.
    pub account: &'a AccountLimits,
    /// The stream, in normal form.
    pub stream: &'a StreamConfig,
    /// Whether to refuse what would be put right without a word.
    pub pedantic: bool,
}

const ACK_WAIT_DEFAULT: Nanos = Nanos::from_secs(30);
const MAX_ACK_PENDING_DEFAULT: i64 = 1000;
const MAX_WAITING_DEFAULT: i64 = 512;
const HEARTBEAT_MIN: Nanos = Nanos::from_millis(100);
const MAX_EXPIRES_MIN: Nanos = Nanos::from_millis(1);
/// The one heartbeat of consumers that are acknowledged by flow control.
const SOURCING_HEARTBEAT: Nanos = Nanos::from_secs(1);
const PINNED_TTL_DEFAULT: Nanos = Nanos::from_secs(120);
/// After how long without anybody who uses it a consumer that is not durable goes away.
const INACTIVE_THRESHOLD_DEFAULT: Nanos = Nanos::from_secs(5);
const GROUP_NAME_BYTES_MAX: usize = 16;

impl ConsumerContext<'_> {
    fn put_right(&self, reason: &str) -> Result<(), ApiError> {
        if self.pedantic {
            return Err(ErrorKind::Pedantic.because(reason));
        }
        Ok(())
    }
}

impl ConsumerConfig {
    /// The configuration as a consumer lives by it, or why it cannot.
    ///
    /// What other consumers of the stream have to do with it is not asked here.
    pub fn normalized(&self, context: &ConsumerContext<'_>) -> Result<Self, ApiError> {
        let mut config = self.clone();
        // What the server notes counts as metadata.
        config.set_required_level();
        let mut config = config.with_defaults(context)?;
        config.check(context)?;
        if !config.is_durable() && config.inactive_threshold <= Nanos::ZERO {
            config.inactive_threshold = INACTIVE_THRESHOLD_DEFAULT;
        }
        Ok(config)
    }

    /// Fills in what was left out.
    pub fn with_defaults(&self, context: &ConsumerContext<'_>) -> Result<Self, ApiError> {
        let mut config = self.clone();
        config.mend_negatives(context)?;
        let limits = &context.stream.consumer_limits;
        if !config.is_push() && config.max_waiting == 0 {
            config.max_waiting = MAX_WAITING_DEFAULT;
        }
        let waits = matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::All);
        if config.ack_wait == Nanos::ZERO && waits {
            config.ack_wait = ACK_WAIT_DEFAULT;
        }
        if let Some(&first) = config.backoff.first() {
            if config.ack_wait != first {
                context.put_right("first backoff value has to equal batch AckWait")?;
            }
            config.ack_wait = first;
        }
        if config.max_ack_pending == 0 {
            if limits.max_ack_pending > 0 {
                context.put_right("max_ack_pending must be set if it's configured in stream limits")?;
            }
            config.max_ack_pending = limits.max_ack_pending;
        }
        if config.inactive_threshold == Nanos::ZERO {
            if limits.inactive_threshold > Nanos::ZERO {
                context.put_right("inactive_threshold must be set if it's configured in stream limits")?;
            }
            config.inactive_threshold = limits.inactive_threshold;
        }
        if config.max_ack_pending == 0 && config.ack_policy != AckPolicy::None {
            config.max_ack_pending = [context.server.max_ack_pending, context.account.max_ack_pending]
                .into_iter()
                .filter(|limit| *limit > 0)
                .fold(MAX_ACK_PENDING_DEFAULT, i64::min);
        }
        if !config.is_push() && config.max_batch == 0 && context.server.max_request_batch > 0 {
            context.put_right("max_request_batch must be set if it's JetStream limits are set")?;
            config.max_batch = context.server.max_request_batch;
        }
        if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout == Nanos::ZERO {
            config.priority_timeout = PINNED_TTL_DEFAULT;
        }
        if config.ack_policy == AckPolicy::FlowControl && !context.pedantic {
            config.flow_control = true;
            config.idle_heartbeat = SOURCING_HEARTBEAT;
        }
        Ok(config)
    }

    fn mend_negatives(&mut self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        if self.max_deliver < -1 {
            context.put_right("max_deliver must be set to -1")?;
        }
        if self.max_deliver == 0 || self.max_deliver < -1 {
            self.max_deliver = -1;
        }
        if self.max_waiting < 0 {
            context.put_right("max_waiting must not be negative")?;
            self.max_waiting = 0;
        }
        if self.max_ack_pending < -1 {
            context.put_right("max_ack_pending must be set to -1")?;
            self.max_ack_pending = -1;
        }
        if self.max_batch < 0 {
            context.put_right("max_batch must not be negative")?;
            self.max_batch = 0;
        }
        mend_negative(&mut self.max_expires, context, "max_expires must not be negative")?;
        if self.max_bytes < 0 {
            context.put_right("max_bytes must not be negative")?;
            self.max_bytes = 0;
        }
        mend_negative(
            &mut self.idle_heartbeat,
            context,
            "idle_heartbeat must not be negative",
        )?;
        mend_negative(
            &mut self.inactive_threshold,
            context,
            "inactive_threshold must not be negative",
        )?;
        mend_negative(
            &mut self.priority_timeout,
            context,
            "priority_timeout must not be negative",
        )
    }

    /// Whether a consumer can be like this, with the defaults filled in.
    ///
    /// The checks come in the order of stock servers, because a configuration with two mistakes is refused
    /// for the first.
    pub fn check(&self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        self.check_names()?;
        self.check_replicas(context.stream)?;
        if self.backoff.iter().any(|wait| *wait < Nanos::ZERO) {
            return Err(ErrorKind::ConsumerBackOffNegative.into());
        }
        if self.ack_wait < Nanos::ZERO {
            return Err(ErrorKind::ConsumerAckWaitNegative.into());
        }
        if self.ack_policy == AckPolicy::FlowControl {
            self.check_flow_control_acks()?;
        }
        self.check_backoff()?;
        if self.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(ErrorKind::ConsumerDescriptionTooLong.with("max", DESCRIPTION_BYTES_MAX));
        }
        if self.is_push() {
            self.check_push(context.stream)?;
        } else {
            self.check_pull(context)?;
        }
        self.check_limits(context)?;
        if self.direct {
            if !self.is_push() {
                return Err(ErrorKind::ConsumerDirectRequiresPush.into());
            }
            if self.is_durable() {
                return Err(ErrorKind::ConsumerDirectRequiresEphemeral.into());
            }
        }
        self.check_filters()?;
        self.check_start()?;
        self.check_sampling()?;
        if self.flow_control && self.idle_heartbeat == Nanos::ZERO {
            return Err(ErrorKind::ConsumerWithFlowControlNeedsHeartbeats.into());
        }
        if self.is_durable() && !self.name.is_empty() && self.name != self.durable_name {
            return Err(ErrorKind::ConsumerCreateDurableAndNameMismatch.into());
        }
        if super::metadata::bytes(&self.metadata) > METADATA_BYTES_MAX {
            let limit = format!("{}KB", METADATA_BYTES_MAX / 1024);
            return Err(ErrorKind::ConsumerMetadataLength.with("limit", limit));
        }
        self.check_priority()?;
        self.check_features(context)
    }

    fn check_names(&self) -> Result<(), ApiError> {
        if !self.name.is_empty() && !is_asset_name(&self.name) {
            return Err(invalid(r"consumer name can not contain '.', '*', '>', '\', '/'"));
        }
        if self.is_durable() && !is_asset_name(&self.durable_name) {
            return Err(invalid(
                r"consumer durable name can not contain '.', '*', '>', '\', '/'",
            ));
        }
        Ok(())
    }

    fn check_replicas(&self, stream: &StreamConfig) -> Result<(), ApiError> {
        if self.num_replicas > 0 && self.num_replicas > stream.num_replicas {
            return Err(ErrorKind::ConsumerReplicasExceedsStream.into());
        }
        if self.num_replicas < 0 {
            return Err(ErrorKind::ReplicasCountCannotBeNegative.into());
        }
        let differs = self.num_replicas != 0 && self.num_replicas != stream.num_replicas;
        if stream.retention != Retention::Limits && differs {
            return Err(ErrorKind::ConsumerReplicasShouldMatchStream.into());
        }
        Ok(())
    }

    fn check_flow_control_acks(&self) -> Result<(), ApiError> {
        if !self.is_push() {
            return Err(ErrorKind::ConsumerAckFCRequiresPush.into());
        }
        if !self.flow_control {
            return Err(ErrorKind::ConsumerAckFCRequiresFC.into());
        }
        if self.idle_heartbeat != SOURCING_HEARTBEAT {
            return Err(invalid("flow control ack policy heartbeat needs to be 1s"));
        }
        if self.max_ack_pending <= 0 {
            return Err(ErrorKind::ConsumerAckFCRequiresMaxAckPending.into());
        }
        if self.ack_wait != Nanos::ZERO || !self.backoff.is_empty() {
            return Err(ErrorKind::ConsumerAckFCRequiresNoAckWait.into());
        }
        if self.max_deliver > 0 {
            return Err(ErrorKind::ConsumerAckFCRequiresNoMaxDeliver.into());
        }
        Ok(())
    }

    /// With fewer deliveries than pauses, some pauses could never be made.
    pub(crate) fn check_backoff(&self) -> Result<(), ApiError> {
        let pauses = i64::try_from(self.backoff.len()).expect("a request has fewer");
        if pauses > 0 && self.max_deliver != -1 && pauses > self.max_deliver {
            return Err(ErrorKind::ConsumerMaxDeliverBackoff.into());
        }
        Ok(())
    }

    fn check_push(&self, stream: &StreamConfig) -> Result<(), ApiError> {
        if !has_no_wildcard(&self.deliver_subject) {
            return Err(ErrorKind::ConsumerDeliverToWildcards.into());
        }
        if !is_filter(&self.deliver_subject) {
            return Err(ErrorKind::ConsumerInvalidDeliverSubject.into());
        }
        // Messages would come back into the stream.
        let comes_back = stream
            .subjects
            .iter()
            .any(|subject| overlap(subject, &self.deliver_subject));
        if comes_back {
            return Err(ErrorKind::ConsumerDeliverCycle.into());
        }
        if self.max_waiting != 0 {
            return Err(ErrorKind::ConsumerPushMaxWaiting.into());
        }
        if self.max_ack_pending > 0 && self.ack_policy == AckPolicy::None {
            return Err(ErrorKind::ConsumerMaxPendingAckPolicyRequired.into());
        }
        if self.idle_heartbeat > Nanos::ZERO && self.idle_heartbeat < HEARTBEAT_MIN {
            return Err(ErrorKind::ConsumerSmallHeartbeat.into());
        }
        Ok(())
    }

    fn check_pull(&self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        if self.ack_policy == AckPolicy::None && context.stream.retention == Retention::WorkQueue {
            return Err(ErrorKind::ConsumerPullRequiresAck.into());
        }
        if self.rate_limit_bps > 0 {
            return Err(ErrorKind::ConsumerPullWithRateLimit.into());
        }
        if self.idle_heartbeat > Nanos::ZERO {
            return Err(ErrorKind::ConsumerHBRequiresPush.into());
        }
        if self.flow_control {
            return Err(ErrorKind::ConsumerFCRequiresPush.into());
        }
        if self.max_expires != Nanos::ZERO && self.max_expires < MAX_EXPIRES_MIN {
            return Err(ErrorKind::ConsumerMaxRequestExpiresTooSmall.into());
        }
        let limit = context.server.max_request_batch;
        if limit > 0 && self.max_batch > limit {
            return Err(ErrorKind::ConsumerMaxRequestBatchExceeded.with("limit", limit));
        }
        Ok(())
    }

    fn check_limits(&self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        let granted = &context.stream.consumer_limits;
        for limit in [
            context.server.max_ack_pending,
            context.account.max_ack_pending,
            granted.max_ack_pending,
        ] {
            if limit > 0 && self.max_ack_pending > limit {
                return Err(ErrorKind::ConsumerMaxPendingAckExcess.with("limit", limit));
            }
        }
        let limit = granted.inactive_threshold;
        if limit > Nanos::ZERO && self.inactive_threshold > limit {
            return Err(ErrorKind::ConsumerInactiveThresholdExcess.with("limit", limit));
        }
        Ok(())
    }

    fn check_filters(&self) -> Result<(), ApiError> {
        if !self.filter_subject.is_empty() && !self.filter_subjects.is_empty() {
            return Err(ErrorKind::ConsumerDuplicateFilterSubjects.into());
        }
        if !self.filter_subject.is_empty() && !is_filter(&self.filter_subject) {
            return Err(invalid("invalid subject"));
        }
        if self.filter_subjects.iter().any(String::is_empty) {
            return Err(ErrorKind::ConsumerEmptyFilter.into());
        }
        let filters = self.filters();
        for (at, filter) in filters.iter().enumerate() {
            if !is_filter(filter) {
                return Err(invalid("invalid subject"));
            }
            let others = filters.iter().enumerate().filter(|(other, _)| *other != at);
            if others
                .map(|(_, other)| other)
                .any(|other| contains(other, filter))
            {
                return Err(ErrorKind::ConsumerOverlappingSubjectFilters.into());
            }
        }
        Ok(())
    }

    fn check_start(&self) -> Result<(), ApiError> {
        let refused = |reason: String| Err(ErrorKind::ConsumerInvalidPolicy.because(reason));
        let also_set = |policy: &str, what: &str| {
            format!("consumer delivery policy is deliver {policy}, but optional start {what} is also set")
        };
        let not_set = |policy: &str, what: &str| {
            format!("consumer delivery policy is deliver {policy}, but optional {what} is not set")
        };
        let (has_seq, has_time) = (self.opt_start_seq > 0, self.opt_start_time.is_some());
        let policy = match self.deliver_policy {
            DeliverPolicy::ByStartSequence => {
                if !has_seq {
                    return refused(not_set("by start sequence", "start sequence"));
                }
                if has_time {
                    return refused(also_set("by start sequence", "time"));
                }
                return Ok(());
            }
            DeliverPolicy::ByStartTime => {
                if !has_time {
                    return refused(not_set("by start time", "start time"));
                }
                if has_seq {
                    return refused(also_set("by start time", "start sequence"));
                }
                return Ok(());
            }
            DeliverPolicy::All => "all",
            DeliverPolicy::Last => "last",
            DeliverPolicy::LastPerSubject => "last per subject",
            DeliverPolicy::New => "new",
        };
        if has_seq {
            return refused(also_set(policy, "sequence"));
        }
        if has_time {
            return refused(also_set(policy, "time"));
        }
        if self.deliver_policy == DeliverPolicy::LastPerSubject && self.filters().is_empty() {
            return refused(not_set(policy, "filter subject"));
        }
        Ok(())
    }

    fn check_sampling(&self) -> Result<(), ApiError> {
        if self.sample_freq.is_empty() {
            return Ok(());
        }
        match self.sample_percent() {
            Ok(percent) if percent >= 0 => Ok(()),
            // Stock servers name no reason for this one.
            Ok(_) => Err(ErrorKind::ConsumerInvalidSampling.because("<nil>")),
            Err(reason) => Err(ErrorKind::ConsumerInvalidSampling.because(reason)),
        }
    }

    /// How many of a hundred acknowledgements are reported: `30` or `30%`.
    fn sample_percent(&self) -> Result<i64, String> {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let text = self.sample_freq.strip_suffix('%').unwrap_or(&self.sample_freq);
        text.parse::<i64>().map_err(|error| {
            let what = match error.kind() {
                PosOverflow | NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            format!("strconv.Atoi: parsing {}: {what}", crate::json::quoted(text))
        })
    }

    fn check_priority(&self) -> Result<(), ApiError> {
        if self.priority_policy == PriorityPolicy::None {
            if !self.priority_groups.is_empty() {
                return Err(ErrorKind::ConsumerPriorityGroupWithPolicyNone.into());
            }
            if self.priority_timeout > Nanos::ZERO {
                return Err(ErrorKind::ConsumerPinnedTTLWithoutPriorityPolicyNone.into());
            }
            return Ok(());
        }
        if self.is_push() {
            return Err(ErrorKind::ConsumerPushWithPriorityGroup.into());
        }
        if self.priority_groups.is_empty() {
            return Err(ErrorKind::ConsumerPriorityPolicyWithoutGroup.into());
        }
        for group in &self.priority_groups {
            if group.is_empty() {
                return Err(ErrorKind::ConsumerEmptyGroupName.into());
            }
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_=-".contains(&byte);
            if group.len() > GROUP_NAME_BYTES_MAX || !group.bytes().all(is_allowed) {
                return Err(ErrorKind::ConsumerInvalidGroupName.into());
            }
        }
        Ok(())
    }

    fn check_features(&self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        let features = context.server.features;
        if self.priority_policy != PriorityPolicy::None && !features.priority_groups {
            let reason = "priority groups are not supported by this server";
            return Err(ErrorKind::ConsumerCreate.because(reason));
        }
        if self.ack_policy == AckPolicy::FlowControl && !features.flow_control_acks {
            return Err(ErrorKind::ConsumerAckPolicyInvalid.into());
        }
        Ok(())
    }
}

fn mend_negative(length: &mut Nanos, context: &ConsumerContext<'_>, reason: &str) -> Result<(), ApiError> {
    if *length < Nanos::ZERO {
        context.put_right(reason)?;
        *length = Nanos::ZERO;
    }
    Ok(())
}
