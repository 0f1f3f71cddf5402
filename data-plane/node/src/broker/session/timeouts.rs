//! What time does: who does not authenticate, credentials that end, silent clients.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tollway_wire::{ProtocolError, encoder};

use super::pings::Next;
use super::{Flow, Session};
use crate::broker::close_reason::CloseReason;
use crate::broker::shared::unix_now;

/// The longest that a session sleeps before it looks at the calendar again:
/// the wall clock may be set meanwhile.
const CALENDAR_LOOK: Duration = Duration::from_secs(3600);

impl Session {
    /// When [`Session::handle_timeout`] must be called next.
    pub(crate) fn poll_timeout(&self) -> Instant {
        let Some(login) = &self.login else {
            return if self.shared.greeting().limited {
                self.authenticate_by
            } else {
                self.pings.poll_timeout()
            };
        };
        match login.limits.ends() {
            Some(end) => self.pings.poll_timeout().min(Instant::now() + until(end)),
            None => self.pings.poll_timeout(),
        }
    }

    /// Whether an operation changed what [`Session::poll_timeout`] says.
    pub(crate) fn take_timeout_changed(&mut self) -> bool {
        std::mem::take(&mut self.timeout_changed)
    }

    /// Time passed: credentials end, silent clients are pinged, dead ones given up.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<u8>) -> Flow {
        let Some(login) = &self.login else {
            if !self.shared.greeting().limited {
                return self.ping_when_silent(now, out);
            }
            if now < self.authenticate_by {
                return ControlFlow::Continue(());
            }
            return ControlFlow::Break(CloseReason::Told(ProtocolError::AuthenticationTimeout));
        };
        let today = unix_now();
        if login.limits.user_ends.is_some_and(|end| end <= today) {
            return ControlFlow::Break(CloseReason::Told(ProtocolError::UserAuthenticationExpired));
        }
        if login.limits.account_ends.is_some_and(|end| end <= today) {
            return ControlFlow::Break(CloseReason::Told(ProtocolError::AccountAuthenticationExpired));
        }
        self.ping_when_silent(now, out)
    }

    fn ping_when_silent(&mut self, now: Instant, out: &mut Vec<u8>) -> Flow {
        let settings = &self.shared.settings;
        if self.outbound.is_held_back() {
            // Who cannot have read a PING yet is not expected to answer it.
            self.pings.handle_activity();
        }
        let (interval, unanswered_max) = (settings.ping_interval, settings.pings_unanswered_max);
        match self.pings.handle_timeout(now, interval, unanswered_max) {
            Next::Nothing => {}
            Next::Ask => self.ping(now, out),
            Next::GiveUp => return ControlFlow::Break(CloseReason::Stale),
        }
        ControlFlow::Continue(())
    }

    /// Somebody wants to know how far away the client is.
    pub(crate) fn handle_measure(&mut self, out: &mut Vec<u8>) {
        // A client that is not in yet does not expect to be asked.
        if self.login.is_some() && self.pinged_at.is_none() {
            self.ping(Instant::now(), out);
        }
    }

    fn ping(&mut self, now: Instant, out: &mut Vec<u8>) {
        // PONGs come in the order of the PINGs: the oldest one is measured.
        self.pinged_at.get_or_insert(now);
        encoder::ping(out);
    }
}

/// How long to sleep until a point of the calendar.
fn until(unix: i64) -> Duration {
    let since_1970 = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let end = Duration::from_secs(u64::try_from(unix).unwrap_or(0));
    end.saturating_sub(since_1970).min(CALENDAR_LOOK)
}
