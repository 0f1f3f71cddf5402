//! Calls that wait until a cell has applied a change: so many, and so many of each organization.

use std::collections::HashMap;

use parking_lot::Mutex;
use tollway_authz::Scope;
use tollway_model::OrganizationId;

use crate::bounds::{APPLY_WAITERS_MAX, APPLY_WAITERS_PER_ORGANIZATION_MAX};

/// Who waits now.
#[derive(Default)]
pub(super) struct ApplyWaiters(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    all: usize,
    /// Without callers of the platform; no entry is zero.
    of_organization: HashMap<OrganizationId, usize>,
}

/// A place among those who wait, until it is dropped.
pub(super) struct ApplyWaiter<'w> {
    waiters: &'w ApplyWaiters,
    organization: Option<OrganizationId>,
}

impl ApplyWaiters {
    /// `None` when there are enough who wait, in all or of the caller's organization.
    pub(super) fn take(&self, scope: &Scope<OrganizationId>) -> Option<ApplyWaiter<'_>> {
        let organization = (!scope.is_of_platform()).then(|| scope.organization());
        self.take_as(organization)
    }

    fn take_as(&self, organization: Option<OrganizationId>) -> Option<ApplyWaiter<'_>> {
        let mut waiting = self.0.lock();
        if waiting.all >= APPLY_WAITERS_MAX {
            return None;
        }
        if let Some(organization) = organization {
            let already = waiting
                .of_organization
                .get(&organization)
                .copied()
                .unwrap_or_default();
            if already >= APPLY_WAITERS_PER_ORGANIZATION_MAX {
                return None;
            }
            waiting.of_organization.insert(organization, already + 1);
        }
        waiting.all += 1;
        Some(ApplyWaiter {
            waiters: self,
            organization,
        })
    }
}

impl Drop for ApplyWaiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.0.lock();
        waiting.all -= 1;
        let Some(organization) = self.organization else {
            return;
        };
        if let Some(count) = waiting.of_organization.get_mut(&organization) {
            *count -= 1;
            if *count == 0 {
                waiting.of_organization.remove(&organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_leaves_places_to_others_and_is_forgotten_when_nobody_waits() {
        let waiters = ApplyWaiters::default();
        let organization = |number| Some(OrganizationId::new(number, [0; 10]));
        let mut places = Vec::new();
        for _ in 0..APPLY_WAITERS_PER_ORGANIZATION_MAX {
            places.push(waiters.take_as(organization(1)).unwrap());
        }
        assert!(waiters.take_as(organization(1)).is_none());
        assert!(waiters.take_as(organization(2)).is_some());
        assert!(waiters.take_as(None).is_some());
        places.clear();
        let waiting = waiters.0.lock();
        assert!(waiting.all == 0 && waiting.of_organization.is_empty());
    }
}
