//! What the control plane counts about itself, in Prometheus text form.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::Method;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Handles to every metric; clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    http_requests: Family<HttpLabels, Counter>,
    http_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    fleet_nodes_connected: Gauge,
    cell_revision_lag: Family<CellLabels, Gauge>,
    usage_rows_stored: Counter,
    database_connections: Family<StateLabels, Gauge<u64, AtomicU64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CellLabels {
    cell: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

impl Metrics {
    /// Fresh metrics, all zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tollway");
        let http_requests = Family::default();
        registry.register(
            "http_requests",
            "Requests served, by route and status",
            http_requests.clone(),
        );
        let http_seconds: Family<RouteLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 2.0, 10.0]));
        registry.register(
            "http_request_seconds",
            "Time until the response began, by route",
            http_seconds.clone(),
        );
        let fleet_nodes_connected = Gauge::default();
        registry.register(
            "fleet_nodes_connected",
            "Open fleet streams",
            fleet_nodes_connected.clone(),
        );
        let cell_revision_lag = Family::default();
        registry.register(
            "cell_revision_lag",
            "Revisions that the cell's attached node has not acknowledged yet",
            cell_revision_lag.clone(),
        );
        let usage_rows_stored = Counter::default();
        registry.register(
            "usage_rows_stored",
            "Usage rows written to Postgres",
            usage_rows_stored.clone(),
        );
        let database_connections = Family::default();
        registry.register(
            "database_connections",
            "Connections of the Postgres pool",
            database_connections.clone(),
        );
        Self(Arc::new(Inner {
            registry,
            http_requests,
            http_seconds,
            fleet_nodes_connected,
            cell_revision_lag,
            usage_rows_stored,
            database_connections,
        }))
    }

    pub(crate) fn http_served(&self, method: &Method, route: &str, status: u16, elapsed: Duration) {
        // A method is free text to a hostile client; only the known ones get a series of their own.
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        let labels = HttpLabels {
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.0.http_requests.get_or_create(&labels).inc();
        self.0
            .http_seconds
            .get_or_create(&RouteLabels {
                route: route.to_owned(),
            })
            .observe(elapsed.as_secs_f64());
    }

    pub(crate) fn fleet_nodes_connected(&self, nodes: usize) {
        self.0.fleet_nodes_connected.set(nodes as i64);
    }

    pub(crate) fn cell_revision_lag(&self, cell: &str, revisions: u64) {
        let labels = CellLabels {
            cell: cell.to_owned(),
        };
        self.0
            .cell_revision_lag
            .get_or_create(&labels)
            .set(revisions as i64);
    }

    pub(crate) fn usage_rows_stored(&self, rows: u64) {
        self.0.usage_rows_stored.inc_by(rows);
    }

    /// Sets the pool's gauges; called when the metrics are read.
    pub(crate) fn database_connections(&self, open: u64, idle: u64) {
        self.0
            .database_connections
            .get_or_create(&StateLabels { state: "open" })
            .set(open);
        self.0
            .database_connections
            .get_or_create(&StateLabels { state: "idle" })
            .set(idle);
    }

    /// All metrics as OpenMetrics text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
