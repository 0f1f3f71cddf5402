//! SUB and UNSUB of a client that is logged in.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tollway_subject::FilterBuf;
use tollway_wire::ProtocolError;

use super::login::Login;
use crate::broker::account::NoRoom;
use crate::broker::denials::Denied;
use crate::broker::staging::Staging;
use crate::broker::subscription::Subscription;

/// The queue group that stock servers keep for themselves.
const SYSTEM_QUEUE: &[u8] = b"_sys_";

impl Login {
    pub(super) fn subscribe(
        &mut self,
        filter: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        tokens_max: usize,
        staging: &mut Staging,
    ) -> Result<(), (Option<Denied>, ProtocolError)> {
        let filter = match FilterBuf::new(filter) {
            Ok(filter) => filter,
            // Stock servers look for the id first, and keep the first one without a word.
            Err(_) if self.is_live(sid) => return Ok(()),
            Err(_) => return Err((None, ProtocolError::InvalidSubject)),
        };
        let tokens = filter.as_filter().tokens().count();
        staging.spend(tokens);
        if tokens > tokens_max {
            let filter = filter.as_bytes().to_vec();
            let refused = ProtocolError::SubscriptionTooManyTokens { filter };
            return Err((Some(Denied::SubscribeTokens), refused));
        }
        let user = self.client.user();
        let allowed = user
            .permissions
            .may_subscribe(filter.as_filter(), queue)
            .is_allowed();
        if !allowed || queue == Some(SYSTEM_QUEUE) {
            let (filter, queue) = (filter.as_bytes().to_vec(), queue.map(<[u8]>::to_vec));
            let refused = ProtocolError::SubscriptionViolation {
                filter,
                queue,
                sid: None,
            };
            return Err((Some(Denied::SubscribePermission), refused));
        }
        self.forget_finished();
        if self.is_live(sid) {
            return Ok(());
        }
        let filtered = user.permissions.needs_delivery_filter(filter.as_filter(), queue);
        let subscription = Arc::new(Subscription::new(
            filter,
            sid.into(),
            queue.map(Into::into),
            self.client.clone(),
            filtered,
        ));
        let account = &self.client.account;
        if let Err(no_room) = account.subscribe(&subscription, self.limits.subscriptions) {
            let kind = match no_room {
                NoRoom::Limit => Denied::SubscribeSubscriptions,
                NoRoom::Memory => Denied::SubscribeMemory,
            };
            return Err((Some(kind), ProtocolError::MaximumSubscriptionsExceeded));
        }
        self.subscriptions.insert(sid.into(), subscription);
        Ok(())
    }

    fn is_live(&self, sid: &[u8]) -> bool {
        let known = self.subscriptions.get(sid);
        known.is_some_and(|subscription| !subscription.is_over())
    }

    /// Ends a subscription, at once or after so many deliveries since its start.
    pub(super) fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        let Some(subscription) = self.subscriptions.get(sid) else {
            return;
        };
        if max.is_some_and(|max| !subscription.end_after(max)) {
            return;
        }
        self.client.account.unsubscribe(subscription);
        self.subscriptions.remove(sid);
    }

    /// Forgets subscriptions that had their last delivery. Publishers end those
    /// and cannot reach this table; half of it at most is dead.
    fn forget_finished(&mut self) {
        let finished = self.client.finished.load(Relaxed) as usize;
        if finished > 16 && finished > self.subscriptions.len() / 2 {
            self.client.finished.store(0, Relaxed);
            self.subscriptions
                .retain(|_, subscription| !subscription.is_over());
        }
    }
}
