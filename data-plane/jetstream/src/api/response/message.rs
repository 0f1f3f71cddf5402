//! A stored message, shown.

use data_encoding::BASE64;
use serde::{Serialize, Serializer};

use crate::wire_time::WireTime;

/// The answer to `STREAM.MSG.GET`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the field is that of the API's documentation")]
pub struct MessageShown<'a> {
    pub message: StoredMessage<'a>,
}

/// A message of a stream. Its bytes are written as text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StoredMessage<'a> {
    pub subject: &'a str,
    pub seq: u64,
    #[serde(skip_serializing_if = "<[u8]>::is_empty", serialize_with = "base64")]
    pub hdrs: &'a [u8],
    #[serde(skip_serializing_if = "<[u8]>::is_empty", serialize_with = "base64")]
    pub data: &'a [u8],
    pub time: WireTime,
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}
