//! A client that is logged in, and what it publishes.

use std::sync::Arc;

use tollway_claims::PublicKey;
use tollway_wire::{Message, ProtocolError};

use super::acknowledgement::is_acknowledgement;
use super::limits::Limits;
use crate::broker::client::Client;
use crate::broker::denials::Denied;
use crate::broker::recheck::{Recheck, Subscriptions};
use crate::broker::route::{Published, Publisher, metered_bytes};
use crate::broker::staging::Staging;
use crate::broker::throttle::Throttle;

/// What there is once a client has authenticated.
pub(super) struct Login {
    pub(super) client: Arc<Client>,
    pub(super) publisher: Publisher,
    /// Holds every live subscription, and for a while some that are over.
    pub(super) subscriptions: Subscriptions,
    /// Those that are looked at again and not yet back among the others.
    pub(super) recheck: Recheck,
    pub(super) limits: Limits,
    /// The rates that it has to keep, if there are any.
    pub(super) throttle: Option<Box<Throttle>>,
    /// The INFO after the first PONG was sent: from then on changes are told.
    pub(super) introduced: bool,
}

impl Login {
    /// What the INFO after the first PONG said, if it was sent.
    pub(super) fn told(&self) -> Option<(PublicKey, u32)> {
        let said = (self.client.account.key, self.limits.payload_bytes);
        self.introduced.then_some(said)
    }

    /// Routes one message, unless too much is owed to a rate.
    pub(super) fn publish(
        &mut self,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> Result<Published, (Denied, ProtocolError)> {
        let denied = |error| (Denied::PublishPermission, error);
        let Some(throttle) = &mut self.throttle else {
            return self.publisher.publish(message, staging).map_err(denied);
        };
        let bytes = metered_bytes(message);
        let exempt = is_acknowledgement(message, bytes);
        let begins = !self.publisher.is_underway();
        if begins && !exempt && throttle.is_refusing() {
            let subject = message.subject.to_vec();
            return Err((Denied::PublishRate, ProtocolError::PublishViolation { subject }));
        }
        let published = self.publisher.publish(message, staging).map_err(denied)?;
        if begins && exempt {
            throttle.exempt(bytes);
        }
        if !exempt && published != Published::Unfinished {
            staging.spend_message();
        }
        Ok(published)
    }

    /// The rates, or whom they concern, may be others.
    pub(super) fn rethrottle(&mut self) {
        let before = self.throttle.take();
        self.throttle = Throttle::of(&self.client);
        if let (Some(throttle), Some(mut before)) = (&mut self.throttle, before) {
            throttle.adopt(&mut before);
        }
    }
}
