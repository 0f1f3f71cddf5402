//! What is told about a stream.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::response::Page;
use crate::config::{ExternalStream, StreamConfig, SubjectTransform};
use crate::error::ApiError;
use crate::nanos::Nanos;
use crate::wire_time::WireTime;

/// A stream and what is in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamInfo {
    pub config: StreamConfig,
    pub created: WireTime,
    pub state: StreamState,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<SourceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<StreamAlternate>,
    pub ts: WireTime,
}

/// The answer to `STREAM.INFO`: a page of subjects, when they were asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamInfoPage {
    #[serde(flatten)]
    pub page: Page,
    #[serde(flatten)]
    pub info: StreamInfo,
}

/// The answer to `STREAM.CREATE`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamCreated {
    #[serde(flatten)]
    pub info: StreamInfo,
    /// Also for a stream that was there and like this already.
    pub did_create: bool,
}

/// The messages of a stream, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamState {
    pub messages: u64,
    pub bytes: u64,
    pub first_seq: u64,
    pub first_ts: WireTime,
    pub last_seq: u64,
    pub last_ts: WireTime,
    #[serde(skip_serializing_if = "is_zero")]
    pub num_subjects: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subjects: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub num_deleted: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<u64>,
    pub consumer_count: u64,
}

impl Default for StreamState {
    /// A stream that never had a message.
    fn default() -> Self {
        Self {
            messages: 0,
            bytes: 0,
            first_seq: 0,
            first_ts: WireTime::NEVER,
            last_seq: 0,
            last_ts: WireTime::NEVER,
            num_subjects: 0,
            subjects: BTreeMap::new(),
            num_deleted: 0,
            deleted: Vec::new(),
            consumer_count: 0,
        }
    }
}

/// Which server leads: the only one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ClusterInfo {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub leader: String,
}

/// How far a stream is behind one that it takes messages from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct SourceInfo {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    pub lag: u64,
    /// How long ago it was heard of; -1 for never.
    pub active: Nanos,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
}

/// Another stream with the same messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamAlternate {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    pub cluster: String,
}

/// It was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the field is that of the API's documentation")]
pub struct Success {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub success: bool,
}

/// The answer to `STREAM.PURGE`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct Purged {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub success: bool,
    pub purged: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
