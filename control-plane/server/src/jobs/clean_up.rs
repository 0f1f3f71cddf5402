//! Clears away rows that nobody can need any more: see [`tollway_datastore::CleanedUp`].
//!
//! Every control plane tries; a lock of the database lets one at a time do it.

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tollway_authz::Scope;
use tollway_datastore::{CleanedUp, Datastore, DatastoreError};

use crate::{app::chain, bounds::CLEAN_UP_INTERVAL, clock};

/// Runs until `stop`: at the start, and then as often as [`CLEAN_UP_INTERVAL`] says.
pub(crate) async fn clean_up(datastore: Datastore, stop: CancellationToken) {
    let mut ticks = interval(CLEAN_UP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        match clean_up_once(&datastore).await {
            Ok(Some(cleaned)) if !cleaned.is_nothing() => {
                tracing::info!(
                    tombstones = cleaned.tombstones,
                    revision_marks = cleaned.revision_marks,
                    enrolment_tokens = cleaned.enrolment_tokens,
                    sessions = cleaned.sessions,
                    sign_in_links = cleaned.sign_in_links,
                    "cleared old rows away"
                );
            }
            Ok(_) => {}
            // Nothing depends on it: the next time will do.
            Err(error) => tracing::warn!(error = chain(&error), "could not clear old rows away"),
        }
    }
}

async fn clean_up_once(datastore: &Datastore) -> Result<Option<CleanedUp>, DatastoreError> {
    let mut tx = datastore.begin_system(&Scope::system("clean-up")).await?;
    let cleaned = tx.clean_up(clock::now()).await?;
    tx.commit().await?;
    Ok(cleaned)
}
