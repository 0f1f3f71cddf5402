//! What a client leaves behind when it goes.

use std::collections::hash_map::IntoIter;
use std::sync::Arc;

use super::account::Account;
use super::bounds::LEAVE_STEPS_MAX;
use super::recheck::{Recheck, Subscriptions};
use super::subscription::Subscription;

/// The subscriptions of a client that left its account. They end some at a time, because there can
/// be a hundred thousand; all that are left end when this is dropped.
pub(crate) struct Leaving {
    account: Arc<Account>,
    rest: Vec<IntoIter<Box<[u8]>, Arc<Subscription>>>,
}

impl Leaving {
    pub(crate) fn new(account: Arc<Account>, subscriptions: Subscriptions, recheck: Recheck) -> Self {
        let mut rest = recheck.into_rest();
        rest.push(subscriptions.into_iter());
        Self { account, rest }
    }

    /// Ends some subscriptions. True when none is left.
    pub(crate) fn go_on(&mut self) -> bool {
        let Some(rest) = self.rest.last_mut() else {
            return true;
        };
        for (_, subscription) in rest.by_ref().take(LEAVE_STEPS_MAX) {
            self.account.unsubscribe(&subscription);
        }
        if rest.len() == 0 {
            self.rest.pop();
        }
        self.rest.is_empty()
    }
}

/// However a connection ends, also by our own mistake: nobody may go on delivering to it.
impl Drop for Leaving {
    fn drop(&mut self) {
        while !self.go_on() {}
    }
}
