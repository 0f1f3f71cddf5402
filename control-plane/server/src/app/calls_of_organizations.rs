//! Calls that are being worked on, of each organization: one that makes many waits for itself alone.

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tollway_api::ProblemCode;
use tollway_model::OrganizationId;

use super::AppError;
use crate::bounds::{CALL_WAIT, CALLS_PER_ORGANIZATION_MAX};

/// Clones share the counts. Calls of the platform are not counted.
///
/// Only organizations with a call, or with one that waits, are in the map.
#[derive(Clone, Default)]
pub(super) struct CallsOfOrganizations(Arc<Mutex<HashMap<OrganizationId, Arc<Semaphore>>>>);

/// One call of an organization, until it is dropped.
pub(super) struct CallOfOrganization {
    calls: CallsOfOrganizations,
    organization: OrganizationId,
    permit: Option<OwnedSemaphorePermit>,
}

impl CallsOfOrganizations {
    /// Waits a moment for a place, first come, first served within the organization.
    ///
    /// # Errors
    /// `too_many_calls` when the organization has as many open as it may have.
    pub(super) async fn begin(&self, organization: OrganizationId) -> Result<CallOfOrganization, AppError> {
        let mut call = CallOfOrganization {
            calls: self.clone(),
            organization,
            permit: None,
        };
        let places = Arc::clone(
            self.0
                .lock()
                .entry(organization)
                .or_insert_with(|| Arc::new(Semaphore::new(CALLS_PER_ORGANIZATION_MAX))),
        );
        let Ok(permit) = timeout(CALL_WAIT, places.acquire_owned()).await else {
            return Err(ProblemCode::TooManyCalls.into());
        };
        call.permit = Some(permit.expect("the semaphore is never closed"));
        Ok(call)
    }
}

impl fmt::Debug for CallOfOrganization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallOfOrganization")
            .field("organization", &self.organization)
            .finish_non_exhaustive()
    }
}

impl Drop for CallOfOrganization {
    fn drop(&mut self) {
        self.permit = None;
        let mut calls = self.calls.0.lock();
        // Permits and those who wait for one hold the semaphore as well.
        if calls
            .get(&self.organization)
            .is_some_and(|places| Arc::strong_count(places) == 1)
        {
            calls.remove(&self.organization);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn organization_with_all_its_calls_takes_none_of_others_and_is_forgotten_after() {
        let calls = CallsOfOrganizations::default();
        let organization = |number| OrganizationId::new(number, [0; 10]);
        let mut open = Vec::new();
        for _ in 0..CALLS_PER_ORGANIZATION_MAX {
            open.push(calls.begin(organization(1)).await.unwrap());
        }
        assert!(calls.begin(organization(1)).await.is_err());
        assert!(calls.begin(organization(2)).await.is_ok());
        // One that ends makes room for one that waits.
        let end = async { drop(open.pop()) };
        let (next, ()) = tokio::join!(calls.begin(organization(1)), end);
        assert!(next.is_ok());
        drop(next);
        open.clear();
        assert!(calls.0.lock().is_empty());
    }
}
