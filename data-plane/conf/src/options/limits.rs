//! What one server gives, and how long it waits.

use std::time::Duration;

use tollway_claims::Limit;

use crate::field::Field;
use crate::located::Located;
use crate::report::Report;

/// The keys about sizes, numbers and times. Nothing where nothing is said, or where the value stands for
/// the usual one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Client connections. 0 and -1 let nobody in, as on a stock server.
    pub max_connections: Option<u64>,
    /// Bytes of the arguments of an operation.
    pub max_control_line: Option<u32>,
    /// Bytes of a message, its headers included.
    pub max_payload: Option<Located<u32>>,
    /// Bytes that may wait for one connection.
    pub max_pending: Option<Located<u64>>,
    /// Subscriptions of one connection.
    pub max_subscriptions: Option<Limit>,
    /// Tokens of a filter that is subscribed with.
    pub max_subscription_tokens: Option<u8>,
    /// Connections that are remembered after their end.
    pub max_closed_clients: Option<u64>,
    /// Time between pings.
    pub ping_interval: Option<Duration>,
    /// Pings that may stay unanswered.
    pub ping_max: Option<u32>,
    /// How long a write may take.
    pub write_deadline: Option<Duration>,
    /// What happens to a connection whose write took longer.
    pub write_timeout: Option<WriteTimeout>,
    /// How long a server in lame duck mode goes on.
    pub lame_duck_duration: Option<Duration>,
    /// How long it leaves clients alone before it closes the first.
    pub lame_duck_grace_period: Option<Located<Duration>>,
    /// A producer is not slowed for a slow consumer; that consumer loses the message.
    pub no_fast_producer_stall: Option<bool>,
}

/// What happens to a connection whose write took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteTimeout {
    /// It is closed.
    Close,
    /// The write is tried again.
    Retry,
}

/// A shorter one would end before clients have learnt of it.
const LAME_DUCK_LEAST: Duration = Duration::from_secs(30);

/// Stock servers keep sizes of the protocol in 32 bits with a sign.
const SIZE_MOST: i64 = i32::MAX as i64;

impl Limits {
    /// Takes a field that it knows.
    pub(crate) fn take(&mut self, report: &mut Report, field: &Field<'_>) -> bool {
        match field.key.as_str() {
            "max_connections" | "max_conn" => {
                let number = field
                    .within(report, -1, i64::MAX)
                    .map(|n| u64::try_from(n).unwrap_or(0));
                report.set(&mut self.max_connections, number, field);
            }
            "max_control_line" => self.max_control_line = size(report, field),
            "max_payload" => self.max_payload = located(field, size(report, field)),
            "max_pending" => {
                let bytes = field.count(report, i64::MAX).filter(|n| *n > 0);
                self.max_pending = located(field, bytes);
            }
            "max_subscriptions" | "max_subs" => {
                let limit = match field.count_or_none(report) {
                    Some(0) => Some(Limit::Unlimited),
                    other => other.map(Limit::AtMost),
                };
                report.set(&mut self.max_subscriptions, limit, field);
            }
            "max_sub_tokens" | "max_subscription_tokens" => {
                let tokens = field.within(report, 1, i64::from(u8::MAX));
                let tokens = tokens.and_then(|n| u8::try_from(n).ok());
                report.set(&mut self.max_subscription_tokens, tokens, field);
            }
            "max_closed_clients" => {
                self.max_closed_clients = field.count(report, i64::MAX).filter(|n| *n > 0)
            }
            "ping_interval" => self.ping_interval = time(field.duration_or_seconds(report, "ping_interval")),
            "ping_max" => {
                let most = i64::from(u32::MAX);
                let pings = field.within(report, 0, most).filter(|n| *n > 0);
                self.ping_max = pings.and_then(|n| u32::try_from(n).ok());
            }
            "write_deadline" => {
                self.write_deadline = time(field.duration_or_seconds(report, "write_deadline"))
            }
            "write_timeout" => self.write_timeout = write_timeout(report, field),
            "lame_duck_duration" => self.lame_duck_duration = lame_duck_duration(report, field),
            "lame_duck_grace_period" => self.lame_duck_grace_period = located(field, field.duration(report)),
            "no_fast_producer_stall" => self.no_fast_producer_stall = field.boolean(report),
            _ => return false,
        }
        true
    }
}

fn located<T>(field: &Field<'_>, value: Option<T>) -> Option<Located<T>> {
    value.map(|value| Located::new(value, &field.node.at))
}

/// 0 stands for the usual size.
fn size(report: &mut Report, field: &Field<'_>) -> Option<u32> {
    let size = field.within(report, 0, SIZE_MOST)?;
    u32::try_from(size).ok().filter(|size| *size > 0)
}

/// 0 stands for the usual time.
fn time(time: Option<Duration>) -> Option<Duration> {
    time.filter(|time| !time.is_zero())
}

fn lame_duck_duration(report: &mut Report, field: &Field<'_>) -> Option<Duration> {
    let duration = field.duration(report)?;
    if duration < LAME_DUCK_LEAST {
        return report.invalid(field, "has to be at least 30 seconds");
    }
    Some(duration)
}

fn write_timeout(report: &mut Report, field: &Field<'_>) -> Option<WriteTimeout> {
    match field.text(report)?.value.as_str() {
        "default" => None,
        "close" => Some(WriteTimeout::Close),
        "retry" => Some(WriteTimeout::Retry),
        _ => report.invalid(field, "has to be default, close or retry"),
    }
}

impl Field<'_> {
    /// A number from 0, where -1 is 0 too.
    fn count_or_none(&self, report: &mut Report) -> Option<u64> {
        let number = self.within(report, -1, i64::MAX)?;
        Some(u64::try_from(number).unwrap_or(0))
    }
}
