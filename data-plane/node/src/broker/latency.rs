//! How long an exported service takes to answer, told to the account that exports it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tollway_claims::LatencySampling;
use tollway_subject::FilterBuf;
use tollway_wire::Message;
use tollway_wire::headers::HeaderBlock;

use super::account::Account;
use super::bounds::TRACE_HEADERS_BYTES_MAX;
use super::request_info::RequestInfo;

/// A request whose response time is told.
pub(crate) struct Measured {
    /// The account that is told, on this subject.
    pub(crate) exporter: Arc<Account>,
    pub(crate) results: FilterBuf,
    pub(crate) requestor: RequestInfo,
    /// The headers that asked for it.
    pub(crate) headers: TraceHeaders,
    began: Instant,
    began_at: OffsetDateTime,
}

/// Headers by their canonical names.
pub(crate) type TraceHeaders = BTreeMap<String, Vec<String>>;

/// How a measured request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered by this client.
    Answered(RequestInfo),
    /// It asked for no answer.
    NoReply,
    /// Nobody was there to answer.
    NoResponders,
    /// Nobody answered in time.
    Timeout,
}

/// What is to be published in the exporting account.
pub(crate) struct Measurement {
    pub(crate) exporter: Arc<Account>,
    pub(crate) subject: FilterBuf,
    pub(crate) payload: Vec<u8>,
}

/// As stock servers spell it; times are in nanoseconds.
#[derive(Serialize)]
struct Report<'r> {
    r#type: &'static str,
    id: String,
    timestamp: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    requestor: &'r RequestInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    responder: Option<&'r RequestInfo>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    header: &'r TraceHeaders,
    start: String,
    service: u64,
    system: u64,
    total: u64,
}

impl Measured {
    /// The request leaves now.
    pub(crate) fn begin(
        exporter: Arc<Account>,
        results: FilterBuf,
        requestor: RequestInfo,
        headers: TraceHeaders,
    ) -> Self {
        Self {
            exporter,
            results,
            requestor,
            headers,
            began: Instant::now(),
            began_at: OffsetDateTime::now_utc(),
        }
    }

    /// How many bytes it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let of_headers =
            headers.map(|(name, values)| name.len() + values.iter().map(String::len).sum::<usize>());
        size_of::<Self>() + 256 + of_headers.sum::<usize>()
    }

    /// The request ended now, in this way.
    pub(crate) fn end(self, outcome: &Outcome) -> Measurement {
        let took = match outcome {
            Outcome::Answered(_) | Outcome::Timeout => self.began.elapsed(),
            Outcome::NoReply | Outcome::NoResponders => Duration::ZERO,
        };
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let (status, description) = match outcome {
            Outcome::Answered(_) => (200, None),
            Outcome::NoReply => (400, Some("Bad Request")),
            Outcome::NoResponders => (503, Some("Service Unavailable")),
            Outcome::Timeout => (504, Some("Service Timeout")),
        };
        let report = Report {
            r#type: "io.nats.server.metric.v1.service_latency",
            id: id(),
            timestamp: rfc3339(OffsetDateTime::now_utc()),
            status,
            description,
            requestor: &self.requestor,
            responder: match outcome {
                Outcome::Answered(responder) => Some(responder),
                _ => None,
            },
            header: &self.headers,
            start: rfc3339(self.began_at),
            // Clients' round trips are not measured, so all of the time is the service's.
            service: took,
            system: 0,
            total: took,
        };
        Measurement {
            payload: serde_json::to_vec(&report).expect("texts and numbers are JSON"),
            exporter: self.exporter,
            subject: self.results,
        }
    }
}

/// Whether this request is measured, and which headers asked for it. `chance` is a number below 100.
pub(crate) fn sample(
    sampling: LatencySampling,
    message: &Message<'_>,
    chance: usize,
) -> Option<TraceHeaders> {
    match sampling {
        LatencySampling::Percent(percent) if chance < usize::from(percent) => Some(TraceHeaders::new()),
        _ => trace_headers(message),
    }
}

/// The headers of a distributed trace that is to be recorded, in the order in which stock servers look.
fn trace_headers(message: &Message<'_>) -> Option<TraceHeaders> {
    let headers = message
        .headers()
        .filter(|headers| headers.len() <= TRACE_HEADERS_BYTES_MAX)?;
    let block = HeaderBlock::new(headers).ok()?;
    let text = |name: &str| block.get(name).and_then(|value| std::str::from_utf8(value).ok());
    let taken = |belongs: &dyn Fn(&str) -> bool| {
        let mut headers = TraceHeaders::new();
        for (name, value) in block.iter() {
            let name = canonical(&String::from_utf8_lossy(name));
            if belongs(&name) {
                let value = String::from_utf8_lossy(value).into_owned();
                headers.entry(name).or_default().push(value);
            }
        }
        headers
    };
    if let Some(jaeger) = text("Uber-Trace-Id") {
        let belongs = |name: &str| name == "Uber-Trace-Id" || name.starts_with("Uberctx-");
        let fields: Vec<_> = jaeger.split(':').collect();
        return (fields.len() == 4 && is_sampled(fields[3])).then(|| taken(&belongs));
    }
    let b3 = |name: &str| name.starts_with("X-B3-");
    match text("X-B3-Sampled") {
        Some("1") => return Some(taken(&b3)),
        Some("0") => return None,
        _ if text("X-B3-TraceId").is_some() => return Some(taken(&b3)),
        _ => {}
    }
    if let Some(single) = text("B3") {
        let fields: Vec<_> = single.split('-').collect();
        let denied = fields == ["0"] || fields.get(2) == Some(&"0");
        return (!denied).then(|| taken(&|name| name == "B3"));
    }
    let parent = text("Traceparent")?;
    let fields: Vec<_> = parent.split('-').collect();
    let belongs = |name: &str| name == "Traceparent" || name == "Tracestate";
    (fields.len() == 4 && is_sampled(fields[3])).then(|| taken(&belongs))
}

/// The lowest bit of hexadecimal flags.
fn is_sampled(flags: &str) -> bool {
    flags.len() <= 2 && u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1)
}

/// `traceparent` as `Traceparent`: the report's readers look for that.
fn canonical(name: &str) -> String {
    let mut begins = true;
    name.chars()
        .map(|character| {
            let cased = match begins {
                true => character.to_ascii_uppercase(),
                false => character.to_ascii_lowercase(),
            };
            begins = character == '-';
            cased
        })
        .collect()
}

pub(crate) fn id() -> String {
    let mut bytes = [0; 16];
    // Without a random source ids repeat, and nothing depends on them.
    let _ = getrandom::fill(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}

pub(crate) fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).expect("this century has that form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(headers: &str) -> Option<Vec<String>> {
        let body = format!("NATS/1.0\r\n{headers}\r\n");
        let message = Message::with_headers(b"s", None, body.as_bytes(), body.len()).unwrap();
        let headers = sample(LatencySampling::Headers, &message, 0)?;
        Some(headers.into_keys().collect())
    }

    #[test]
    fn headers_of_a_trace_that_is_recorded_ask_for_a_measurement() {
        let parent = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for (headers, names) in [
            (
                format!("traceparent: 00-{parent}-01\r\nX: y\r\n"),
                Some(vec!["Traceparent"]),
            ),
            (
                format!("traceparent: 00-{parent}-01\r\ntracestate: a=b\r\n"),
                Some(vec!["Traceparent", "Tracestate"]),
            ),
            (format!("traceparent: 00-{parent}-00\r\n"), None),
            ("traceparent: 01\r\n".to_owned(), None),
            ("X-B3-Sampled: 1\r\n".to_owned(), Some(vec!["X-B3-Sampled"])),
            ("X-B3-Sampled: 0\r\nX-B3-TraceId: 1\r\n".to_owned(), None),
            ("X-B3-TraceId: 1\r\n".to_owned(), Some(vec!["X-B3-Traceid"])),
            ("B3: a-b-1\r\n".to_owned(), Some(vec!["B3"])),
            ("b3: a-b\r\n".to_owned(), Some(vec!["B3"])),
            ("b3: a-b-0\r\n".to_owned(), None),
            ("b3: 0\r\n".to_owned(), None),
            (
                "Uber-Trace-Id: 1:2:3:1\r\n".to_owned(),
                Some(vec!["Uber-Trace-Id"]),
            ),
            ("Uber-Trace-Id: 1:2:3:02\r\n".to_owned(), None),
            ("X: y\r\n".to_owned(), None),
        ] {
            let names = names.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(sampled(&headers), names, "{headers}");
        }
    }

    #[test]
    fn headers_that_nobody_would_repeat_are_not_looked_at() {
        let traced = |length: usize| sampled(&format!("X-B3-TraceId: {}\r\n", "1".repeat(length)));
        assert!(traced(TRACE_HEADERS_BYTES_MAX - 100).is_some());
        assert_eq!(traced(TRACE_HEADERS_BYTES_MAX), None);
    }

    #[test]
    fn so_many_of_a_hundred_are_measured() {
        let message = Message::new(b"s", None, b"");
        let measured = |percent| {
            (0..100)
                .filter(|&chance| sample(LatencySampling::Percent(percent), &message, chance).is_some())
                .count()
        };
        assert_eq!((measured(1), measured(37), measured(100)), (1, 37, 100));
    }
}
