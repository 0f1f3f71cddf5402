//! The subscriptions of a client are looked at again, because what it may subscribe to changed.
//!
//! There can be a hundred thousand, so it happens some at a time. The client does nothing else until
//! then, and each message for it is asked about, see [`Client::unchecked`]: what is denied ends at
//! once, and is told later.

use std::collections::HashMap;
use std::collections::hash_map::IntoIter;
use std::sync::Arc;

use tollway_wire::{ProtocolError, encoder};

use super::bounds::RECHECK_STEPS_MAX;
use super::client::Client;
use super::subscription::Subscription;

/// The subscriptions of one client by their ids.
pub(crate) type Subscriptions = HashMap<Box<[u8]>, Arc<Subscription>>;

/// The subscriptions that were not looked at yet.
#[derive(Default)]
pub(crate) struct Recheck {
    /// Several when changes come faster than this is done.
    rest: Vec<IntoIter<Box<[u8]>, Arc<Subscription>>>,
    /// The last change that all of them will have been looked at after.
    change: Option<u64>,
}

impl Recheck {
    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// Begins with all of them, if something changed since the last time.
    pub(crate) fn begin(&mut self, client: &Client, subscriptions: &mut Subscriptions) {
        let Some(change) = client.unchecked() else {
            return;
        };
        self.change = Some(change);
        let all = std::mem::take(subscriptions);
        subscriptions.reserve(all.len());
        self.rest.push(all.into_iter());
    }

    /// Looks at some more. Those that the user may not have any more end, and it is told which.
    pub(crate) fn go_on(&mut self, client: &Client, kept: &mut Subscriptions, out: &mut Vec<u8>) {
        let user = client.user();
        for _ in 0..RECHECK_STEPS_MAX {
            let Some((sid, subscription)) = self.next() else {
                break;
            };
            let (filter, queue) = (subscription.filter.as_filter(), subscription.queue.as_deref());
            subscription.set_filtered(user.permissions.needs_delivery_filter(filter, queue));
            if user.permissions.may_subscribe(filter, queue).is_allowed() {
                kept.insert(sid, subscription);
            } else if client.account.unsubscribe(&subscription) {
                let violation = ProtocolError::SubscriptionViolation {
                    filter: filter.as_bytes().to_vec(),
                    queue: queue.map(<[u8]>::to_vec),
                    sid: Some(sid.to_vec()),
                };
                encoder::error(out, &violation);
            }
        }
        if self.rest.is_empty()
            && let Some(change) = self.change.take()
        {
            client.note_checked(change);
        }
    }

    /// Those that were not looked at, for a client that leaves.
    pub(crate) fn into_rest(self) -> Vec<IntoIter<Box<[u8]>, Arc<Subscription>>> {
        self.rest
    }

    fn next(&mut self) -> Option<(Box<[u8]>, Arc<Subscription>)> {
        while let Some(last) = self.rest.last_mut() {
            if let Some(next) = last.next() {
                return Some(next);
            }
            self.rest.pop();
        }
        None
    }
}
