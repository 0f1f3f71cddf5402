//! What a client leaves behind when it goes.

use std::collections::HashMap;
use std::collections::hash_map::IntoValues;
use std::sync::Arc;

use super::account::Account;
use super::bounds::LEAVE_STEPS_MAX;
use super::subscription::Subscription;

/// The subscriptions of a client that left its account. They end some at a time, because there can
/// be a hundred thousand; all that are left end when this is dropped.
pub(crate) struct Leaving {
    account: Arc<Account>,
    rest: IntoValues<Box<[u8]>, Arc<Subscription>>,
}

impl Leaving {
    pub(crate) fn new(account: Arc<Account>, subscriptions: HashMap<Box<[u8]>, Arc<Subscription>>) -> Self {
        let rest = subscriptions.into_values();
        Self { account, rest }
    }

    /// Ends some subscriptions. True when none is left.
    pub(crate) fn go_on(&mut self) -> bool {
        for subscription in self.rest.by_ref().take(LEAVE_STEPS_MAX) {
            self.account.unsubscribe(&subscription);
        }
        self.rest.len() == 0
    }
}

/// However a connection ends, also by our own mistake: nobody may go on delivering to it.
impl Drop for Leaving {
    fn drop(&mut self) {
        while !self.go_on() {}
    }
}
