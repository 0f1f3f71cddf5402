//! What a stream may be configured to be, and what is filled in.

use std::collections::BTreeMap;
use std::fmt;

use crate::bounds::{DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX, REPLICAS_MAX};
use crate::config::limits::{AccountLimits, ServerLimits};
use crate::config::name::is_asset_name;
use crate::config::policies::{Discard, PersistMode, Retention, Storage};
use crate::config::stream::{Placement, StreamConfig};
use crate::config::subject_check::{contains, is_filter, overlap};
use crate::config::transform_check::compile;
use crate::error::{ApiError, ErrorKind};
use crate::nanos::Nanos;

/// The streams of an account that a configuration may refer to or get in the way of.
pub trait OtherStreams {
    /// How a stream is configured, in normal form; none when there is no such stream.
    fn config(&self, name: &str) -> Option<&StreamConfig>;
}

impl OtherStreams for BTreeMap<String, StreamConfig> {
    fn config(&self, name: &str) -> Option<&StreamConfig> {
        self.get(name)
    }
}

/// What a configuration is checked against.
pub struct StreamContext<'a> {
    /// Limits of the server.
    pub server: &'a ServerLimits,
    /// Limits of the account, or of its tier.
    pub account: &'a AccountLimits,
    /// The streams of the account.
    pub streams: &'a dyn OtherStreams,
    /// Whether to refuse what would be put right without a word.
    pub pedantic: bool,
}

/// How long message ids are remembered when nothing is said.
const DUPLICATE_WINDOW_DEFAULT: Nanos = Nanos::from_secs(120);
/// The shortest age limit and duplicate window.
const WINDOW_MIN: Nanos = Nanos::from_millis(100);
const MARKER_TTL_MIN: Nanos = Nanos::from_secs(1);

pub(crate) fn invalid(reason: impl fmt::Display) -> ApiError {
    ErrorKind::StreamInvalidConfig.because(reason)
}

impl StreamContext<'_> {
    /// Something that is put right, unless the client wants to be told.
    pub(crate) fn put_right(&self, reason: &str) -> Result<(), ApiError> {
        if self.pedantic {
            return Err(ErrorKind::Pedantic.because(reason));
        }
        Ok(())
    }

    /// The same with the refusal that stock servers have in some places: as if it were wrong for everybody.
    fn put_right_as_invalid(&self, reason: &str) -> Result<(), ApiError> {
        if self.pedantic {
            return Err(invalid(reason));
        }
        Ok(())
    }
}

impl StreamConfig {
    /// The configuration as a stream lives by it, or why it cannot.
    ///
    /// The checks come in the order of stock servers, because a configuration with two mistakes is refused
    /// for the first.
    pub fn normalized(&self, context: &StreamContext<'_>) -> Result<Self, ApiError> {
        let mut config = self.clone();
        // What the server notes counts as metadata.
        config.set_required_level();
        config.check_names()?;
        config.fill_limits(context)?;
        config.fill_duplicate_window(context)?;
        config.check_combinations(context)?;
        config.check_mirror(context)?;
        config.check_sources()?;
        config.check_externals(context)?;
        config.check_cycles(context)?;
        config.fill_and_check_subjects()?;
        config.check_account_limits(context)?;
        config.check_transform()?;
        config.fill_and_check_republish(context)?;
        config.check_placement()?;
        config.check_features(context)?;
        Ok(config)
    }

    fn check_names(&self) -> Result<(), ApiError> {
        if !is_asset_name(&self.name) {
            return Err(invalid(
                r"stream name is required and can not contain '.', '*', '>', '\', '/'",
            ));
        }
        if self.name.len() > NAME_BYTES_MAX {
            return Err(invalid(format_args!(
                "stream name is too long, maximum allowed is {NAME_BYTES_MAX}"
            )));
        }
        if self.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(invalid(format_args!(
                "stream description is too long, maximum allowed is {DESCRIPTION_BYTES_MAX}"
            )));
        }
        if super::metadata::bytes(&self.metadata) > METADATA_BYTES_MAX {
            return Err(invalid(format_args!(
                "stream metadata exceeds maximum size of {METADATA_BYTES_MAX} bytes"
            )));
        }
        Ok(())
    }

    fn fill_limits(&mut self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        if self.num_replicas == 0 {
            self.num_replicas = 1;
        }
        if self.num_replicas > REPLICAS_MAX {
            return Err(invalid(format_args!("maximum replicas is {REPLICAS_MAX}")));
        }
        if self.num_replicas < 0 {
            return Err(ErrorKind::ReplicasCountCannotBeNegative.into());
        }
        fill_limit(&mut self.max_msgs, context, "max_msgs must be set to -1")?;
        fill_limit(
            &mut self.max_msgs_per_subject,
            context,
            "max_msgs_per_subject must be set to -1",
        )?;
        fill_limit(&mut self.max_bytes, context, "max_bytes must be set to -1")?;
        let mut max_msg_size = i64::from(self.max_msg_size);
        fill_limit(&mut max_msg_size, context, "max_msg_size must be set to -1")?;
        self.max_msg_size = i32::try_from(max_msg_size).expect("it was one, and became -1 at most");
        fill_limit(
            &mut self.max_consumers,
            context,
            "max_consumers must be set to -1",
        )?;
        if self.max_age < Nanos::ZERO {
            return Err(invalid("max age can not be negative"));
        }
        if self.max_age != Nanos::ZERO && self.max_age < WINDOW_MIN {
            return Err(invalid("max age needs to be >= 100ms"));
        }
        Ok(())
    }

    fn fill_duplicate_window(&mut self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let server_max = context.server.duplicate_window;
        let has_origin = self.mirror.is_some() || !self.sources.is_empty();
        if self.duplicate_window == Nanos::ZERO && !has_origin {
            let mut window = DUPLICATE_WINDOW_DEFAULT;
            if server_max > Nanos::ZERO && window > server_max {
                context.put_right("duplicate window limits are higher than current limits")?;
                window = server_max;
            }
            if self.max_age != Nanos::ZERO && self.max_age < window {
                context.put_right("duplicate window cannot be bigger than max age")?;
                window = self.max_age;
            }
            self.duplicate_window = window;
        }
        let window = self.duplicate_window;
        if window < Nanos::ZERO {
            return Err(invalid("duplicates window can not be negative"));
        }
        if self.max_age != Nanos::ZERO && window > self.max_age {
            return Err(invalid("duplicates window can not be larger then max age"));
        }
        if server_max > Nanos::ZERO && window > server_max {
            return Err(invalid(format_args!(
                "duplicates window can not be larger then server limit of {server_max}"
            )));
        }
        if window > Nanos::ZERO && window < WINDOW_MIN {
            return Err(invalid("duplicates window needs to be >= 100ms"));
        }
        Ok(())
    }

    fn check_combinations(&mut self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        if self.deny_purge && self.allow_rollup_hdrs {
            return Err(invalid("roll-ups require the purge permission"));
        }
        if self.allow_msg_counter {
            self.check_counter()?;
        }
        self.check_discard_per_subject()?;
        self.fill_and_check_markers(context)?;
        if self.allow_msg_schedules {
            if self.discard == Discard::New {
                return Err(invalid("message scheduling cannot use discard new"));
            }
            self.fill_rollup(
                context,
                "message scheduling cannot be set if roll-ups are disabled",
            )?;
        }
        if self.persist_mode == PersistMode::Async {
            self.check_async_persistence()?;
        }
        Ok(())
    }

    fn check_counter(&self) -> Result<(), ApiError> {
        let refused = [
            (
                self.discard == Discard::New,
                "counter stream cannot use discard new",
            ),
            (self.allow_msg_ttl, "counter stream cannot use message TTLs"),
            (
                self.allow_msg_schedules,
                "counter stream cannot use message schedules",
            ),
            (
                self.retention != Retention::Limits,
                "counter stream can only use limits retention",
            ),
        ];
        first_that_applies(&refused)
    }

    pub(crate) fn check_discard_per_subject(&self) -> Result<(), ApiError> {
        if !self.discard_new_per_subject {
            return Ok(());
        }
        first_that_applies(&[
            (
                self.discard != Discard::New,
                "discard new per subject requires discard new policy to be set",
            ),
            (
                self.max_msgs_per_subject <= 0,
                "discard new per subject requires max msgs per subject > 0",
            ),
        ])
    }

    fn fill_and_check_markers(&mut self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let ttl = self.subject_delete_marker_ttl;
        if ttl < Nanos::ZERO {
            return Err(invalid("subject delete marker TTL must not be negative"));
        }
        if ttl == Nanos::ZERO {
            return Ok(());
        }
        if ttl < MARKER_TTL_MIN {
            return Err(invalid("subject delete marker TTL must be at least 1 second"));
        }
        if !self.allow_msg_ttl {
            context
                .put_right_as_invalid("subject delete marker cannot be set if message TTLs are disabled")?;
            self.allow_msg_ttl = true;
        }
        self.fill_rollup(
            context,
            "subject delete marker cannot be set if roll-ups are disabled",
        )
    }

    /// Some messages of the stream's own replace what came before them on their subject.
    fn fill_rollup(&mut self, context: &StreamContext<'_>, pedantic: &str) -> Result<(), ApiError> {
        if !self.allow_rollup_hdrs {
            context.put_right_as_invalid(pedantic)?;
            self.allow_rollup_hdrs = true;
            self.deny_purge = false;
        }
        Ok(())
    }

    fn check_async_persistence(&self) -> Result<(), ApiError> {
        first_that_applies(&[
            (
                self.storage != Storage::File,
                "async persist mode is only supported on file storage",
            ),
            (
                self.num_replicas > 1,
                "async persist mode is not supported on replicated streams",
            ),
            (
                self.allow_atomic,
                "async persist mode is not supported with atomic batch publish",
            ),
        ])
    }

    fn fill_and_check_subjects(&mut self) -> Result<(), ApiError> {
        if self.subjects.is_empty() {
            if self.mirror.is_none() && self.sources.is_empty() {
                self.subjects.push(self.name.clone());
            }
            return Ok(());
        }
        if self.mirror.is_some() {
            return Err(ErrorKind::MirrorWithSubjects.into());
        }
        for (at, subject) in self.subjects.iter().enumerate() {
            if !is_filter(subject) {
                return Err(invalid("invalid subject"));
            }
            if self.subjects[..at].contains(subject) {
                return Err(invalid("duplicate subjects detected"));
            }
            self.check_reach(subject)?;
            // The same subject again is a duplicate, which is found when it is its turn.
            let overlapping = self.subjects[at + 1..]
                .iter()
                .find(|later| overlap(later, subject));
            if let Some(later) = overlapping {
                let (subject, later) = (crate::json::quoted(subject), crate::json::quoted(later));
                return Err(invalid(format_args!("subject {subject} overlaps with {later}")));
            }
        }
        Ok(())
    }

    /// A stream that takes everything, or what servers tell each other, must not answer publishers: its
    /// answers would be messages for it.
    fn check_reach(&self, subject: &str) -> Result<(), ApiError> {
        if subject == ">" {
            first_that_applies(&[
                (!self.no_ack, "capturing all subjects requires no-ack to be true"),
                (
                    self.num_replicas != 1,
                    "capturing all subjects requires replicas of 1",
                ),
            ])?;
        }
        if self.no_ack {
            return Ok(());
        }
        let api = ["$JS.>", "$JSC.>", "$NRG.>"];
        if api.iter().any(|space| overlap(subject, space)) && !contains("$JS.EVENT.>", subject) {
            return Err(invalid(
                "subjects that overlap with jetstream api require no-ack to be true",
            ));
        }
        if overlap(subject, "$SYS.>") && !contains("$SYS.ACCOUNT.>", subject) {
            return Err(invalid(
                "subjects that overlap with system api require no-ack to be true",
            ));
        }
        Ok(())
    }

    fn check_account_limits(&self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let account = context.account;
        if account.max_bytes_required && self.max_bytes <= 0 {
            return Err(ErrorKind::StreamMaxBytesRequired.into());
        }
        let limit = match self.storage {
            Storage::File => account.storage_max_stream_bytes,
            Storage::Memory => account.memory_max_stream_bytes,
        };
        if limit > 0 && self.max_bytes > limit {
            return Err(ErrorKind::StreamMaxStreamBytesExceeded.into());
        }
        Ok(())
    }

    fn check_transform(&self) -> Result<(), ApiError> {
        let Some(transform) = &self.subject_transform else {
            return Ok(());
        };
        if !transform.src.is_empty() && !is_filter(&transform.src) {
            let reason = format!("invalid subject {}", transform.src);
            return Err(ErrorKind::StreamTransformInvalidSource.because(reason));
        }
        compile(&transform.src, &transform.dest)
            .map_err(|reason| ErrorKind::StreamTransformInvalidDestination.because(reason))?;
        Ok(())
    }

    fn fill_and_check_republish(&mut self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let Some(republish) = &mut self.republish else {
            return Ok(());
        };
        if republish.src.is_empty() {
            context.put_right("republish source can not be empty")?;
            ">".clone_into(&mut republish.src);
        }
        // Everything under its transformed subject: the stream does not take that subject itself.
        if let Some(transform) = &self.subject_transform
            && republish.src == ">"
            && republish.dest == ">"
            && self.subjects == [transform.src.as_str()]
        {
            context.put_right("implicit republish based on subject transform")?;
            republish.src.clone_from(&transform.dest);
            republish.dest.clone_from(&transform.dest);
        }
        if self
            .subjects
            .iter()
            .any(|subject| overlap(&republish.dest, subject))
        {
            return Err(invalid(
                "stream configuration for republish destination forms a cycle",
            ));
        }
        if compile(&republish.src, &republish.dest).is_err() {
            return Err(invalid(format_args!(
                "stream configuration for republish with transform from '{}' to '{}' not valid",
                republish.src, republish.dest
            )));
        }
        Ok(())
    }

    fn check_placement(&mut self) -> Result<(), ApiError> {
        if self.placement == Some(Placement::default()) {
            self.placement = None;
        }
        if self.placement.as_ref().is_some_and(|at| !at.preferred.is_empty()) {
            return Err(invalid("preferred server not permitted in placement"));
        }
        Ok(())
    }

    fn check_features(&self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let features = context.server.features;
        let source_consumer = self
            .mirror
            .iter()
            .chain(&self.sources)
            .any(|source| source.consumer.is_some());
        first_that_applies(&[
            (
                self.allow_msg_counter && !features.counters,
                "message counters are not supported by this server",
            ),
            (
                self.allow_msg_schedules && !features.schedules,
                "message schedules are not supported by this server",
            ),
            (
                self.allow_batched && !features.fast_batches,
                "fast batch publish is not supported by this server",
            ),
            (
                self.persist_mode == PersistMode::Async && !features.async_persistence,
                "async persist mode is not supported by this server",
            ),
            (
                source_consumer && !features.source_consumers,
                "consumers of sources are not supported by this server",
            ),
        ])
    }
}

/// Zero and less than -1 become -1, which means "no limit".
fn fill_limit(limit: &mut i64, context: &StreamContext<'_>, pedantic: &str) -> Result<(), ApiError> {
    if *limit < -1 {
        context.put_right(pedantic)?;
    }
    if *limit == 0 || *limit < -1 {
        *limit = -1;
    }
    Ok(())
}

pub(crate) fn first_that_applies(refusals: &[(bool, &str)]) -> Result<(), ApiError> {
    match refusals.iter().find(|(applies, _)| *applies) {
        Some((_, reason)) => Err(invalid(reason)),
        None => Ok(()),
    }
}
