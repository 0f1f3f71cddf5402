//! Each organization's share of the pool, so that no organization keeps the others from the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tollway_model::OrganizationId;

use crate::bounds::ACQUIRE_TIMEOUT;
use crate::error::DatastoreError;

/// How many transactions each organization has open. Clones share the counts.
///
/// Only organizations with a transaction, or somebody who waits for one, are in the map.
#[derive(Debug, Clone)]
pub(crate) struct OrganizationShares(Arc<Shares>);

#[derive(Debug)]
struct Shares {
    places: u32,
    /// Places of all organizations together. Each has few who wait here, so nobody waits for long.
    all: Arc<Semaphore>,
    organizations: Mutex<HashMap<OrganizationId, Arc<Semaphore>>>,
}

/// A place in the share of an organization, until it is dropped.
#[derive(Debug)]
pub(crate) struct OrganizationShare {
    shares: OrganizationShares,
    organization: OrganizationId,
    permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl OrganizationShares {
    pub(crate) fn new(places: u32, all: u32) -> Self {
        Self(Arc::new(Shares {
            places,
            all: Arc::new(Semaphore::new(all as usize)),
            organizations: Mutex::default(),
        }))
    }

    /// Waits for a place, as long as for a connection: first come, first served within the organization.
    pub(crate) async fn take(
        &self,
        organization: OrganizationId,
    ) -> Result<OrganizationShare, DatastoreError> {
        let mut share = OrganizationShare {
            shares: self.clone(),
            organization,
            permits: None,
        };
        let places = Arc::clone(
            self.organizations()
                .entry(organization)
                .or_insert_with(|| Arc::new(Semaphore::new(self.0.places as usize))),
        );
        let all = Arc::clone(&self.0.all);
        let permits = async { (places.acquire_owned().await, all.acquire_owned().await) };
        let (own, of_all) =
            timeout(ACQUIRE_TIMEOUT, permits)
                .await
                .map_err(|late| DatastoreError::Contended {
                    step: "wait for other transactions of organizations",
                    source: Box::new(late),
                })?;
        share.permits = Some((
            own.expect("the semaphore is never closed"),
            of_all.expect("the semaphore is never closed"),
        ));
        Ok(share)
    }

    fn organizations(&self) -> std::sync::MutexGuard<'_, HashMap<OrganizationId, Arc<Semaphore>>> {
        // Nothing is half done when a thread panics inside: the map is read or one entry is changed.
        self.0
            .organizations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OrganizationShare {
    fn drop(&mut self) {
        self.permits = None;
        let mut organizations = self.shares.organizations();
        // Permits and those who wait for one hold the semaphore as well.
        if organizations
            .get(&self.organization)
            .is_some_and(|places| Arc::strong_count(places) == 1)
        {
            organizations.remove(&self.organization);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(number: u64) -> OrganizationId {
        OrganizationId::new(number, [0; 10])
    }

    #[tokio::test(start_paused = true)]
    async fn an_organization_that_holds_its_share_waits_for_itself_alone_and_is_forgotten_after() {
        let shares = OrganizationShares::new(2, 3);
        let first = shares.take(organization(1)).await.unwrap();
        let second = shares.take(organization(1)).await.unwrap();
        assert!(matches!(
            shares.take(organization(1)).await,
            Err(DatastoreError::Contended { .. })
        ));
        let other = shares.take(organization(2)).await.unwrap();

        drop(first);
        let third = shares.take(organization(1)).await.unwrap();
        // All places of all organizations are taken.
        assert!(matches!(
            shares.take(organization(3)).await,
            Err(DatastoreError::Contended { .. })
        ));
        drop((second, third, other));
        assert!(shares.organizations().is_empty());
    }
}
