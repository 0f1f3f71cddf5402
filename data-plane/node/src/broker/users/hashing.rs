//! Checks passwords against hashes where no client waits for the thread.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::Question;
use crate::broker::outbound::Outbound;
use crate::broker::refusals::Refusal;
use crate::broker::user::User;

/// The processors that a broker gives to checking passwords. Clients that wait for one are at most
/// as many as there are connections, and none waits longer than it has to authenticate.
#[derive(Debug)]
pub(crate) struct Hashing(Arc<Semaphore>);

/// A check that was begun: asked again and again, until it is done.
pub(crate) struct Checking(Arc<OnceLock<Result<Arc<User>, Refusal>>>);

impl Hashing {
    /// Half of the processors: the others are for clients that are in.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }

    /// Begins a check; the connection is signalled when it is done. Must be called inside a tokio runtime.
    pub(crate) fn begin(&self, question: Question, outbound: &Arc<Outbound>) -> Checking {
        let answer = Arc::new(OnceLock::new());
        let checking = Checking(answer.clone());
        let (places, outbound) = (self.0.clone(), outbound.clone());
        tokio::spawn(async move {
            let place = places
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            // Nobody waits for it any more: its time to authenticate is over.
            if Arc::strong_count(&answer) == 1 {
                return;
            }
            let hashed = tokio::task::spawn_blocking(move || {
                let _place = place;
                question.answer()
            });
            let outcome = hashed.await.unwrap_or_else(|_| {
                Err(Refusal {
                    rule: "wrong_credentials",
                    reason: "the password could not be checked".to_owned(),
                    account: None,
                })
            });
            let _ = answer.set(outcome);
            outbound.signal().raise();
        });
        checking
    }
}

impl Checking {
    /// Whether [`Checking::outcome`] has something to give.
    pub(crate) fn is_done(&self) -> bool {
        self.0.get().is_some()
    }

    /// Who it is, or why nobody; none while it is being checked.
    pub(crate) fn outcome(&self) -> Option<Result<Arc<User>, Refusal>> {
        self.0.get().cloned()
    }
}
