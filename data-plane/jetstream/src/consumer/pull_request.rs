//! How messages are asked for.

use crate::json::{At, JsonError, Node, Object, read_leniently};
use crate::nanos::Nanos;

/// The body of a pull request. Fields of priority groups are read over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// How many messages are wanted.
    pub batch: i64,
    /// How long it waits for them; zero for as long as somebody listens.
    pub expires: Nanos,
    /// Whether it takes what there is; with an expiry, whether it waits for the first only.
    pub no_wait: bool,
    /// How many bytes are wanted at most; zero for any number.
    pub max_bytes: i64,
    /// How often it wants to hear something while it waits; zero for never.
    pub idle_heartbeat: Nanos,
}

/// Why a request is none: the text after `400 Bad Request - `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPullRequest(String);

impl PullRequest {
    /// A request for so many messages, which says nothing else.
    fn of(batch: i64) -> Self {
        Self {
            batch,
            expires: Nanos::ZERO,
            no_wait: false,
            max_bytes: 0,
            idle_heartbeat: Nanos::ZERO,
        }
    }

    /// Reads the body of a request: an object, or a number of messages. Anything else asks for one message,
    /// as in stock servers.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidPullRequest> {
        let body = body.trim_ascii();
        if body.first() != Some(&b'{') {
            let number = str::from_utf8(body).ok().and_then(|text| text.parse().ok());
            return Ok(Self::of(number.unwrap_or(1)));
        }
        let Fields(request) = read_leniently(body).map_err(InvalidPullRequest)?;
        let heartbeat = request.idle_heartbeat.0;
        // There must be room for one heartbeat, and for noticing that it did not come.
        if heartbeat > 0 && heartbeat.saturating_mul(2) > request.expires.0 {
            return Err(InvalidPullRequest("heartbeat value too large".to_owned()));
        }
        Ok(request)
    }
}

struct Fields(PullRequest);

impl Default for Fields {
    fn default() -> Self {
        Self(PullRequest::of(0))
    }
}

impl Object for Fields {
    const SERVER_TYPE: &'static str = "server.JSApiConsumerGetNextRequest";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        let Self(request) = self;
        match name {
            "batch" => at.number(&mut request.batch, value, "int")?,
            "expires" => at.duration(&mut request.expires, value)?,
            "no_wait" => at.boolean(&mut request.no_wait, value)?,
            "max_bytes" => at.number(&mut request.max_bytes, value, "int")?,
            "idle_heartbeat" => at.duration(&mut request.idle_heartbeat, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_or_nothing_asks_for_so_many_messages() {
        for (body, batch) in [
            ("", 1),
            ("  ", 1),
            ("25", 25),
            (" 3 ", 3),
            ("x", 1),
            ("1.5", 1),
            ("[]", 1),
        ] {
            assert_eq!(
                PullRequest::parse(body.as_bytes()),
                Ok(PullRequest::of(batch)),
                "{body}"
            );
        }
    }

    #[test]
    fn an_object_says_more() {
        let body = br#"{"batch":10,"expires":2000000000,"no_wait":true,"max_bytes":5,"idle_heartbeat":1000000000,"group":"g","foo":1}"#;
        let request = PullRequest::parse(body).expect("it is a request");
        assert_eq!((request.batch, request.max_bytes, request.no_wait), (10, 5, true));
        assert_eq!(request.expires, Nanos::from_secs(2));
        assert_eq!(request.idle_heartbeat, Nanos::from_secs(1));
    }

    #[test]
    fn what_is_wrong_is_said_as_in_the_real_server() {
        for (body, refusal) in [
            ("{", "unexpected end of JSON input"),
            (
                r#"{"batch":1,"expires":1000000000,"idle_heartbeat":900000000}"#,
                "heartbeat value too large",
            ),
            (r#"{"batch":1,"idle_heartbeat":1}"#, "heartbeat value too large"),
        ] {
            let error = PullRequest::parse(body.as_bytes()).expect_err("it is none");
            assert_eq!(error.to_string(), refusal);
        }
    }

    proptest! {
        #[test]
        fn any_body_is_a_request_or_not(body: Vec<u8>) {
            let _ = PullRequest::parse(&body);
            let _ = PullRequest::parse(&[b"{".as_slice(), &body].concat());
        }
    }
}
