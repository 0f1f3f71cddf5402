//! Keeps a stream to the control plane for as long as the node runs.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::backoff::{Backoff, random};
use super::configuration::Configuration;
use super::identity::IdentityStore;
use super::session::{Session, SessionEnd};
use crate::broker::Broker;
use crate::error_text;
use crate::status::NodeStatus;
use crate::usage::{ControlClock, UsageMeter};

/// What the stream reads and changes.
#[derive(Clone)]
pub struct LinkParts {
    /// `host:port`.
    pub control_plane: String,
    /// Who this node is.
    pub identity: Arc<IdentityStore>,
    /// What it holds.
    pub configuration: Arc<Mutex<Configuration>>,
    /// Answers requests, and is asked for live counts.
    pub broker: Broker,
    /// What it counted.
    pub usage: Arc<UsageMeter>,
    /// Follows the control plane's clock.
    pub clock: Arc<ControlClock>,
    /// For `/metrics` and `/readyz`.
    pub status: Arc<NodeStatus>,
    /// This start of the process.
    pub boot: Uuid,
    /// `nats://host:port`, for lists.
    pub client_url: String,
}

/// Dials out, again and again.
pub struct Link {
    parts: LinkParts,
}

impl Link {
    /// Nothing happens before [`Self::run`].
    pub fn new(parts: LinkParts) -> Self {
        Self { parts }
    }

    /// Runs until `stop`, which should be cancelled when nothing more is
    /// counted: the last usage is told then, if somebody listens.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            // A task of its own, so that a panic in it is one failed attempt.
            let attempt = tokio::spawn(attempt(self.parts.clone(), stop.clone()));
            let outcome = attempt.await;
            self.parts.status.connected_set(false);
            let reason = match outcome {
                Ok(Attempt {
                    ended: Ok(SessionEnd::Stopped),
                    ..
                }) => return,
                Ok(Attempt {
                    ended: Ok(SessionEnd::CertificateRenewed),
                    ..
                }) => {
                    backoff.reset();
                    continue;
                }
                Ok(Attempt {
                    was_welcome,
                    ended: Err(reason),
                }) => {
                    if was_welcome {
                        backoff.reset();
                    }
                    reason
                }
                Err(error) => error_text::chain(&error),
            };
            let pause = backoff.next_pause(random());
            tracing::warn!(
                reason,
                next_attempt_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "no stream to the control plane; clients are served from what this node holds"
            );
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

struct Attempt {
    was_welcome: bool,
    ended: Result<SessionEnd, String>,
}

async fn attempt(parts: LinkParts, stop: CancellationToken) -> Attempt {
    let opened = tokio::select! {
        opened = Session::open(&parts) => opened,
        () = stop.cancelled() => return Attempt { was_welcome: false, ended: Ok(SessionEnd::Stopped) },
    };
    let session = match opened {
        Ok(session) => session,
        Err(error) => {
            return Attempt {
                was_welcome: false,
                ended: Err(error_text::chain(&error)),
            };
        }
    };
    parts.status.connected_set(true);
    tracing::info!(
        control_plane = parts.control_plane,
        "connected to the control plane"
    );
    let ended = session
        .run(&stop)
        .await
        .map_err(|error| error_text::chain(&error));
    Attempt {
        was_welcome: true,
        ended,
    }
}
