//! Streams that take their messages from other streams: mirrors and sources.

use std::collections::{BTreeSet, VecDeque};

use crate::config::name::is_asset_name;
use crate::config::source::{SourceConsumer, StreamSource};
use crate::config::stream::StreamConfig;
use crate::config::stream_check::{StreamContext, invalid};
use crate::config::subject_check::{contains, has_no_wildcard, is_filter, is_literal, overlap};
use crate::config::transform_check::compile;
use crate::error::{ApiError, ErrorKind};
use crate::nanos::Nanos;

/// What every subject of the API begins with.
const API_PREFIX: &str = "$JS.API";

impl StreamConfig {
    pub(crate) fn check_mirror(&mut self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let Some(mirror) = &self.mirror else {
            return Ok(());
        };
        // What a mirror does besides would use up sequence numbers, and they are its origin's.
        for (applies, kind) in [
            (self.first_seq > 0, ErrorKind::MirrorWithFirstSeq),
            (!self.subjects.is_empty(), ErrorKind::MirrorWithSubjects),
            (!self.sources.is_empty(), ErrorKind::MirrorWithSources),
            (self.allow_msg_counter, ErrorKind::MirrorWithCounters),
            (self.allow_atomic, ErrorKind::MirrorWithAtomicPublish),
            (self.allow_batched, ErrorKind::MirrorWithBatchPublish),
            (self.allow_msg_schedules, ErrorKind::MirrorWithMsgSchedules),
        ] {
            if applies {
                return Err(kind.into());
            }
        }
        if let Some(consumer) = &mirror.consumer
            && !consumer.is_usable_with(mirror)
        {
            return Err(ErrorKind::MirrorDurableConsumerCfgInvalid.into());
        }
        if !mirror.filter_subject.is_empty() && !mirror.subject_transforms.is_empty() {
            return Err(ErrorKind::MirrorMultipleFiltersNotAllowed.into());
        }
        if self.subject_delete_marker_ttl > Nanos::ZERO {
            return Err(invalid("subject delete markers forbidden on mirrors"));
        }
        check_mirror_transforms(mirror)?;
        if mirror.external.is_some() {
            return Ok(());
        }
        if !is_asset_name(&mirror.name) {
            return Err(ErrorKind::MirrorInvalidStreamName.into());
        }
        let Some(origin) = context.streams.config(&mirror.name) else {
            return Ok(());
        };
        if self.takes_less_than(origin) {
            return Err(ErrorKind::MirrorMaxMessageSizeTooBig.into());
        }
        if self.mirror_direct != origin.allow_direct {
            context.put_right("origin stream has direct get set, mirror has it disabled")?;
            self.mirror_direct = origin.allow_direct;
        }
        Ok(())
    }

    /// Whether some message of the other stream would be too large for this one.
    fn takes_less_than(&self, origin: &Self) -> bool {
        self.max_msg_size > 0 && origin.max_msg_size > 0 && self.max_msg_size < origin.max_msg_size
    }

    pub(crate) fn check_sources(&self) -> Result<(), ApiError> {
        if !self.sources.is_empty() && self.allow_msg_schedules {
            return Err(ErrorKind::SourceWithMsgSchedules.into());
        }
        for (at, source) in self.sources.iter().enumerate() {
            let before = &self.sources[..at];
            if !is_asset_name(&source.name) {
                return Err(ErrorKind::SourceInvalidStreamName.into());
            }
            if before.iter().any(|other| other.is_same_as(source)) {
                return Err(ErrorKind::SourceDuplicateDetected.into());
            }
            if !source.filter_subject.is_empty() && !source.subject_transforms.is_empty() {
                return Err(ErrorKind::SourceMultipleFiltersNotAllowed.into());
            }
            check_source_transforms(source)?;
            if let Some(consumer) = &source.consumer {
                if !consumer.is_usable_with(source) {
                    return Err(ErrorKind::SourceDurableConsumerCfgInvalid.into());
                }
                if before.iter().any(|other| shares_consumer(other, source)) {
                    return Err(ErrorKind::SourceDurableConsumerDuplicateDetected.into());
                }
            }
        }
        Ok(())
    }

    /// Message sizes of sources, and prefixes by which other accounts and domains are reached.
    pub(crate) fn check_externals(&self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let mut subjects = Vec::new();
        let mut externals = Vec::new();
        for source in self.mirror.iter().chain(&self.sources) {
            if let Some(external) = &source.external {
                externals.push(external);
            } else if let Some(origin) = context.streams.config(&source.name) {
                subjects.extend(&origin.subjects);
                if self.mirror.is_none() && self.takes_less_than(origin) {
                    return Err(ErrorKind::SourceMaxMessageSizeTooBig.into());
                }
            }
        }
        let set = |prefix: &&str| !prefix.is_empty();
        for prefix in externals
            .iter()
            .map(|external| external.deliver.as_str())
            .filter(set)
        {
            if !is_literal(prefix) {
                return Err(ErrorKind::StreamInvalidExternalDeliverySubj.with("prefix", prefix));
            }
            if let Some(subject) = subjects
                .iter()
                .find(|subject| overlap(subject, &format!("{prefix}.{subject}")))
            {
                return Err(ErrorKind::StreamExternalDelPrefixOverlaps
                    .with("prefix", prefix)
                    .with("subject", subject));
            }
        }
        for prefix in externals.iter().map(|external| external.api.as_str()).filter(set) {
            if !is_literal(prefix) {
                let prefix = crate::json::quoted(prefix);
                return Err(invalid(format_args!(
                    "stream external api prefix {prefix} must be a valid subject without wildcards"
                )));
            }
            if overlap(prefix, API_PREFIX) {
                return Err(ErrorKind::StreamExternalApiOverlap
                    .with("prefix", prefix)
                    .with("subject", API_PREFIX));
            }
        }
        Ok(())
    }

    /// What a new stream is refused for when it is about to take messages from others.
    pub(crate) fn check_origins(&self) -> Result<(), ApiError> {
        if self.mirror_direct && self.mirror.is_none() {
            return Err(invalid("stream has no mirror but does have mirror direct"));
        }
        let is_bad = |filter: &str| !filter.is_empty() && !is_filter(filter);
        for (sources, place) in [(self.mirror.as_slice(), "mirror"), (&self.sources, "source:")] {
            if let Some(bad) = sources.iter().find(|source| is_bad(&source.filter_subject)) {
                let filter = &bad.filter_subject;
                let reason = format!("subject filter '{filter}' for the {place} invalid subject");
                return Err(ErrorKind::StreamCreate.because(reason));
            }
        }
        Ok(())
    }

    /// No stream gets its own messages back.
    pub(crate) fn check_cycles(&self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let mut visited = BTreeSet::new();
        let mut to_visit = VecDeque::from([self]);
        while let Some(config) = to_visit.pop_front() {
            visited.insert(config.name.as_str());
            for source in config.sources.iter().filter(|source| source.external.is_none()) {
                if visited.contains(source.name.as_str()) {
                    let filter = &source.filter_subject;
                    if filter.is_empty() || config.subjects.iter().any(|subject| overlap(subject, filter)) {
                        return Err(invalid("detected cycle"));
                    }
                } else {
                    to_visit.extend(context.streams.config(&source.name));
                }
            }
            if let Some(mirror) = config.mirror.as_ref().filter(|mirror| mirror.external.is_none()) {
                if visited.contains(mirror.name.as_str()) {
                    return Err(invalid("detected cycle"));
                }
                to_visit.extend(context.streams.config(&mirror.name));
            }
        }
        Ok(())
    }
}

impl SourceConsumer {
    /// The consumer decides where to begin and what to leave out, so the source must not.
    fn is_usable_with(&self, source: &StreamSource) -> bool {
        is_asset_name(&self.name)
            && has_no_wildcard(&self.deliver_subject)
            && is_filter(&self.deliver_subject)
            && source.opt_start_seq == 0
            && source.opt_start_time.is_none()
            && source.filter_subject.is_empty()
    }
}

fn shares_consumer(a: &StreamSource, b: &StreamSource) -> bool {
    let name = |source: &StreamSource| source.consumer.as_ref().map(|consumer| consumer.name.clone());
    a.name == b.name && a.external == b.external && name(a) == name(b)
}

fn check_mirror_transforms(mirror: &StreamSource) -> Result<(), ApiError> {
    let transforms = &mirror.subject_transforms;
    for (at, transform) in transforms.iter().enumerate() {
        if !transform.src.is_empty() && !is_filter(&transform.src) {
            let reason = format!("invalid subject {}", transform.src);
            return Err(ErrorKind::MirrorInvalidSubjectFilter.because(reason));
        }
        compile(&transform.src, &transform.dest)
            .map_err(|reason| ErrorKind::MirrorInvalidTransformDestination.because(reason))?;
        let overlaps = |other: &usize| *other != at && overlap(&transform.src, &transforms[*other].src);
        if (0..transforms.len()).any(|other| overlaps(&other)) {
            return Err(ErrorKind::MirrorOverlappingSubjectFilters.into());
        }
    }
    Ok(())
}

fn check_source_transforms(source: &StreamSource) -> Result<(), ApiError> {
    let transforms = &source.subject_transforms;
    for transform in transforms {
        if !transform.src.is_empty() && !is_filter(&transform.src) {
            let reason = format!("invalid subject {}", transform.src);
            return Err(ErrorKind::SourceInvalidSubjectFilter.because(reason));
        }
        compile(&transform.src, &transform.dest)
            .map_err(|reason| ErrorKind::SourceInvalidTransformDestination.because(reason))?;
    }
    for (at, inner) in transforms.iter().enumerate() {
        let outer = |(other, outer): (usize, &crate::config::stream::SubjectTransform)| {
            other != at && contains(&outer.src, &inner.src)
        };
        if transforms.iter().enumerate().any(outer) {
            return Err(ErrorKind::SourceOverlappingSubjectFilters.into());
        }
    }
    Ok(())
}
