//! How far cells came, for those who wait for them.
//!
//! However many wait for a cell, one task looks at the database for all of them: when an acknowledgement
//! of the cell was heard of, and from time to time. It ends with the last one who waits.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::timeout,
};
use tollway_authz::Scope;
use tollway_datastore::{Datastore, DatastoreError};
use tollway_model::CellId;

use crate::{app::chain, bounds::CELL_PROGRESS_INTERVAL};

/// The cells that somebody waits for. Clones share them.
#[derive(Clone, Default)]
pub(super) struct ProgressOfCells(Arc<Mutex<HashMap<CellId, Followed>>>);

struct Followed {
    followers: usize,
    /// The revision of the cell's present epoch that it has applied.
    applied: watch::Sender<u64>,
    wake: Arc<Notify>,
    looking: AbortHandle,
}

/// One who waits for a cell.
pub(crate) struct CellProgress {
    cells: ProgressOfCells,
    cell: CellId,
    applied: watch::Receiver<u64>,
}

impl ProgressOfCells {
    pub(super) fn follow(&self, cell: CellId, datastore: &Datastore) -> CellProgress {
        let mut cells = self.0.lock();
        let followed = cells.entry(cell).or_insert_with(|| {
            let (applied, wake) = (watch::Sender::new(0), Arc::new(Notify::new()));
            let look = look(cell, datastore.clone(), applied.clone(), Arc::clone(&wake));
            Followed {
                followers: 0,
                applied,
                wake,
                looking: tokio::spawn(look).abort_handle(),
            }
        });
        followed.followers += 1;
        CellProgress {
            cells: self.clone(),
            cell,
            applied: followed.applied.subscribe(),
        }
    }

    pub(super) fn wake(&self, cell: CellId) {
        if let Some(followed) = self.0.lock().get(&cell) {
            followed.wake.notify_one();
        }
    }

    pub(super) fn wake_all(&self) {
        for followed in self.0.lock().values() {
            followed.wake.notify_one();
        }
    }
}

impl CellProgress {
    /// Ends when the cell has applied the revision.
    pub(crate) async fn reached(&mut self, revision: u64) {
        // The sender is in the map for as long as we are counted there.
        let _ = self.applied.wait_for(|applied| *applied >= revision).await;
    }
}

impl Drop for CellProgress {
    fn drop(&mut self) {
        let mut cells = self.cells.0.lock();
        if let Some(followed) = cells.get_mut(&self.cell) {
            followed.followers -= 1;
            if followed.followers == 0 {
                followed.looking.abort();
                cells.remove(&self.cell);
            }
        }
    }
}

async fn look(cell: CellId, datastore: Datastore, applied: watch::Sender<u64>, wake: Arc<Notify>) {
    loop {
        match applied_revision(cell, &datastore).await {
            Ok(revision) => {
                applied.send_replace(revision);
            }
            // Those who wait have a deadline, and we look on.
            Err(error) => tracing::debug!(error = chain(&error), "cannot look how far a cell came"),
        }
        let _ = timeout(CELL_PROGRESS_INTERVAL, wake.notified()).await;
    }
}

async fn applied_revision(cell: CellId, datastore: &Datastore) -> Result<u64, DatastoreError> {
    let mut tx = datastore.begin_system(&Scope::system("rollout")).await?;
    let cell = tx.cell_get(&cell.into()).await?;
    Ok(cell.map_or(0, |cell| cell.applied_revision()))
}
