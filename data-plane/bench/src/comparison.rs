//! Runs of two servers by turns, and how they compare.

use crate::sample::{Metric, Sample};
use crate::statistics::Spread;

/// Two runs that followed each other, one of each server.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) other: Sample,
    pub(crate) node: Sample,
}

/// What came of one scenario.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) scenario: &'static str,
    pub(crate) pairs: Vec<Pair>,
    /// Why there are not more pairs.
    pub(crate) failure: Option<String>,
}

/// One metric of a scenario over all pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub(crate) metric: Metric,
    pub(crate) other: Spread,
    pub(crate) node: Spread,
    /// The node's value by the other's, pair by pair: what drifts between pairs does not count.
    pub(crate) ratio: Option<Spread>,
}

impl Comparison {
    /// Everything that both servers were measured by.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let metrics = self.pairs.first().map(|pair| pair.other.metrics());
        let metrics = metrics.into_iter().flatten().map(|(metric, _)| metric);
        metrics.filter_map(|metric| self.row(metric)).collect()
    }

    pub(crate) fn row(&self, metric: Metric) -> Option<Row> {
        let of = |side: fn(&Pair) -> &Sample| {
            Spread::of(self.pairs.iter().filter_map(|pair| side(pair).get(metric)))
        };
        let ratio = |pair: &Pair| {
            let (node, other) = (pair.node.get(metric)?, pair.other.get(metric)?);
            (other > 0.0).then(|| node / other)
        };
        let compared = metric.notation().compared;
        Some(Row {
            metric,
            other: of(|pair| &pair.other)?,
            node: of(|pair| &pair.node)?,
            ratio: Spread::of(self.pairs.iter().filter_map(ratio)).filter(|_| compared),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(other: f64, node: f64) -> Pair {
        let sample = |value| {
            let mut sample = Sample::default();
            sample.set(Metric::Cpu, value);
            sample
        };
        Pair {
            other: sample(other),
            node: sample(node),
        }
    }

    #[test]
    fn ratio_is_that_of_runs_which_followed_each_other() {
        // The machine became twice as slow in between, for both.
        let comparison = Comparison {
            scenario: "any",
            pairs: vec![pair(100.0, 25.0), pair(200.0, 50.0), pair(100.0, 30.0)],
            failure: None,
        };
        let row = comparison.row(Metric::Cpu).unwrap();
        assert_eq!((row.other.median, row.node.median), (100.0, 30.0));
        let ratio = row.ratio.unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (0.25, 0.25, 0.3));
        assert_eq!(comparison.rows(), [row]);
        assert_eq!(comparison.row(Metric::Rate), None);
    }
}
