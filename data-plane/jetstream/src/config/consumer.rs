//! How a consumer is configured.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::policies::{AckPolicy, DeliverPolicy, PriorityPolicy, ReplayPolicy};
use crate::config::stream::{is_false, is_zero, is_zero_u64};
use crate::json::{At, JsonError, Node, Object};
use crate::nanos::Nanos;
use crate::wire_time::WireTime;

/// The configuration of a consumer, as requests and answers have it.
///
/// Read from a request it holds what the client wrote; [`with_defaults`](Self::with_defaults) and
/// [`check`](Self::check) make it what the consumer lives by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ConsumerConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub durable_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub deliver_policy: DeliverPolicy,
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub opt_start_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<WireTime>,
    pub ack_policy: AckPolicy,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub ack_wait: Nanos,
    #[serde(skip_serializing_if = "is_zero")]
    pub max_deliver: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backoff: Vec<Nanos>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filter_subjects: Vec<String>,
    pub replay_policy: ReplayPolicy,
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub rate_limit_bps: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sample_freq: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub max_waiting: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
    #[serde(skip_serializing_if = "is_false")]
    pub flow_control: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub headers_only: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub max_batch: i64,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub max_expires: Nanos,
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_group: String,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub idle_heartbeat: Nanos,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub inactive_threshold: Nanos,
    pub num_replicas: i64,
    #[serde(skip_serializing_if = "is_false")]
    pub mem_storage: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub direct: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub sourcing: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<WireTime>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<String>,
    #[serde(skip_serializing_if = "is_no_priority")]
    pub priority_policy: PriorityPolicy,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub priority_timeout: Nanos,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_no_priority(policy: &PriorityPolicy) -> bool {
    *policy == PriorityPolicy::None
}

impl ConsumerConfig {
    /// Whether messages are sent without being asked for.
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// Whether it stays when nobody uses it.
    pub fn is_durable(&self) -> bool {
        !self.durable_name.is_empty()
    }

    /// What it is filtered by; empty for the whole stream.
    pub fn filters(&self) -> &[String] {
        if self.filter_subject.is_empty() {
            &self.filter_subjects
        } else {
            std::slice::from_ref(&self.filter_subject)
        }
    }
}

impl Object for ConsumerConfig {
    const SERVER_TYPE: &'static str = "server.ConsumerConfig";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "durable_name" => at.string(&mut self.durable_name, value)?,
            "name" => at.string(&mut self.name, value)?,
            "description" => at.string(&mut self.description, value)?,
            "deliver_policy" => self.deliver_policy.read(value)?,
            "opt_start_seq" => at.number(&mut self.opt_start_seq, value, "uint64")?,
            "opt_start_time" => at.time(&mut self.opt_start_time, value)?,
            "ack_policy" => self.ack_policy.read(value)?,
            "ack_wait" => at.duration(&mut self.ack_wait, value)?,
            "max_deliver" => at.number(&mut self.max_deliver, value, "int")?,
            "backoff" => at.durations(&mut self.backoff, value)?,
            "filter_subject" => at.string(&mut self.filter_subject, value)?,
            "filter_subjects" => at.strings(&mut self.filter_subjects, value)?,
            "replay_policy" => self.replay_policy.read(value)?,
            "rate_limit_bps" => at.number(&mut self.rate_limit_bps, value, "uint64")?,
            "sample_freq" => at.string(&mut self.sample_freq, value)?,
            "max_waiting" => at.number(&mut self.max_waiting, value, "int")?,
            "max_ack_pending" => at.number(&mut self.max_ack_pending, value, "int")?,
            "flow_control" => at.boolean(&mut self.flow_control, value)?,
            "headers_only" => at.boolean(&mut self.headers_only, value)?,
            "max_batch" => at.number(&mut self.max_batch, value, "int")?,
            "max_expires" => at.duration(&mut self.max_expires, value)?,
            "max_bytes" => at.number(&mut self.max_bytes, value, "int")?,
            "deliver_subject" => at.string(&mut self.deliver_subject, value)?,
            "deliver_group" => at.string(&mut self.deliver_group, value)?,
            "idle_heartbeat" => at.duration(&mut self.idle_heartbeat, value)?,
            "inactive_threshold" => at.duration(&mut self.inactive_threshold, value)?,
            "num_replicas" => at.number(&mut self.num_replicas, value, "int")?,
            "mem_storage" => at.boolean(&mut self.mem_storage, value)?,
            "direct" => at.boolean(&mut self.direct, value)?,
            "sourcing" => at.boolean(&mut self.sourcing, value)?,
            "metadata" => at.texts(&mut self.metadata, value)?,
            "pause_until" => at.time(&mut self.pause_until, value)?,
            "priority_groups" => at.strings(&mut self.priority_groups, value)?,
            "priority_policy" => self.priority_policy.read(value)?,
            "priority_timeout" => at.duration(&mut self.priority_timeout, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
