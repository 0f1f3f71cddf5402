//! Where a stream takes the messages of another stream from.

use serde::Serialize;

use crate::config::stream::{SubjectTransform, is_zero_u64};
use crate::json::{At, JsonError, Node, Object};
use crate::wire_time::WireTime;

/// Another stream that is mirrored or sourced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamSource {
    pub name: String,
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub opt_start_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<WireTime>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<SourceConsumer>,
}

/// How a stream of another account or domain is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ExternalStream {
    pub api: String,
    pub deliver: String,
}

/// A consumer made beforehand that a stream is sourced through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct SourceConsumer {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
}

impl StreamSource {
    /// Whether the two are the same source: a stream may be sourced several times, each time with another
    /// filter or other transforms.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.external == other.external
            && self.filter_subject == other.filter_subject
            && self.subject_transforms == other.subject_transforms
    }
}

impl Object for StreamSource {
    const SERVER_TYPE: &'static str = "server.StreamSource";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "name" => at.string(&mut self.name, value)?,
            "opt_start_seq" => at.number(&mut self.opt_start_seq, value, "uint64")?,
            "opt_start_time" => at.time(&mut self.opt_start_time, value)?,
            "filter_subject" => at.string(&mut self.filter_subject, value)?,
            "subject_transforms" => {
                at.objects(
                    &mut self.subject_transforms,
                    value,
                    "[]server.SubjectTransformConfig",
                )?;
            }
            "external" => at.optional(&mut self.external, value)?,
            "consumer" => at.optional(&mut self.consumer, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Object for ExternalStream {
    const SERVER_TYPE: &'static str = "server.ExternalStream";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "api" => at.string(&mut self.api, value)?,
            "deliver" => at.string(&mut self.deliver, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Object for SourceConsumer {
    const SERVER_TYPE: &'static str = "server.StreamConsumerSource";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "name" => at.string(&mut self.name, value)?,
            "deliver_subject" => at.string(&mut self.deliver_subject, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
