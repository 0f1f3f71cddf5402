//! What changes while a client is there: its account's document, and the node that leaves.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;

use tollway_wire::{DecoderSettings, ProtocolError, encoder};

use super::limits::Limits;
use super::{Flow, Session};
use crate::broker::close_reason::CloseReason;

impl Session {
    /// The account's document changed: limits, permissions and the end may be others.
    pub(crate) fn handle_reload(&mut self, decoder: &mut DecoderSettings, out: &mut Vec<u8>) -> Flow {
        let Some(login) = &mut self.login else {
            return ControlFlow::Continue(());
        };
        login.publisher.adopt();
        let limits = Limits::of(&self.shared, &login.client);
        let changed = limits.granted() != login.limits.granted();
        login.limits = limits;
        login.rethrottle();
        self.outbound.lane_set(&login.client);
        decoder.max_payload = limits.payload_bytes;
        login.recheck.begin(&login.client, &mut login.subscriptions);
        let tell = changed && login.introduced;
        let flow = self.go_on_rechecking(out);
        if tell && flow.is_continue() {
            self.push_info(out);
        }
        flow
    }

    /// Whether [`Session::go_on_rechecking`] is to be called before anything is read.
    pub(crate) fn is_rechecking(&self) -> bool {
        self.login.as_ref().is_some_and(|login| !login.recheck.is_over())
    }

    /// Looks at some more of the subscriptions that the user may not have any more.
    pub(crate) fn go_on_rechecking(&mut self, out: &mut Vec<u8>) -> Flow {
        let Some(login) = &mut self.login else {
            return ControlFlow::Continue(());
        };
        login.recheck.go_on(&login.client, &mut login.subscriptions, out);
        let count = login.client.subscriptions.load(Relaxed);
        if login.recheck.is_over() && !login.limits.subscriptions.allows(count) {
            return ControlFlow::Break(CloseReason::Told(ProtocolError::MaximumSubscriptionsExceeded));
        }
        ControlFlow::Continue(())
    }

    /// The node is about to stop, or wants to be rid of this client: if it understands that, it looks
    /// for another node.
    pub(crate) fn handle_lame_duck(&self, out: &mut Vec<u8>) {
        if self.login.is_some() && self.options.protocol >= 1 {
            let mut info = self.info();
            info.lame_duck_mode = true;
            encoder::info(out, &info);
        }
    }
}
