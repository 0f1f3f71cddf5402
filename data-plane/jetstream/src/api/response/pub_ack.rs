//! What a publisher is told.

use std::fmt::Write as _;

use serde::Serialize;

use crate::error::ApiError;
use crate::json::to_json;

/// A message is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PubAck<'a> {
    /// Where.
    pub stream: &'a str,
    /// As which.
    pub seq: u64,
    /// The domain of the server; empty without one.
    pub domain: &'a str,
    /// Whether it was there already.
    pub duplicate: bool,
    /// The batch that was stored with it, and how many messages it had.
    pub batch: Option<(&'a str, u64)>,
}

impl PubAck<'_> {
    /// The bytes of the answer, which are those of stock servers to the last blank: some clients compare them.
    pub fn to_json(&self) -> Vec<u8> {
        let quoted = |text: &str| String::from_utf8(to_json(text)).expect("JSON is text");
        let mut text = format!(r#"{{"stream":{},"seq":{}"#, quoted(self.stream), self.seq);
        let written = if self.domain.is_empty() {
            Ok(())
        } else {
            write!(text, r#","domain":{}"#, quoted(self.domain))
        };
        written.expect("text takes everything");
        if self.duplicate {
            text.push_str(r#","duplicate": true"#);
        }
        if let Some((batch, count)) = self.batch {
            write!(text, r#","batch":{},"count":{count}"#, quoted(batch)).expect("text takes everything");
        }
        text.push('}');
        text.into_bytes()
    }
}

/// A message is not stored.
pub fn refuse_publish(stream: &str, error: &ApiError) -> Vec<u8> {
    #[derive(Serialize)]
    struct Refused<'a> {
        error: &'a ApiError,
        stream: &'a str,
        seq: u64,
    }
    to_json(&Refused {
        error,
        stream,
        seq: 0,
    })
}
