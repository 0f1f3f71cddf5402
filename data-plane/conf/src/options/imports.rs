//! `imports` of an account: what it takes from others.

use super::{literal_subject_of, subject_of, template_of};
use crate::field::Field;
use crate::located::Located;
use crate::position::Position;
use crate::problem::Reason;
use crate::report::Report;
use crate::value::Value;

/// One import.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// What it is.
    pub kind: ImportKind,
    /// The account that exports it.
    pub account: Located<String>,
    /// The subjects there, as a filter.
    pub subject: Located<String>,
    /// The subjects here; the same when there is none.
    pub to: Option<Located<String>>,
    /// Where it stands.
    pub at: Position,
}

/// Messages that flow, or requests that are answered.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportKind {
    /// Messages from the other account.
    Stream {
        /// What comes before the subjects here.
        prefix: Option<Located<String>>,
        /// Traces of messages go through.
        allow_trace: bool,
    },
    /// Requests to the other account.
    Service {
        /// The other account learns who asks.
        share: bool,
    },
}

/// Reads a list of imports.
pub(crate) fn read(report: &mut Report, list: &Field<'_>) -> Vec<Import> {
    let mut imports: Vec<Import> = Vec::new();
    for item in list.items(report) {
        let Some(import) = import(report, &item) else {
            continue;
        };
        let taken = |other: &&Import| {
            matches!(
                (&other.kind, &import.kind),
                (ImportKind::Service { .. }, ImportKind::Service { .. })
            ) && other.local() == import.local()
        };
        if imports.iter().any(|other| taken(&other)) {
            let why = "another service is imported under this subject";
            report.problem(
                &item.node.at,
                Reason::Invalid {
                    key: "imports".into(),
                    why,
                },
            );
        } else {
            imports.push(import);
        }
    }
    imports
}

impl Import {
    /// The subjects on this side.
    fn local(&self) -> &str {
        &self.to.as_ref().unwrap_or(&self.subject).value
    }
}

fn import(report: &mut Report, item: &Field<'_>) -> Option<Import> {
    report.map_of(item)?;
    let mut stream = None;
    let mut service = None;
    let mut to = None;
    let mut prefix = None;
    let mut share = None;
    let mut allow_trace = None;
    for field in report.fields(item) {
        match field.key.as_str() {
            "stream" => stream = Some(source(report, &field)),
            "service" => service = Some(source(report, &field)),
            "to" if says_nothing(&field) => {}
            "prefix" if says_nothing(&field) => {}
            "to" => to = template_of(report, &field),
            "prefix" => prefix = literal_subject_of(report, &field),
            "share" => share = field.boolean(report),
            "allow_trace" => allow_trace = field.boolean(report),
            _ => report.unknown(&field, "an import"),
        }
    }
    let (kind, source) = match (stream, service) {
        (Some(_), Some(_)) => {
            let (one, other) = ("stream", "service");
            report.problem(&item.node.at, Reason::Conflict { one, other });
            return None;
        }
        (None, None) => {
            let (block, key) = ("an import", "stream or service");
            report.problem(&item.node.at, Reason::Missing { block, key });
            return None;
        }
        (Some(source), None) => {
            if to.is_some() && prefix.is_some() {
                let (one, other) = ("to", "prefix");
                report.problem(&item.node.at, Reason::Conflict { one, other });
            }
            if share.is_some() {
                report.not_offered(item, "share on the import of a stream", NOR_THERE);
            }
            let allow_trace = allow_trace.unwrap_or(false);
            (ImportKind::Stream { prefix, allow_trace }, source)
        }
        (None, Some(source)) => {
            if prefix.is_some() {
                report.not_offered(item, "prefix on the import of a service", NOR_THERE);
            }
            if allow_trace.is_some() {
                let (one, other) = ("service", "allow_trace");
                report.problem(&item.node.at, Reason::Conflict { one, other });
            }
            let share = share.unwrap_or(false);
            (ImportKind::Service { share }, source)
        }
    };
    let (account, subject) = source?;
    Some(Import {
        kind,
        account,
        subject,
        to,
        at: item.node.at.clone(),
    })
}

/// Files that work elsewhere may have it.
const NOR_THERE: &str = "stock servers pass it over too";

/// An empty text stands for none.
fn says_nothing(field: &Field<'_>) -> bool {
    matches!(&field.node.value, Value::Text(text) if text.is_empty())
}

/// `{account: …, subject: …}`
fn source(report: &mut Report, field: &Field<'_>) -> Option<(Located<String>, Located<String>)> {
    report.map_of(field)?;
    let mut account = None;
    let mut subject = None;
    for inner in report.fields(field) {
        match inner.key.as_str() {
            "account" => account = Some(inner.name(report)),
            "subject" => subject = Some(subject_of(report, &inner)),
            _ => report.unknown(&inner, "the source of an import"),
        }
    }
    for (missing, key) in [(account.is_none(), "account"), (subject.is_none(), "subject")] {
        if missing {
            let block = "the source of an import";
            report.problem(field.at, Reason::Missing { block, key });
        }
    }
    Some((account??, subject??))
}
