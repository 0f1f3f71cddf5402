//! Passes the signals of all control planes to the hub of this one.

use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use tollway_datastore::{Datastore, DatastoreError, FleetSignal};

use super::FleetHub;
use crate::app::chain;

/// How long we wait before we listen again.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until `stop`. Signals only make changes faster: senders also look by themselves.
pub async fn pass_signals(datastore: Datastore, hub: FleetHub, stop: CancellationToken) {
    tokio::select! {
        () = listen(datastore, hub) => {}
        () = stop.cancelled() => {}
    }
}

async fn listen(datastore: Datastore, hub: FleetHub) {
    loop {
        if let Err(error) = listen_once(&datastore, &hub).await {
            tracing::debug!(
                error = chain(&error),
                "cannot hear other control planes; trying on"
            );
        }
        sleep(RECONNECT_INTERVAL).await;
    }
}

async fn listen_once(datastore: &Datastore, hub: &FleetHub) -> Result<(), DatastoreError> {
    let mut listener = datastore.listen().await?;
    // What happened while nobody listened.
    hub.wake_all();
    loop {
        match listener.next().await? {
            FleetSignal::Changed(cell) => hub.wake_cell(cell),
            FleetSignal::Applied(cell) => hub.acknowledged(cell),
            FleetSignal::Missed => {
                hub.wake_all();
                hub.acknowledged_perhaps();
            }
        }
    }
}
