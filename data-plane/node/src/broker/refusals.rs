//! Refused clients: counted always, logged within bounds.

use std::net::IpAddr;
use std::time::Instant;

use parking_lot::Mutex;
use tollway_claims::PublicKey;

use super::bounds::{STRANGER_LOG_INTERVAL, STRANGER_LOG_REASON_MAX};
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

/// Writes lines about strangers to the log, one at a time and short: who retries in a loop, or
/// sends what is not the protocol, must not fill the disk.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    lines: Mutex<Lines>,
}

/// When the last line was written, and how many were left out since.
#[derive(Debug, Default)]
struct Lines {
    last: Option<Instant>,
    left_out: u64,
}

impl RefusalLog {
    pub(crate) fn new() -> Self {
        Self {
            lines: Mutex::default(),
        }
    }

    pub(crate) fn record(&self, counters: &Counters, client_ip: Option<IpAddr>, refusal: &Refusal) {
        counters.auth_failure(refusal.rule);
        let Some(left_out) = self.lines.lock().next(Instant::now()) else {
            return;
        };
        let account = refusal.account.map(|account| account.to_string());
        tracing::warn!(
            rule = refusal.rule,
            client_ip = client_ip.map(tracing::field::display),
            account = account.as_deref(),
            reason = shortened(&refusal.reason),
            left_out,
            "client refused"
        );
    }

    /// A client ends because of what it sent. Those are counted elsewhere.
    pub(crate) fn record_fault(&self, client_ip: IpAddr, account: Option<PublicKey>, reason: &str) {
        let Some(left_out) = self.lines.lock().next(Instant::now()) else {
            return;
        };
        let account = account.map(|account| account.to_string());
        tracing::warn!(
            %client_ip,
            account = account.as_deref(),
            reason = shortened(reason),
            left_out,
            "client does not speak the protocol"
        );
    }
}

impl Lines {
    /// Whether a line may be written now; if so, how many were left out before.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < STRANGER_LOG_INTERVAL)
        {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

/// The beginning of a reason: much of it can be what a stranger sent.
fn shortened(reason: &str) -> String {
    reason[..reason.floor_char_boundary(STRANGER_LOG_REASON_MAX)].replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_line_is_written_at_a_time_and_says_how_many_were_left_out() {
        let start = Instant::now();
        let mut lines = Lines::default();
        assert_eq!(lines.next(start), Some(0));
        for millis in 0..50 {
            assert_eq!(lines.next(start + Duration::from_millis(millis)), None);
        }
        assert_eq!(lines.next(start + STRANGER_LOG_INTERVAL), Some(50));
        assert_eq!(lines.next(start + STRANGER_LOG_INTERVAL), None);
        assert_eq!(lines.next(start + STRANGER_LOG_INTERVAL * 3), Some(1));
    }

    #[test]
    fn what_a_stranger_sent_is_cut_between_characters() {
        assert_eq!(shortened("short\x1b\r"), "short\u{fffd}\u{fffd}");
        let long = format!("x{}", "é".repeat(4000));
        assert_eq!(shortened(&long).len(), STRANGER_LOG_REASON_MAX - 1);
    }
}
