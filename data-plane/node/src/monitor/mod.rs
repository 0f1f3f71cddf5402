//! Health, metrics, and the pages of nats-server over HTTP, for whoever operates the node.
//!
//! `/varz`, `/connz` and `/subsz` have the fields that tools of NATS read; each page is made when it
//! is asked for, on a thread of the operator and not of a client.
//!
//! The port has no authentication and names accounts by their public keys, so
//! it is on loopback unless told otherwise.

mod about;
mod accountz;
mod accstatz;
mod connection_shown;
mod connections_wanted;
mod connz;
mod listener;
mod others;
mod pages;
mod query;
mod subsz;
pub(crate) mod system;
mod varz;
mod written;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tollway_accounts::MeterTotals;
use tollway_claims::RateLimit;

pub use self::about::About;
use self::listener::BoundedListener;
use crate::broker::{AccountView, Broker};
use crate::status::NodeStatus;
use crate::usage::UsageMeter;

pub(crate) use self::listener::VISITORS_MAX;

/// What the pages are made from; clones are the same.
#[derive(Clone)]
pub struct Monitor {
    /// The broker's own numbers.
    pub broker: Broker,
    /// What there is beside the broker.
    pub side: Side,
    /// The process.
    pub about: Arc<About>,
}

/// Entries of a page when nothing is said, as on a stock server.
const PAGE_USUAL: usize = 1024;

/// Entries of a page, whoever asks for more: the rest is on the next one.
const PAGE_MAX: usize = 8192;

/// Bytes of the subscriptions that one page lists, of all its connections together.
const LISTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What runs beside the broker.
#[derive(Clone)]
pub enum Side {
    /// A member of a fleet.
    Fleet(Arc<FleetSide>),
    /// Nothing: a node of its own.
    Standalone,
}

/// What a member of a fleet has beside the broker.
pub struct FleetSide {
    /// Its standing with the control plane.
    pub status: Arc<NodeStatus>,
    /// The journal of the usage.
    pub usage: Arc<UsageMeter>,
}

impl Monitor {
    /// Answers until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let mut registry = Registry::with_prefix("tollway_node");
        registry.register_collector(Box::new(self.clone()));
        let pages = pages::router(self.clone())
            .route("/readyz", get(readyz).with_state(self.side))
            .route("/metrics", get(metrics).with_state(Arc::new(registry)));
        let router = match self.about.base_path.trim_matches('/') {
            "" => pages,
            path => Router::new().nest(&format!("/{path}"), pages),
        };
        // It returns only when the listener fails for good, and then clients are still served.
        if let Err(error) = axum::serve(BoundedListener::new(listener), router).await {
            tracing::error!(%error, "health and metrics are not served any more");
        }
    }
}

async fn readyz(State(side): State<Side>) -> (StatusCode, String) {
    let not_ready = match &side {
        Side::Fleet(fleet) => fleet.status.not_ready(),
        // It listens for clients before it answers here.
        Side::Standalone => None,
    };
    match not_ready {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn metrics(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, content_type)], text)
        }
        Err(_) => {
            let reason = "the metrics cannot be written\n".to_owned();
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(header::CONTENT_TYPE, "text/plain")],
                reason,
            )
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

/// One line per number, read when somebody asks.
impl Collector for Monitor {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut metrics = Encoder(encoder);
        let node = self.broker.stats();
        metrics.gauge("connections", "Client connections open", node.connections)?;
        metrics.counter(
            "connections_accepted",
            "Client connections accepted",
            node.connections_total,
        )?;
        metrics.gauge("subscriptions", "Subscriptions open", node.subscriptions)?;
        metrics.gauge("accounts", "Accounts served", node.accounts)?;
        metrics.counter(
            "slow_consumers",
            "Connections closed because they read too slowly",
            node.slow_consumers,
        )?;
        metrics.counter(
            "stale_connections",
            "Connections closed because they did not answer pings",
            node.stale_connections,
        )?;
        metrics.counter(
            "protocol_errors",
            "Connections closed because what they sent was not the protocol",
            node.protocol_errors,
        )?;
        metrics.counter(
            "handshakes_failed",
            "Connections that ended in a handshake of TLS or of a websocket",
            node.handshakes_failed,
        )?;
        metrics.counters(
            "auth_failures",
            "Refused CONNECTs by deciding rule",
            "rule",
            node.auth_failures,
        )?;

        let mut served = Vec::new();
        self.broker.accounts_visit(&mut |account| served.push(account));
        let labels: HashMap<_, _> = served
            .iter()
            .map(|account| (account.key, account.account.as_str()))
            .collect();
        let mut accounts = Vec::new();
        self.broker.meters_visit(&mut |key, totals| {
            // One that is not served any more has only its key.
            let label = labels
                .get(&key)
                .map_or_else(|| key.to_string(), |label| (*label).to_owned());
            accounts.push((label, totals));
        });
        for (name, help, read) in ACCOUNT_METERS {
            let values = accounts
                .iter()
                .map(|(account, totals)| (account.as_str(), read(totals)));
            metrics.counters(name, help, "account", values)?;
        }
        let mut restraints = Vec::new();
        self.broker.restraints_visit(&mut |key, restraint| {
            let label = labels
                .get(&key)
                .map_or_else(|| key.to_string(), |label| (*label).to_owned());
            restraints.push((label, restraint));
        });
        metrics.seconds(
            "account_throttled_seconds",
            "Time that connections of the account read nothing because of a rate, all together",
            restraints
                .iter()
                .map(|(account, restraint)| (account.as_str(), restraint.throttled)),
        )?;
        let refusals = restraints.iter().flat_map(|(account, restraint)| {
            let kinds = restraint.refusals.iter();
            kinds.map(move |(kind, count)| ([("account", account.as_str()), ("kind", *kind)], *count))
        });
        metrics.labelled_counters(
            "account_refusals",
            "What the account's clients were refused, by kind",
            refusals,
        )?;
        for (name, help, read) in ACCOUNT_GAUGES {
            let values = served
                .iter()
                .filter_map(|account| Some((account.account.as_str(), read(account)?)));
            metrics.gauges(name, help, "account", values)?;
        }

        if let Side::Fleet(fleet) = &self.side {
            fleet.encode(&mut metrics)?;
        }
        Ok(())
    }
}

impl FleetSide {
    fn encode(&self, metrics: &mut Encoder<'_>) -> fmt::Result {
        metrics.gauge(
            "fleet_connected",
            "Whether the stream to the control plane is open",
            u64::from(self.status.is_connected()),
        )?;
        if let Some(cursor) = self.status.cursor() {
            metrics.gauge(
                "applied_epoch",
                "Epoch of the configuration that is kept",
                cursor.epoch,
            )?;
            metrics.gauge(
                "applied_revision",
                "Revision of the configuration that is kept",
                cursor.revision,
            )?;
        }
        metrics.counters(
            "refused_documents",
            "Documents and updates of the control plane that were refused, by reason",
            "code",
            self.status.refusals(),
        )?;

        let usage = self.usage.status();
        metrics.gauge(
            "usage_rows",
            "Usage rows kept in memory and journal",
            usage.rows as u64,
        )?;
        metrics.gauge(
            "usage_acknowledged",
            "Whether the control plane has stored all usage",
            u64::from(usage.acknowledged),
        )?;
        let lag = ConstGauge::new(usage.journal_lag.as_secs_f64());
        let help = "Time since all usage was in the journal";
        lag.encode(
            metrics
                .0
                .encode_descriptor("usage_journal_lag_seconds", help, None, MetricType::Gauge)?,
        )
    }
}

/// Name, help, and which of the meters.
type AccountMeter = (&'static str, &'static str, fn(&MeterTotals) -> u64);

const ACCOUNT_METERS: [AccountMeter; 5] = [
    (
        "account_messages_in",
        "Messages accepted from the account's clients",
        |totals| totals.messages_in,
    ),
    (
        "account_bytes_in",
        "Their bytes: subjects, replies, headers and payloads",
        |totals| totals.bytes_in,
    ),
    (
        "account_messages_out",
        "Messages written towards the account's clients",
        |totals| totals.messages_out,
    ),
    (
        "account_bytes_out",
        "Their bytes: subjects, replies, headers and payloads",
        |totals| totals.bytes_out,
    ),
    (
        "account_connections_opened",
        "Connections opened by the account's clients",
        |totals| totals.connections_opened,
    ),
];

/// Name, help, and what an account has of it; nothing where there is no limit.
type AccountGauge = (&'static str, &'static str, fn(&AccountView) -> Option<u64>);

/// What is used beside what is granted, so that one can be divided by the other.
const ACCOUNT_GAUGES: [AccountGauge; 9] = [
    (
        "account_connections",
        "Client connections open in the account",
        |account| Some(u64::from(account.live.connections)),
    ),
    (
        "account_connections_limit",
        "Client connections that the account may have open; no line without a limit",
        |account| account.limits.connections.get(),
    ),
    (
        "account_subscriptions",
        "Subscriptions open in the account",
        |account| Some(u64::from(account.live.subscriptions)),
    ),
    (
        "account_subscriptions_limit",
        "Subscriptions that the account may have open; no line without a limit",
        |account| account.limits.subscriptions.get(),
    ),
    (
        "account_payload_bytes_limit",
        "Largest message that the account may send; no line without a limit of its own",
        |account| account.limits.payload_bytes.get(),
    ),
    (
        "account_messages_in_rate_limit",
        "Messages per second that the account's clients may send; no line without a limit",
        |account| per_second(account.limits.rates.messages_in),
    ),
    (
        "account_bytes_in_rate_limit",
        "Bytes per second that the account's clients may send; no line without a limit",
        |account| per_second(account.limits.rates.bytes_in),
    ),
    (
        "account_messages_out_rate_limit",
        "Messages per second that the account's clients may receive; no line without a limit",
        |account| per_second(account.limits.rates.messages_out),
    ),
    (
        "account_bytes_out_rate_limit",
        "Bytes per second that the account's clients may receive; no line without a limit",
        |account| per_second(account.limits.rates.bytes_out),
    ),
];

fn per_second(limit: Option<RateLimit>) -> Option<u64> {
    Some(limit?.get()?.per_second.get())
}

struct Encoder<'e>(DescriptorEncoder<'e>);

impl Encoder<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        value.encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn gauges<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'v str, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (value_of_label, value) in values {
            let labels = [(label, value_of_label)];
            let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            value.encode(family.encode_family(as_set(&labels))?)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn seconds<'v>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (&'v str, Duration)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (account, time) in values {
            let labels = [("account", account)];
            ConstCounter::new(time.as_secs_f64()).encode(family.encode_family(as_set(&labels))?)?;
        }
        Ok(())
    }

    fn labelled_counters<'v>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'v str); 2], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            ConstCounter::new(value).encode(family.encode_family(as_set(&labels))?)?;
        }
        Ok(())
    }

    fn counters<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value_of_label, value) in values {
            let labels = [(label, value_of_label.as_ref())];
            ConstCounter::new(value).encode(family.encode_family(as_set(&labels))?)?;
        }
        Ok(())
    }
}

/// Only names the trait, so that the array above is taken for the set it is.
fn as_set<S: EncodeLabelSet>(labels: &S) -> &S {
    labels
}
