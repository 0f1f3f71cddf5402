//! How a stream is configured.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::policies::{Compression, Discard, PersistMode, Retention, Storage};
use crate::config::source::StreamSource;
use crate::json::{At, JsonError, Node, Object};
use crate::nanos::Nanos;

/// The configuration of a stream, as requests and answers have it.
///
/// Read from a request it holds what the client wrote; [`normalized`](Self::normalized) makes it what the
/// stream lives by. Numbers below zero mean "no limit" then, and -1 is the only one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamConfig {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    pub retention: Retention,
    pub max_consumers: i64,
    pub max_msgs: i64,
    pub max_bytes: i64,
    pub max_age: Nanos,
    pub max_msgs_per_subject: i64,
    #[serde(skip_serializing_if = "is_zero_i32")]
    pub max_msg_size: i32,
    pub discard: Discard,
    pub storage: Storage,
    pub num_replicas: i64,
    #[serde(skip_serializing_if = "is_false")]
    pub no_ack: bool,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub duplicate_window: Nanos,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSource>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StreamSource>,
    pub compression: Compression,
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub first_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_transform: Option<SubjectTransform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub republish: Option<Republish>,
    pub allow_direct: bool,
    pub mirror_direct: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub discard_new_per_subject: bool,
    pub sealed: bool,
    pub deny_delete: bool,
    pub deny_purge: bool,
    pub allow_rollup_hdrs: bool,
    pub consumer_limits: ConsumerLimits,
    pub allow_msg_ttl: bool,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub subject_delete_marker_ttl: Nanos,
    #[serde(skip_serializing_if = "is_false")]
    pub allow_msg_counter: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub allow_atomic: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub allow_msg_schedules: bool,
    #[serde(skip_serializing_if = "is_default_persist_mode")]
    pub persist_mode: PersistMode,
    #[serde(skip_serializing_if = "is_false")]
    pub allow_batched: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// What a stream grants its consumers at most, and by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ConsumerLimits {
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub inactive_threshold: Nanos,
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
}

/// Subjects that become others before a message is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct SubjectTransform {
    pub src: String,
    pub dest: String,
}

/// Stored messages that are published again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct Republish {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub src: String,
    pub dest: String,
    #[serde(skip_serializing_if = "is_false")]
    pub headers_only: bool,
}

/// Where a stream should live in a cluster; kept and without effect on a single server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct Placement {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub preferred: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_zero(value: &i64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero_i32(value: &i32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_zero_u64(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_default_persist_mode(mode: &PersistMode) -> bool {
    *mode == PersistMode::Default
}

impl Object for StreamConfig {
    const SERVER_TYPE: &'static str = "server.StreamConfig";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "name" => at.string(&mut self.name, value)?,
            "description" => at.string(&mut self.description, value)?,
            "subjects" => at.strings(&mut self.subjects, value)?,
            "retention" => self.retention.read(value)?,
            "max_consumers" => at.number(&mut self.max_consumers, value, "int")?,
            "max_msgs" => at.number(&mut self.max_msgs, value, "int64")?,
            "max_bytes" => at.number(&mut self.max_bytes, value, "int64")?,
            "max_age" => at.duration(&mut self.max_age, value)?,
            "max_msgs_per_subject" => at.number(&mut self.max_msgs_per_subject, value, "int64")?,
            "max_msg_size" => at.number(&mut self.max_msg_size, value, "int32")?,
            "discard" => self.discard.read(value)?,
            "storage" => self.storage.read(value)?,
            "num_replicas" => at.number(&mut self.num_replicas, value, "int")?,
            "no_ack" => at.boolean(&mut self.no_ack, value)?,
            "duplicate_window" => at.duration(&mut self.duplicate_window, value)?,
            "placement" => at.optional(&mut self.placement, value)?,
            "mirror" => at.optional(&mut self.mirror, value)?,
            "sources" => at.objects(&mut self.sources, value, "[]*server.StreamSource")?,
            "compression" => self.compression.read(value)?,
            "first_seq" => at.number(&mut self.first_seq, value, "uint64")?,
            "subject_transform" => at.optional(&mut self.subject_transform, value)?,
            "republish" => at.optional(&mut self.republish, value)?,
            "allow_direct" => at.boolean(&mut self.allow_direct, value)?,
            "mirror_direct" => at.boolean(&mut self.mirror_direct, value)?,
            "discard_new_per_subject" => at.boolean(&mut self.discard_new_per_subject, value)?,
            "sealed" => at.boolean(&mut self.sealed, value)?,
            "deny_delete" => at.boolean(&mut self.deny_delete, value)?,
            "deny_purge" => at.boolean(&mut self.deny_purge, value)?,
            "allow_rollup_hdrs" => at.boolean(&mut self.allow_rollup_hdrs, value)?,
            "consumer_limits" => at.object(&mut self.consumer_limits, value)?,
            "allow_msg_ttl" => at.boolean(&mut self.allow_msg_ttl, value)?,
            "subject_delete_marker_ttl" => at.duration(&mut self.subject_delete_marker_ttl, value)?,
            "allow_msg_counter" => at.boolean(&mut self.allow_msg_counter, value)?,
            "allow_atomic" => at.boolean(&mut self.allow_atomic, value)?,
            "allow_msg_schedules" => at.boolean(&mut self.allow_msg_schedules, value)?,
            "persist_mode" => self.persist_mode.read(value)?,
            "allow_batched" => at.boolean(&mut self.allow_batched, value)?,
            "metadata" => at.texts(&mut self.metadata, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Object for ConsumerLimits {
    const SERVER_TYPE: &'static str = "server.StreamConsumerLimits";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "inactive_threshold" => at.duration(&mut self.inactive_threshold, value)?,
            "max_ack_pending" => at.number(&mut self.max_ack_pending, value, "int")?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Object for SubjectTransform {
    const SERVER_TYPE: &'static str = "server.SubjectTransformConfig";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "src" => at.string(&mut self.src, value)?,
            "dest" => at.string(&mut self.dest, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Object for Republish {
    const SERVER_TYPE: &'static str = "server.RePublish";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "src" => at.string(&mut self.src, value)?,
            "dest" => at.string(&mut self.dest, value)?,
            "headers_only" => at.boolean(&mut self.headers_only, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Object for Placement {
    const SERVER_TYPE: &'static str = "server.Placement";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "cluster" => at.string(&mut self.cluster, value)?,
            "tags" => at.strings(&mut self.tags, value)?,
            "preferred" => at.string(&mut self.preferred, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
