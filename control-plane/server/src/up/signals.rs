//! The signals that mean "stop".

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::UpError;

/// Ctrl-C, `tollway down`, and a terminal that goes away.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From here on they do not end the process by themselves.
    pub(super) fn install() -> Result<Self, UpError> {
        let of = |kind| signal(kind).map_err(UpError::Signals);
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hang_up: of(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
