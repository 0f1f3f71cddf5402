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
use crate::bounds::{CALL_WAIT, CALLS_PER_ORGANIZATION_MAX, CALLS_WAITING_PER_ORGANIZATION_MAX};

/// Clones share the counts. Calls of the platform are not counted.
///
/// Only organizations with a call, or with one that waits, are in the map.
#[derive(Clone, Default)]
pub(super) struct CallsOfOrganizations(Arc<Mutex<HashMap<OrganizationId, Calls>>>);

struct Calls {
    places: Arc<Semaphore>,
    /// Open ones, and such that wait.
    here: usize,
}

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
        let (mut call, places) = self.enter(organization).ok_or(ProblemCode::TooManyCalls)?;
        let Ok(permit) = timeout(CALL_WAIT, places.acquire_owned()).await else {
            return Err(ProblemCode::TooManyCalls.into());
        };
        call.permit = Some(permit.expect("the semaphore is never closed"));
        Ok(call)
    }

    /// A call that waits, unless too many do.
    fn enter(&self, organization: OrganizationId) -> Option<(CallOfOrganization, Arc<Semaphore>)> {
        let mut all = self.0.lock();
        let calls = all.entry(organization).or_insert_with(|| Calls {
            places: Arc::new(Semaphore::new(CALLS_PER_ORGANIZATION_MAX)),
            here: 0,
        });
        if calls.here >= CALLS_PER_ORGANIZATION_MAX + CALLS_WAITING_PER_ORGANIZATION_MAX {
            return None;
        }
        calls.here += 1;
        let call = CallOfOrganization {
            calls: self.clone(),
            organization,
            permit: None,
        };
        Some((call, Arc::clone(&calls.places)))
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
        if let Some(of_organization) = calls.get_mut(&self.organization) {
            of_organization.here -= 1;
            if of_organization.here == 0 {
                calls.remove(&self.organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

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
        open.extend(next.ok());
        // Nor do many wait.
        let mut waiting: Vec<_> = (0..CALLS_WAITING_PER_ORGANIZATION_MAX)
            .map(|_| Box::pin(calls.begin(organization(1))))
            .collect();
        for call in &mut waiting {
            assert!(call.as_mut().now_or_never().is_none());
        }
        let refused = calls.begin(organization(1)).now_or_never();
        assert!(refused.is_some_and(|refused| refused.is_err()));
        drop(waiting);
        open.clear();
        assert!(calls.0.lock().is_empty());
    }
}
