//! Whether calls can be served, looked up at most once in [`READINESS_KEEP`]: anybody may ask.

use tokio::{sync::Mutex, time::Instant};
use tollway_api::Problem;
use tollway_datastore::Datastore;

use super::AppError;
use crate::bounds::READINESS_KEEP;

/// What was found last. One caller looks, the others wait for what it finds.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, Result<(), Problem>)>>);

impl Readiness {
    pub(super) async fn look(&self, datastore: &Datastore) -> Result<(), AppError> {
        let mut last = self.0.lock().await;
        let found = match &*last {
            Some((at, found)) if at.elapsed() < READINESS_KEEP => found.clone(),
            _ => {
                let found = datastore
                    .ready()
                    .await
                    .map_err(|error| Problem::from(AppError::from(error)));
                *last = Some((Instant::now(), found.clone()));
                found
            }
        };
        Ok(found?)
    }
}
