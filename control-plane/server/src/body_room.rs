//! Memory for bodies that are being read, shared out by who sends them.
//!
//! A body takes its room before anything of it is read, and all of it: bodies that were half read and waited
//! for each other's room would never end. Strangers, tenants and the platform have room of their own, and in
//! it no peer and no organization gets at that of the others.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    bounds::{
        ORGANIZATION_BODIES_BYTES_MAX, PEER_BODIES_BYTES_MAX, PLATFORM_BODIES_BYTES_MAX,
        STRANGERS_BODIES_BYTES_MAX, TENANTS_BODIES_BYTES_MAX,
    },
    call_origin::Caller,
};

/// Clones share the room.
#[derive(Clone)]
pub(crate) struct BodyRooms(Arc<Rooms>);

struct Rooms {
    of_strangers: Arc<Semaphore>,
    of_tenants: Arc<Semaphore>,
    of_platform: Arc<Semaphore>,
    /// What is left to each; only those with a body, or with one that waits, are here.
    shares: Mutex<HashMap<Caller, Arc<Semaphore>>>,
}

/// Room for one body, until it is dropped.
pub(crate) struct BodyRoom {
    rooms: BodyRooms,
    caller: Caller,
    permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl BodyRooms {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Rooms {
            of_strangers: Arc::new(Semaphore::new(STRANGERS_BODIES_BYTES_MAX)),
            of_tenants: Arc::new(Semaphore::new(TENANTS_BODIES_BYTES_MAX)),
            of_platform: Arc::new(Semaphore::new(PLATFORM_BODIES_BYTES_MAX)),
            shares: Mutex::default(),
        }))
    }

    /// Waits for room; `bytes` are no more than a share.
    pub(crate) async fn take(self, caller: Caller, bytes: u32) -> BodyRoom {
        let (all, share) = match caller {
            Caller::Stranger(_) => (&self.0.of_strangers, PEER_BODIES_BYTES_MAX),
            Caller::Organization(_) => (&self.0.of_tenants, ORGANIZATION_BODIES_BYTES_MAX),
            Caller::Platform => (&self.0.of_platform, PLATFORM_BODIES_BYTES_MAX),
        };
        let all = Arc::clone(all);
        let mut room = BodyRoom {
            rooms: self.clone(),
            caller,
            permits: None,
        };
        let share = Arc::clone(
            self.0
                .shares
                .lock()
                .entry(caller)
                .or_insert_with(|| Arc::new(Semaphore::new(share))),
        );
        // Its own first: who waits for itself must not keep room from others meanwhile.
        let own = share.acquire_many_owned(bytes).await;
        let of_all = all.acquire_many_owned(bytes).await;
        room.permits = Some((
            own.expect("the semaphore is never closed"),
            of_all.expect("the semaphore is never closed"),
        ));
        room
    }
}

impl Drop for BodyRoom {
    fn drop(&mut self) {
        self.permits = None;
        let mut shares = self.rooms.0.shares.lock();
        // Permits and those who wait for one hold the semaphore as well.
        if shares
            .get(&self.caller)
            .is_some_and(|share| Arc::strong_count(share) == 1)
        {
            shares.remove(&self.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tollway_model::OrganizationId;

    use super::*;
    use crate::{
        bounds::{REQUEST_BODY_BYTES_MAX, STRANGER_BODY_BYTES_MAX},
        peers::Peer,
    };

    fn take(rooms: &BodyRooms, caller: Caller, bytes: usize) -> Option<BodyRoom> {
        rooms.clone().take(caller, bytes as u32).now_or_never()
    }

    #[test]
    fn bodies_of_one_caller_leave_room_for_those_of_all_others() {
        let rooms = BodyRooms::new();
        let organization = |number| Caller::Organization(OrganizationId::new(number, [0; 10]));
        let peer = |last| Caller::Stranger(Peer::of([192, 0, 2, last].into()));
        let mut held = Vec::new();
        for (caller, bytes) in [
            (organization(1), REQUEST_BODY_BYTES_MAX),
            (peer(1), STRANGER_BODY_BYTES_MAX),
        ] {
            while let Some(room) = take(&rooms, caller, bytes) {
                held.push(room);
            }
        }
        assert!(take(&rooms, organization(1), 1).is_none());
        assert!(take(&rooms, peer(1), 1).is_none());
        for caller in [organization(2), peer(2), Caller::Platform] {
            assert!(
                take(&rooms, caller, STRANGER_BODY_BYTES_MAX).is_some(),
                "{caller:?}"
            );
        }
        held.clear();
        assert!(take(&rooms, organization(1), REQUEST_BODY_BYTES_MAX).is_some());
        assert!(rooms.0.shares.lock().is_empty());
    }
}
