//! Which nodes are attached to this process, and how to reach them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Duration};
use tokio_util::sync::CancellationToken;
use tollway_datastore::Datastore;
use tollway_model::{AttachmentId, CellId, NodeId, OrganizationId};
use tollway_proto::fleet::{Reply, Request};

use super::{
    lane::{Lane, LaneError},
    progress::{CellProgress, ProgressOfCells},
};
use crate::metrics::Metrics;

/// The attached nodes. Clones share them.
///
/// A node has at most one entry: a newer stream replaces the older, whose
/// `replaced` token ends it. An entry is removed by its own stream alone.
#[derive(Clone)]
pub struct FleetHub(Arc<Inner>);

struct Inner {
    attached: Mutex<HashMap<NodeId, Attached>>,
    last_stream: AtomicU64,
    progress: ProgressOfCells,
    metrics: Metrics,
}

struct Attached {
    stream: u64,
    id: AttachmentId,
    cell: CellId,
    lane: Arc<Lane>,
    wake: Arc<Notify>,
    replaced: CancellationToken,
}

/// One fleet stream's place in the hub; leaving it when dropped.
pub(crate) struct Attachment {
    hub: FleetHub,
    node: NodeId,
    stream: u64,
    pub(crate) lane: Arc<Lane>,
    /// Set when the cell may have something new.
    pub(crate) wake: Arc<Notify>,
    /// Cancelled when a newer stream of the same node took the place.
    pub(crate) replaced: CancellationToken,
}

impl FleetHub {
    /// A hub without nodes.
    pub fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            attached: Mutex::default(),
            last_stream: AtomicU64::new(0),
            progress: ProgressOfCells::default(),
            metrics,
        }))
    }

    pub(crate) fn attach(&self, node: NodeId, cell: CellId, id: AttachmentId, lane: Lane) -> Attachment {
        let attachment = Attachment {
            hub: self.clone(),
            node,
            stream: self.0.last_stream.fetch_add(1, Ordering::Relaxed) + 1,
            lane: Arc::new(lane),
            wake: Arc::new(Notify::new()),
            replaced: CancellationToken::new(),
        };
        let attached = Attached {
            stream: attachment.stream,
            id,
            cell,
            lane: Arc::clone(&attachment.lane),
            wake: Arc::clone(&attachment.wake),
            replaced: attachment.replaced.clone(),
        };
        let mut all = self.0.attached.lock();
        if let Some(older) = all.insert(node, attached) {
            older.replaced.cancel();
        }
        self.0.metrics.fleet_nodes_connected(all.len());
        attachment
    }

    /// Ends the node's stream, if it has one here.
    pub fn detach(&self, node: NodeId) {
        if let Some(attached) = self.0.attached.lock().get(&node) {
            attached.replaced.cancel();
        }
    }

    /// Tells the senders of a cell that it should hold something new.
    pub fn wake_cell(&self, cell: CellId) {
        for attached in self
            .0
            .attached
            .lock()
            .values()
            .filter(|attached| attached.cell == cell)
        {
            attached.wake.notify_one();
        }
    }

    /// Tells every sender to look; for when notifications may have been missed.
    pub fn wake_all(&self) {
        for attached in self.0.attached.lock().values() {
            attached.wake.notify_one();
        }
    }

    /// Tells whoever waits for the cell that it acknowledged something.
    pub fn acknowledged(&self, cell: CellId) {
        self.0.progress.wake(cell);
    }

    /// The same for every cell; for when notifications may have been missed.
    pub fn acknowledged_perhaps(&self) {
        self.0.progress.wake_all();
    }

    /// How far the cell came, from now on until it is dropped.
    pub(crate) fn progress(&self, cell: CellId, datastore: &Datastore) -> CellProgress {
        self.0.progress.follow(cell, datastore)
    }

    /// Whether a node of the cell is attached to this process.
    pub fn is_attached(&self, cell: CellId) -> bool {
        self.0
            .attached
            .lock()
            .values()
            .any(|attached| attached.cell == cell)
    }

    /// Asks a node over this stream of it and waits for all answers. The caller knows which one counts: a
    /// stream that was overtaken may still be here for a moment.
    pub async fn request(
        &self,
        stream: AttachmentId,
        organization: OrganizationId,
        request: Request,
        wait: Duration,
    ) -> Result<Vec<Reply>, LaneError> {
        let lane = {
            let all = self.0.attached.lock();
            let attached = all.values().find(|attached| attached.id == stream);
            Arc::clone(&attached.ok_or(LaneError::Away)?.lane)
        };
        lane.request(organization, request, wait).await
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.lane.close();
        let mut all = self.hub.0.attached.lock();
        if all
            .get(&self.node)
            .is_some_and(|attached| attached.stream == self.stream)
        {
            all.remove(&self.node);
        }
        self.hub.0.metrics.fleet_nodes_connected(all.len());
    }
}
