//! Calls that are being worked on, of each organization: one that makes many waits for itself alone.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tollway_api::ProblemCode;
use tollway_model::OrganizationId;

use super::AppError;
use crate::bounds::CALLS_PER_ORGANIZATION_MAX;

/// Clones share the counts. Calls of the platform are not counted.
#[derive(Clone, Default)]
pub(super) struct CallsOfOrganizations(Arc<Mutex<HashMap<OrganizationId, usize>>>);

/// One call of an organization, until it is dropped.
#[derive(Debug)]
pub(super) struct CallOfOrganization {
    calls: CallsOfOrganizations,
    organization: OrganizationId,
}

impl CallsOfOrganizations {
    /// # Errors
    /// `too_many_calls` when the organization has as many as it may have.
    pub(super) fn begin(&self, organization: OrganizationId) -> Result<CallOfOrganization, AppError> {
        let mut calls = self.0.lock();
        let open = calls.entry(organization).or_default();
        if *open >= CALLS_PER_ORGANIZATION_MAX {
            return Err(ProblemCode::TooManyCalls.into());
        }
        *open += 1;
        Ok(CallOfOrganization {
            calls: self.clone(),
            organization,
        })
    }
}

impl std::fmt::Debug for CallsOfOrganizations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallsOfOrganizations").finish_non_exhaustive()
    }
}

impl Drop for CallOfOrganization {
    fn drop(&mut self) {
        let mut calls = self.calls.0.lock();
        if let Some(open) = calls.get_mut(&self.organization) {
            *open -= 1;
            if *open == 0 {
                calls.remove(&self.organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organization_with_all_its_calls_takes_none_of_others_and_is_forgotten_after() {
        let calls = CallsOfOrganizations::default();
        let organization = |number| OrganizationId::new(number, [0; 10]);
        let mut open: Vec<_> = (0..CALLS_PER_ORGANIZATION_MAX)
            .map(|_| calls.begin(organization(1)).unwrap())
            .collect();
        assert!(calls.begin(organization(1)).is_err());
        assert!(calls.begin(organization(2)).is_ok());
        open.pop();
        assert!(calls.begin(organization(1)).is_ok());
        open.clear();
        assert!(calls.0.lock().is_empty());
    }
}
