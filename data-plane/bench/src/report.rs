//! The tables for people and the file for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::Options;
use crate::comparison::{Comparison, Row};
use crate::machine::Machine;
use crate::runs::unix_now;
use crate::sample::Metric;
use crate::server::Program;
use crate::statistics::Spread;

/// Everything that was measured, and where.
pub(crate) struct Report {
    machine: Machine,
    begun_at: u64,
    other: String,
    node: String,
    seconds: f64,
    pairs: usize,
    pinned: bool,
    pub(crate) comparisons: Vec<Comparison>,
}

impl Report {
    pub(crate) fn new(
        machine: Machine,
        other: &Program,
        node: &Program,
        options: &Options,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            machine,
            begun_at: unix_now(),
            other: other.version()?,
            node: node.version()?,
            seconds: options.seconds,
            pairs: options.pairs,
            pinned: options.pin,
            comparisons: Vec::new(),
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "machine": self.machine.to_json(),
            "begun_at_unix": self.begun_at,
            "other": self.other,
            "node": self.node,
            "seconds": self.seconds,
            "pairs": self.pairs,
            "pinned": self.pinned,
            "scenarios": self.comparisons.iter().map(comparison_json).collect::<Vec<_>>(),
        })
    }

    /// A table of flows, and one of everything else.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!("{self}\n\n");
        text.push_str(
            "| scenario | messages/s | ratio | server CPU, ns/message | ratio | in the kernel, % | peak RSS, MiB | ratio |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for comparison in self.comparisons.iter().filter(|comparison| is_flow(comparison)) {
            let _ = writeln!(text, "{}", flow_line(comparison));
        }
        let mut others = String::new();
        for comparison in &self.comparisons {
            let is_told = |row: &&Row| is_flow(comparison) && IN_FLOW_TABLE.contains(&row.metric);
            for row in comparison.rows().iter().filter(|row| !is_told(row)) {
                let _ = writeln!(
                    others,
                    "| {} | {} | {} | {} |",
                    comparison.scenario,
                    row.metric.notation().title,
                    both(row),
                    ratio(row)
                );
            }
        }
        if !others.is_empty() {
            text.push_str("\n| scenario | what | other → node | ratio |\n|---|---|---:|---:|\n");
            text.push_str(&others);
        }
        text
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} → {} ({} pairs of {} s, {}). {}.",
            self.other,
            self.node,
            self.pairs,
            self.seconds,
            if self.pinned {
                "server on a processor of its own"
            } else {
                "not pinned"
            },
            self.machine
        )
    }
}

/// What has columns in the first table, or is for the file alone.
const IN_FLOW_TABLE: [Metric; 6] = [
    Metric::Rate,
    Metric::Cpu,
    Metric::KernelShare,
    Metric::Generator,
    Metric::Elsewhere,
    Metric::PeakMemory,
];

/// Whether it belongs into the first table: messages flowed, or nothing is known of it.
fn is_flow(comparison: &Comparison) -> bool {
    comparison.pairs.is_empty() || comparison.row(Metric::Rate).is_some()
}

fn flow_line(comparison: &Comparison) -> String {
    if let (Some(failure), true) = (&comparison.failure, comparison.pairs.is_empty()) {
        // The server's log lies between the lines of the error; the last one is the cause.
        let failure = failure
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches(": ")
            .replace('|', "/");
        return format!("| {} | FAILED: {failure} | | | | | | |", comparison.scenario);
    }
    let cell = |metric| comparison.row(metric).map_or(String::new(), |row| both(&row));
    let ratio = |metric| comparison.row(metric).map_or(String::new(), |row| ratio(&row));
    let failed = if comparison.failure.is_some() {
        " (FAILED later)"
    } else {
        ""
    };
    format!(
        "| {}{failed} | {} | {} | {} | {} | {} | {} | {} |",
        comparison.scenario,
        cell(Metric::Rate),
        ratio(Metric::Rate),
        cell(Metric::Cpu),
        ratio(Metric::Cpu),
        cell(Metric::KernelShare),
        cell(Metric::PeakMemory),
        ratio(Metric::PeakMemory),
    )
}

fn both(row: &Row) -> String {
    let digits = row.metric.notation().digits;
    format!(
        "{} → {}",
        number(row.other.median, digits),
        number(row.node.median, digits)
    )
}

/// The median, and between which values all pairs lie.
fn ratio(row: &Row) -> String {
    row.ratio.map_or(String::new(), |ratio| {
        format!("**{:.2}** ({:.2}–{:.2})", ratio.median, ratio.least, ratio.most)
    })
}

/// With the thousands apart, so that people can read millions.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

fn comparison_json(comparison: &Comparison) -> Value {
    let sample = |sample: &crate::sample::Sample| -> Value {
        sample
            .metrics()
            .map(|(metric, value)| (metric.notation().key.to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let summary: serde_json::Map<_, _> = comparison
        .rows()
        .iter()
        .map(|row| {
            let value = json!({
                "other": spread_json(row.other),
                "node": spread_json(row.node),
                "ratio": row.ratio.map(spread_json),
            });
            (row.metric.notation().key.to_owned(), value)
        })
        .collect();
    let pairs = comparison.pairs.iter();
    json!({
        "name": comparison.scenario,
        "failure": comparison.failure,
        "summary": summary,
        "pairs": pairs
            .map(|pair| json!({ "other": sample(&pair.other), "node": sample(&pair.node) }))
            .collect::<Vec<_>>(),
    })
}

fn spread_json(spread: Spread) -> Value {
    json!({ "median": spread.median, "least": spread.least, "most": spread.most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!(number(1_234_567.4, 0), "1,234,567");
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(number(12_345.678, 1), "12,345.7");
    }
}
