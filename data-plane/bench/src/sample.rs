//! What one run of a scenario found out about one server.

use std::collections::BTreeMap;

use crate::load::{Cost, Phase};
use crate::process::Memory;
use crate::statistics::quantile;

/// Something that is measured. The order is the order in tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    Rate,
    Cpu,
    KernelShare,
    Generator,
    Elsewhere,
    PeakMemory,
    AloneP50,
    AloneP99,
    AloneP999,
    P50,
    P99,
    P999,
    P99Grown,
    FloodRate,
    ConnectRate,
    ConnectCpu,
    ConnectsPerCpu,
    ConnectionMemory,
    SubscriptionMemory,
    IdleCpu,
}

/// How a metric is written, and what of it is compared.
pub(crate) struct Notation {
    /// In tables.
    pub(crate) title: &'static str,
    /// In the file for machines.
    pub(crate) key: &'static str,
    /// Figures behind the point.
    pub(crate) digits: usize,
    /// Whether a ratio of the two servers means something.
    pub(crate) compared: bool,
}

impl Metric {
    pub(crate) fn notation(self) -> Notation {
        let (title, key, digits, compared) = match self {
            Self::Rate => ("messages/s", "messages_per_second", 0, true),
            Self::Cpu => ("server CPU, ns/message", "server_cpu_ns_per_message", 0, true),
            Self::KernelShare => ("of it in the kernel, %", "server_kernel_percent", 0, false),
            Self::Generator => ("load's CPU, ns/message", "generator_cpu_ns_per_message", 0, false),
            Self::Elsewhere => ("other CPU, ns/message", "elsewhere_cpu_ns_per_message", 0, false),
            Self::PeakMemory => ("peak RSS, MiB", "peak_rss_mib", 1, true),
            Self::AloneP50 => ("p50 alone, µs", "alone_p50_us", 1, true),
            Self::AloneP99 => ("p99 alone, µs", "alone_p99_us", 1, true),
            Self::AloneP999 => ("p99.9 alone, µs", "alone_p999_us", 1, true),
            Self::P50 => ("p50, µs", "p50_us", 1, true),
            Self::P99 => ("p99, µs", "p99_us", 1, true),
            Self::P999 => ("p99.9, µs", "p999_us", 1, true),
            Self::P99Grown => ("p99 beside the flood / alone", "p99_beside_by_alone", 2, true),
            Self::FloodRate => ("messages/s of the flood", "flood_messages_per_second", 0, true),
            Self::ConnectRate => ("connects/s", "connects_per_second", 0, true),
            Self::ConnectCpu => ("server CPU, µs/connect", "server_cpu_us_per_connect", 1, true),
            Self::ConnectsPerCpu => ("connects per CPU second", "connects_per_cpu_second", 0, true),
            Self::ConnectionMemory => ("RSS, KiB/connection", "rss_kib_per_connection", 2, true),
            Self::SubscriptionMemory => ("RSS, bytes/subscription", "rss_bytes_per_subscription", 0, true),
            Self::IdleCpu => ("server CPU at rest, ms/s", "idle_cpu_ms_per_second", 2, false),
        };
        Notation {
            title,
            key,
            digits,
            compared,
        }
    }
}

/// What was measured in one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(BTreeMap<Metric, f64>);

impl Sample {
    pub(crate) fn set(&mut self, metric: Metric, value: f64) {
        self.0.insert(metric, value);
    }

    pub(crate) fn get(&self, metric: Metric) -> Option<f64> {
        self.0.get(&metric).copied()
    }

    pub(crate) fn metrics(&self) -> impl Iterator<Item = (Metric, f64)> + '_ {
        self.0.iter().map(|(&metric, &value)| (metric, value))
    }

    /// Of a flow, per delivery; per published message where nobody receives.
    pub(crate) fn of_phase(phase: &Phase) -> Self {
        let messages = if phase.delivered > 0 {
            phase.delivered
        } else {
            phase.published
        };
        let mut sample = Self::default();
        sample.set(Metric::Rate, messages as f64 / phase.elapsed.as_secs_f64());
        sample.set_cost(&phase.cost, messages);
        sample
    }

    /// What so many messages cost.
    pub(crate) fn set_cost(&mut self, cost: &Cost, messages: u64) {
        let each = |nanos: u64| nanos as f64 / messages as f64;
        self.set(Metric::Cpu, each(cost.server.nanos));
        if let Some(share) = cost.server.kernel_share() {
            self.set(Metric::KernelShare, share * 100.0);
        }
        self.set(Metric::Generator, each(cost.generator_nanos));
        self.set(Metric::Elsewhere, each(cost.elsewhere_nanos));
    }

    /// The median, the 99th and the 99.9th of sorted latencies in nanoseconds, as these metrics.
    pub(crate) fn set_latencies(&mut self, [p50, p99, p999]: [Metric; 3], sorted: &[u32]) {
        for (metric, q) in [(p50, 0.5), (p99, 0.99), (p999, 0.999)] {
            if let Some(nanos) = quantile(sorted, q) {
                self.set(metric, f64::from(nanos) / 1000.0);
            }
        }
    }

    pub(crate) fn set_memory(&mut self, memory: Memory) {
        self.set(Metric::PeakMemory, memory.peak as f64 / (1024.0 * 1024.0));
    }
}
