//! `latency` of an exported service, and the sampling that message traces share with it.

use super::literal_subject_of;
use crate::field::Field;
use crate::located::Located;
use crate::problem::Reason;
use crate::report::Report;
use crate::value::Value;

/// Where it is told how long a service took to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// The subject of the messages that tell.
    pub subject: Located<String>,
    /// Which requests are measured.
    pub sampling: Sampling,
}

/// Which messages are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// So many of a hundred, from 1 to 100.
    Percent(u8),
    /// Those whose headers ask for it.
    Headers,
}

/// Requests are sampled at all when nothing is said.
const EVERYTHING: Sampling = Sampling::Percent(100);

/// A subject alone, or a map with a sampling.
pub(crate) fn read(report: &mut Report, field: &Field<'_>) -> Option<Latency> {
    if matches!(field.node.value, Value::Text(_)) {
        return Some(Latency {
            subject: literal_subject_of(report, field)?,
            sampling: EVERYTHING,
        });
    }
    if !matches!(field.node.value, Value::Map(_)) {
        return report.wrong_kind(field, "a subject, or a map with one");
    }
    let mut subject = None;
    let mut sampling = EVERYTHING;
    for inner in report.fields(field) {
        match inner.key.as_str() {
            "subject" => subject = Some(literal_subject_of(report, &inner)),
            "sampling" => {
                if is_headers(&inner) {
                    sampling = Sampling::Headers;
                } else if let Some(percent) = percent(report, &inner, 1) {
                    sampling = Sampling::Percent(percent);
                }
            }
            _ => report.unknown(&inner, "latency"),
        }
    }
    if subject.is_none() {
        let (block, key) = ("latency", "subject");
        report.problem(field.at, Reason::Missing { block, key });
    }
    Some(Latency {
        subject: subject??,
        sampling,
    })
}

fn is_headers(field: &Field<'_>) -> bool {
    matches!(&field.node.value, Value::Text(text) if text.expose().trim().eq_ignore_ascii_case("headers"))
}

/// `50` or `"50%"`.
pub(crate) fn percent(report: &mut Report, field: &Field<'_>, least: i64) -> Option<u8> {
    let number = match &field.node.value {
        Value::Text(text) => {
            let digits = text.expose().strip_suffix('%').unwrap_or(text.expose());
            match digits.parse::<i64>() {
                Ok(number) => number,
                Err(_) => return report.invalid(field, "has to be a number or a percentage such as \"50%\""),
            }
        }
        Value::Integer(number) => *number,
        _ => return report.wrong_kind(field, "a number or a percentage"),
    };
    if !(least..=100).contains(&number) {
        let (key, most) = (field.key.clone(), 100);
        report.problem(&field.node.at, Reason::OutOfRange { key, least, most });
        return None;
    }
    u8::try_from(number).ok()
}
