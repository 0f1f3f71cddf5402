//! Refused clients: counted always, logged within bounds.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tollway_claims::PublicKey;

use super::bounds::REFUSAL_LOG_LINES_PER_SECOND;
use super::stats::Counters;

/// A client that was not let in, and the rule that decided. Clients only hear
/// `Authorization Violation`.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// A stable word.
    pub(crate) rule: &'static str,
    /// One sentence, without secrets.
    pub(crate) reason: String,
    /// The account the client named, when it could be read.
    pub(crate) account: Option<PublicKey>,
}

/// Writes log lines about refusals, so many per second: a client that retries
/// in a loop must not fill the disk.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    second: Mutex<Second>,
}

#[derive(Debug)]
struct Second {
    began: Instant,
    lines: u32,
    left_out: u64,
}

impl RefusalLog {
    pub(crate) fn new() -> Self {
        Self {
            second: Mutex::new(Second {
                began: Instant::now(),
                lines: 0,
                left_out: 0,
            }),
        }
    }

    pub(crate) fn record(&self, counters: &Counters, client_ip: Option<IpAddr>, refusal: &Refusal) {
        counters.auth_failure(refusal.rule);
        let Some(left_out) = self.second.lock().line(Instant::now()) else {
            return;
        };
        if left_out > 0 {
            tracing::warn!(left_out, "more clients were refused than are logged");
        }
        let account = refusal.account.map(|account| account.to_string());
        tracing::warn!(
            rule = refusal.rule,
            client_ip = client_ip.map(tracing::field::display),
            account = account.as_deref(),
            reason = %refusal.reason,
            "client refused"
        );
    }
}

impl Second {
    /// Whether a line may be written now; if so, how many were left out in the second before.
    fn line(&mut self, now: Instant) -> Option<u64> {
        let mut left_out = 0;
        if now.saturating_duration_since(self.began) >= Duration::from_secs(1) {
            left_out = self.left_out;
            *self = Self {
                began: now,
                lines: 0,
                left_out: 0,
            };
        }
        if self.lines < REFUSAL_LOG_LINES_PER_SECOND {
            self.lines += 1;
            return Some(left_out);
        }
        self.left_out += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_second_are_bounded_and_the_rest_is_told_later() {
        let start = Instant::now();
        let mut second = Second {
            began: start,
            lines: 0,
            left_out: 0,
        };
        let written = (0..50).filter(|_| second.line(start).is_some()).count();
        assert_eq!(written, REFUSAL_LOG_LINES_PER_SECOND as usize);
        assert_eq!(second.line(start + Duration::from_secs(1)), Some(30));
        assert_eq!(second.line(start + Duration::from_secs(1)), Some(0));
    }
}
