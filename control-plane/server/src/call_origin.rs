//! Where a call of the public port came from, and, once somebody found out, whose it is.

use std::sync::{Arc, OnceLock};

use http::Extensions;
use tollway_authz::Principal;
use tollway_model::OrganizationId;

use crate::peers::Peer;

/// Stands in the extensions of every request of the public port. Clones are about the same call.
#[derive(Debug, Clone)]
pub(crate) struct CallOrigin {
    peer: Peer,
    holder: Arc<OnceLock<Caller>>,
}

/// Who makes a call, as far as room, places and log lines are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// Nobody who proved anything.
    Stranger(Peer),
    /// Somebody of an organization.
    Organization(OrganizationId),
    /// Somebody who runs the installation.
    Platform,
}

impl CallOrigin {
    pub(crate) fn new(peer: Peer) -> Self {
        Self {
            peer,
            holder: Arc::default(),
        }
    }

    /// Notes who makes the call that has these extensions.
    pub(crate) fn note(extensions: &Extensions, principal: &Principal) {
        let Some(origin) = extensions.get::<Self>() else {
            return;
        };
        let caller = match principal.organization() {
            Some(home) => Caller::Organization(home),
            None => Caller::Platform,
        };
        // Nobody proves twice who makes the same call.
        let _ = origin.holder.set(caller);
    }

    /// Who makes the call, as far as it is known now.
    pub(crate) fn caller(&self) -> Caller {
        let stranger = Caller::Stranger(self.peer);
        self.holder.get().copied().unwrap_or(stranger)
    }
}
