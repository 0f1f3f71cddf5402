//! `exports` of an account: what others may import.

use std::time::Duration;

use tollway_subject::{Filter, filter_matches};

use super::latency::{self, Latency};
use super::subject_of;
use crate::field::Field;
use crate::located::Located;
use crate::position::Position;
use crate::problem::Reason;
use crate::report::Report;

/// One export.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// What it is.
    pub kind: ExportKind,
    /// The subjects, as a filter.
    pub subject: Located<String>,
    /// The accounts that may import it; every account when empty.
    pub accounts: Vec<Located<String>>,
    /// Which token of the subject has to be the importing account's name, from 1; none when 0.
    pub account_token_position: u32,
    /// Where it stands.
    pub at: Position,
}

/// Messages that flow, or requests that are answered.
#[derive(Debug, Clone, PartialEq)]
pub enum ExportKind {
    /// Messages to the importers.
    Stream,
    /// Requests from the importers.
    Service {
        /// How many messages an answer has.
        response: ResponseType,
        /// How long an answer may take.
        threshold: Option<Duration>,
        /// Where it is told how long answers took.
        latency: Option<Latency>,
        /// Traces of messages go through.
        allow_trace: bool,
    },
}

/// How many messages answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseType {
    /// One.
    #[default]
    Single,
    /// Any number.
    Stream,
    /// One, in several parts.
    Chunked,
}

/// Reads a list of exports.
pub(crate) fn read(report: &mut Report, list: &Field<'_>) -> Vec<Export> {
    list.items(report)
        .iter()
        .filter_map(|item| export(report, item))
        .collect()
}

fn export(report: &mut Report, item: &Field<'_>) -> Option<Export> {
    report.map_of(item)?;
    let mut stream = None;
    let mut service = None;
    let mut response = None;
    let mut threshold = None;
    let mut accounts = None;
    let mut latency = None;
    let mut position = None;
    let mut allow_trace = None;
    // The first field that only a service may have.
    let mut of_service = None;
    for field in report.fields(item) {
        match field.key.as_str() {
            "stream" => stream = Some(subject_of(report, &field)),
            "service" => service = Some(subject_of(report, &field)),
            "response" | "response_type" => {
                let kind = response_type(report, &field);
                report.set(&mut response, kind, &field);
                of_service.get_or_insert("response_type");
            }
            "threshold" | "response_threshold" | "response_max_time" | "response_time" => {
                let time = field.duration(report);
                report.set(&mut threshold, time, &field);
                of_service.get_or_insert("response_threshold");
            }
            "latency" => {
                latency = latency::read(report, &field);
                of_service.get_or_insert("latency");
            }
            "allow_trace" => {
                allow_trace = field.boolean(report);
                of_service.get_or_insert("allow_trace");
            }
            "accounts" => {
                let names = field.items(report);
                accounts = Some(names.iter().filter_map(|name| name.name(report)).collect());
            }
            "account_token_position" => position = field.count(report, i64::from(u32::MAX)),
            _ => report.unknown(&field, "an export"),
        }
    }
    let (kind, subject) = match (stream, service) {
        (Some(_), Some(_)) => {
            let (one, other) = ("stream", "service");
            report.problem(&item.node.at, Reason::Conflict { one, other });
            return None;
        }
        (None, None) => {
            let (block, key) = ("an export", "stream or service");
            report.problem(&item.node.at, Reason::Missing { block, key });
            return None;
        }
        (Some(subject), None) => {
            if let Some(other) = of_service {
                let one = "stream";
                report.problem(&item.node.at, Reason::Conflict { one, other });
            }
            (ExportKind::Stream, subject)
        }
        (None, Some(subject)) => {
            if let (Some(subject), Some(latency)) = (&subject, &latency)
                && Filter::new(subject.value.as_bytes())
                    .is_ok_and(|service| filter_matches(service, latency.subject.value.as_bytes()))
            {
                let (key, why) = ("latency".into(), "would be told to the service itself");
                report.problem(&latency.subject.at, Reason::Invalid { key, why });
            }
            let kind = ExportKind::Service {
                response: response.unwrap_or_default(),
                threshold,
                latency,
                allow_trace: allow_trace.unwrap_or(false),
            };
            (kind, subject)
        }
    };
    let subject = subject?;
    let account_token_position = position.map_or(0, |n| u32::try_from(n).expect("it was bounded"));
    if account_token_position > 0 && !is_star(&subject.value, account_token_position) {
        let (key, why) = (
            "account_token_position".into(),
            "has to be that of a * in the subject",
        );
        report.problem(&item.node.at, Reason::Invalid { key, why });
    }
    Some(Export {
        kind,
        subject,
        accounts: accounts.unwrap_or_default(),
        account_token_position,
        at: item.node.at.clone(),
    })
}

/// Whether the token at a position from 1 stands for any.
fn is_star(subject: &str, position: u32) -> bool {
    let index = usize::try_from(position - 1).unwrap_or(usize::MAX);
    subject.split('.').nth(index) == Some("*")
}

fn response_type(report: &mut Report, field: &Field<'_>) -> Option<ResponseType> {
    let word = field.text(report)?;
    Some(match word.value.to_ascii_lowercase().as_str() {
        "single" | "singleton" => ResponseType::Single,
        "stream" => ResponseType::Stream,
        "chunk" | "chunked" => ResponseType::Chunked,
        _ => return report.invalid(field, "has to be single, stream or chunked"),
    })
}
