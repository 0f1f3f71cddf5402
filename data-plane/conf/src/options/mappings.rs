//! `mappings`: subjects that are published to and arrive as others.

use super::latency::percent;
use super::template_of;
use crate::field::{Field, shown};
use crate::located::Located;
use crate::problem::Reason;
use crate::report::Report;
use crate::value::Value;

/// One source, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The subjects that are published to, as a filter.
    pub source: Located<String>,
    /// What they become, in parts of a hundred; what is left over stays as it is.
    pub destinations: Vec<Destination>,
}

/// One of the subjects a source becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// The subject, with `$1` or `{{wildcard(1)}}` and the like for tokens of the source. It is kept as it
    /// is written: whoever maps checks it.
    pub subject: Located<String>,
    /// So many of a hundred.
    pub weight: u8,
    /// Only on servers of this cluster.
    pub cluster: Option<String>,
}

/// Reads a map of sources and destinations.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    for field in report.fields(block) {
        // A variable among the mappings is none.
        if field.referenced {
            continue;
        }
        if tollway_subject::Filter::new(field.written.as_bytes()).is_err() {
            let (key, subject) = (block.key.clone(), shown(field.written));
            report.problem(field.at, Reason::InvalidSubject { key, subject });
            continue;
        }
        mappings.push(Mapping {
            source: Located::new(field.written.to_owned(), field.at),
            destinations: destinations(report, &field),
        });
    }
    mappings
}

fn destinations(report: &mut Report, field: &Field<'_>) -> Vec<Destination> {
    if matches!(field.node.value, Value::Text(_)) {
        let all = |subject| Destination {
            subject,
            weight: 100,
            cluster: None,
        };
        return template_of(report, field).map(all).into_iter().collect();
    }
    let mut destinations: Vec<Destination> = Vec::new();
    for item in field.one_or_more() {
        let Some(destination) = destination(report, &item) else {
            continue;
        };
        let same = |other: &Destination| {
            other.subject == destination.subject && other.cluster == destination.cluster
        };
        if destinations.iter().any(same) {
            report.reject(&item, "the same destination stands there twice");
            continue;
        }
        destinations.push(destination);
    }
    let mut clusters: Vec<_> = destinations.iter().map(|d| d.cluster.as_deref()).collect();
    clusters.sort_unstable();
    clusters.dedup();
    for cluster in clusters {
        let of_cluster = destinations.iter().filter(|d| d.cluster.as_deref() == cluster);
        let total: u32 = of_cluster.map(|d| u32::from(d.weight)).sum();
        if total > 100 {
            report.problem(field.at, Reason::WeightsTooLarge(shown(field.written)));
        }
    }
    destinations
}

fn destination(report: &mut Report, item: &Field<'_>) -> Option<Destination> {
    const BLOCK: &str = "a mapping's destination";
    report.map_of(item)?;
    let mut subject = None;
    let mut weight = None;
    let mut cluster = None;
    for field in report.fields(item) {
        match field.key.as_str() {
            "dest" | "destination" => {
                let text = template_of(report, &field);
                report.set(&mut subject, Some(text), &field);
            }
            "weight" => weight = Some(percent(report, &field, 0)),
            "cluster" => cluster = field.name(report).map(|name| name.value),
            _ => report.unknown(&field, BLOCK),
        }
    }
    for (missing, key) in [(subject.is_none(), "destination"), (weight.is_none(), "weight")] {
        if missing {
            report.problem(&item.node.at, Reason::Missing { block: BLOCK, key });
        }
    }
    Some(Destination {
        subject: subject??,
        weight: weight??,
        cluster,
    })
}
