//! Users whose JWT was checked before.
//!
//! Many connections come with the same credentials, and all of them at once when a node restarts. A
//! JWT that was checked once says the same the next time: its signature is not looked at again, and
//! what it grants is worked out again only when the account's document or the operator changed. The
//! connections share it, which is most of what an idle one takes. What is particular to a connection
//! (the signature over its nonce, where it comes from, what time it is, revocation) is asked each time.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tollway_claims::{Rights, SignedUser};

use super::account::Served;
use super::authority::Authority;
use super::bounds::KNOWN_USERS_MAX;

/// By their JWTs. Only who was let in is remembered, so that strangers cannot fill it.
#[derive(Default)]
pub(crate) struct KnownUsers(Mutex<HashMap<Box<str>, KnownUser>>);

/// A user that was let in.
#[derive(Clone)]
pub(crate) struct KnownUser {
    pub(crate) user: SignedUser,
    rights: Rights,
    /// What was in force then.
    served: Weak<Served>,
    authority: Weak<Authority>,
}

impl KnownUser {
    /// What it may do, if that was worked out from what is in force.
    pub(crate) fn rights_under(&self, served: &Arc<Served>, authority: &Arc<Authority>) -> Option<&Rights> {
        // A weak reference keeps the place, so no other document can be there.
        let same = std::ptr::eq(self.served.as_ptr(), Arc::as_ptr(served))
            && std::ptr::eq(self.authority.as_ptr(), Arc::as_ptr(authority));
        same.then_some(&self.rights)
    }

    /// Whether somebody is connected as this user.
    fn is_connected(&self) -> bool {
        self.user.is_shared()
    }
}

impl KnownUsers {
    pub(crate) fn get(&self, jwt: &str) -> Option<KnownUser> {
        self.0.lock().get(jwt).cloned()
    }

    /// Remembers a user that was let in.
    pub(crate) fn remember(
        &self,
        jwt: &str,
        user: SignedUser,
        rights: Rights,
        served: &Arc<Served>,
        authority: &Arc<Authority>,
    ) {
        let known = KnownUser {
            user,
            rights,
            served: Arc::downgrade(served),
            authority: Arc::downgrade(authority),
        };
        let mut users = self.0.lock();
        if users.len() >= KNOWN_USERS_MAX {
            users.retain(|_, known| known.is_connected());
            if users.len() > KNOWN_USERS_MAX / 4 * 3 {
                users.clear();
            }
        }
        users.insert(jwt.into(), known);
    }
}
