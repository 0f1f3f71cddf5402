//! The end of a turn and what lies between two: sending, memory, rations and pauses.

use std::time::Duration;

use super::Session;
use crate::broker::meters::Tally;
use crate::broker::staging::Staging;
use crate::broker::throttle::Ration;

impl Session {
    /// The end of a turn: everything staged goes out and is counted.
    pub(crate) fn flush(&mut self, staging: &mut Staging) {
        match &mut self.login {
            Some(login) => {
                let accepted = login.publisher.flush(staging);
                if let Some(throttle) = &mut login.throttle {
                    throttle.take(accepted, staging.take_delivered());
                }
            }
            None => {
                let rest = staging.flush(None, None);
                debug_assert!(rest.is_none(), "only the client itself can be told something");
            }
        }
    }

    /// Whether [`Session::go_on_flushing`] is to be called before anything is read.
    pub(crate) fn is_flushing(&self) -> bool {
        self.login
            .as_ref()
            .is_some_and(|login| login.publisher.is_flushing())
    }

    /// Sends to some more of the receivers of the last turn.
    pub(crate) fn go_on_flushing(&mut self, staging: &mut Staging) {
        if let Some(login) = &mut self.login {
            login.publisher.go_on_flushing(staging);
            if let Some(throttle) = &mut login.throttle {
                throttle.take(Tally::default(), staging.take_delivered());
            }
        }
    }

    /// Bytes that wait to be sent by this client's own task.
    pub(crate) fn outgoing_bytes(&self) -> usize {
        self.login
            .as_ref()
            .map_or(0, |login| login.publisher.outgoing_bytes())
    }

    /// The end of a turn: what it added must not be more than the account may make the node hold.
    pub(crate) fn make_room(&self, staging: &mut Staging) {
        let own = self.login.as_ref().map(|login| &*login.client.account);
        self.shared.make_room_after(own, staging);
    }

    /// How much the next turn may do, if there are rates.
    pub(crate) fn ration(&self) -> Option<Ration> {
        let throttle = self.login.as_ref()?.throttle.as_ref()?;
        Some(throttle.ration())
    }

    /// A turn is over, which did an operation to its end or not. Gives how long nothing is read.
    pub(crate) fn pace(&mut self, progress: bool) -> Option<Duration> {
        let throttle = self.login.as_mut()?.throttle.as_mut()?;
        throttle.handle_turn_end(progress)
    }

    /// The time that nothing was read is over. Gives how long that goes on.
    pub(crate) fn handle_pause_end(&mut self) -> Option<Duration> {
        let throttle = self.login.as_mut()?.throttle.as_mut()?;
        throttle.handle_pause_end()
    }

    /// Limits may have changed in a pause. Gives how long that still lasts.
    pub(crate) fn handle_change_in_pause(&mut self) -> Option<Duration> {
        let throttle = self.login.as_mut()?.throttle.as_mut()?;
        throttle.handle_change()
    }
}
