//! Signals between control planes: which cell has something new.

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tollway_model::CellId;

use crate::error::{DatastoreError, failed_to};

/// The channel that all control planes of a database share.
pub(crate) const FLEET_CHANNEL: &str = "tollway_fleet";

/// What happened to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetSignal {
    /// The cell should hold something new.
    Changed(CellId),
    /// The cell acknowledged something.
    Applied(CellId),
    /// The connection broke and is back: anything may have happened, so look at everything.
    Missed,
}

impl FleetSignal {
    /// `changed cel_...`; `None` for what is never sent.
    pub(crate) fn payload(&self) -> Option<String> {
        match self {
            Self::Changed(cell) => Some(format!("changed {cell}")),
            Self::Applied(cell) => Some(format!("applied {cell}")),
            Self::Missed => None,
        }
    }

    /// What a payload says; `Missed` when it says nothing we know, such as one of a newer release.
    fn from_payload(payload: &str) -> Self {
        let parsed = payload
            .split_once(' ')
            .and_then(|(word, cell)| Some((word, cell.parse().ok()?)));
        match parsed {
            Some(("changed", cell)) => Self::Changed(cell),
            Some(("applied", cell)) => Self::Applied(cell),
            _ => Self::Missed,
        }
    }
}

/// Hears the signals of all control planes, this one included.
///
/// It has a connection of its own: one that came from the datastore's pool would keep
/// [`crate::Datastore::close`] from ever ending.
pub struct FleetListener(PgListener);

impl FleetListener {
    pub(crate) async fn connect(connect: PgConnectOptions) -> Result<Self, DatastoreError> {
        // Connections of a pool are replaced from time to time by default; this one must stay.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(connect)
            .await
            .map_err(failed_to("connect to listen"))?;
        let mut listener = PgListener::connect_with(&pool)
            .await
            .map_err(failed_to("connect to listen"))?;
        listener.ignore_pool_close_event(true);
        listener
            .listen(FLEET_CHANNEL)
            .await
            .map_err(failed_to("listen for signals"))?;
        Ok(Self(listener))
    }

    /// The next signal. May be dropped while it waits.
    ///
    /// # Errors
    /// The database cannot be reached: wait a moment, and call again.
    pub async fn next(&mut self) -> Result<FleetSignal, DatastoreError> {
        let notification = self.0.try_recv().await.map_err(failed_to("wait for a signal"))?;
        Ok(match notification {
            Some(notification) => FleetSignal::from_payload(notification.payload()),
            None => FleetSignal::Missed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_reads_back_from_its_payload_and_an_unknown_one_means_look() {
        let cell = CellId::new(1, [1; 10]);
        for signal in [FleetSignal::Changed(cell), FleetSignal::Applied(cell)] {
            assert_eq!(FleetSignal::from_payload(&signal.payload().unwrap()), signal);
        }
        for payload in ["", "changed", "changed x", "moved cel_0"] {
            assert_eq!(
                FleetSignal::from_payload(payload),
                FleetSignal::Missed,
                "{payload}"
            );
        }
    }
}
