//! Finding out who calls, without letting those who are nobody hold up the others.
//!
//! Each look-up takes a connection of the pool, and anybody can cause one with a made-up secret. So
//! they wait for their turn here, without a connection: secrets that were good before have places of
//! their own, all others share a few, and a secret that was none is not looked up again for a while.
//! Nobody is let in by what is remembered here; it decides where somebody waits, and who is refused.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Duration, Instant, timeout},
};
use tollway_api::ProblemCode;

use super::AppError;
use crate::{
    bounds::{
        CALLERS_REMEMBERED_MAX, LOOK_UP_WAIT, LOOK_UPS_OF_KNOWN_MAX, LOOK_UPS_OF_STRANGERS_MAX,
        LOOK_UPS_WAITING_MAX, REFUSED_CALLER_KEEP,
    },
    secrets::SecretHash,
};

/// The look-ups of one process.
pub(super) struct CallerLookUps {
    known: Remembered,
    refused: Remembered,
    places_of_known: Places,
    places_of_strangers: Places,
}

/// The right to look a secret up. Tell it what was found.
pub(super) struct Turn<'l> {
    look_ups: &'l CallerLookUps,
    secret: SecretHash,
    _place: SemaphorePermit<'l>,
}

impl CallerLookUps {
    pub(super) fn new() -> Self {
        Self {
            known: Remembered::default(),
            refused: Remembered::default(),
            places_of_known: Places::new(LOOK_UPS_OF_KNOWN_MAX),
            places_of_strangers: Places::new(LOOK_UPS_OF_STRANGERS_MAX),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `unauthorized` when the secret was none a moment ago, `overloaded` when too many wait.
    pub(super) async fn turn(&self, secret: SecretHash) -> Result<Turn<'_>, AppError> {
        let now = Instant::now();
        // Secrets are random and told after they are stored: what was none does not become one.
        if self.refused.holds(&secret, REFUSED_CALLER_KEEP, now) {
            return Err(ProblemCode::Unauthorized.into());
        }
        let places = match self.known.holds(&secret, Duration::MAX, now) {
            true => &self.places_of_known,
            false => &self.places_of_strangers,
        };
        let place = places.take().await?;
        // Somebody who waited before with the same secret has found it to be none.
        if self.refused.holds(&secret, REFUSED_CALLER_KEEP, Instant::now()) {
            return Err(ProblemCode::Unauthorized.into());
        }
        Ok(Turn {
            look_ups: self,
            secret,
            _place: place,
        })
    }
}

impl Turn<'_> {
    /// Remembers whether the secret was good.
    pub(super) fn found(self, good: bool) {
        let now = Instant::now();
        if good {
            self.look_ups.known.remember(self.secret, now);
        } else {
            self.look_ups.known.forget(&self.secret);
            self.look_ups.refused.remember(self.secret, now);
        }
    }
}

/// Look-ups of one kind: so many at a time, and a queue with an end.
struct Places {
    free: Semaphore,
    waiting: AtomicUsize,
}

impl Places {
    fn new(places: usize) -> Self {
        Self {
            free: Semaphore::new(places),
            waiting: AtomicUsize::new(0),
        }
    }

    async fn take(&self) -> Result<SemaphorePermit<'_>, AppError> {
        if let Ok(place) = self.free.try_acquire() {
            return Ok(place);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= LOOK_UPS_WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(ProblemCode::Overloaded.into());
        }
        let _waiting = Waiting(&self.waiting);
        match timeout(LOOK_UP_WAIT, self.free.acquire()).await {
            Ok(place) => Ok(place.expect("the semaphore is never closed")),
            Err(_) => Err(ProblemCode::Overloaded.into()),
        }
    }
}

/// Counts one who waits, also when the caller goes away meanwhile.
struct Waiting<'w>(&'w AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The last secrets of a kind, by their hashes; the oldest make room.
#[derive(Default)]
struct Remembered(Mutex<Secrets>);

#[derive(Default)]
struct Secrets {
    since: HashMap<SecretHash, Instant>,
    /// Every secret of `since`, and some that were forgotten; oldest first.
    order: VecDeque<(SecretHash, Instant)>,
}

impl Remembered {
    fn holds(&self, secret: &SecretHash, keep: Duration, now: Instant) -> bool {
        let secrets = self.0.lock();
        secrets
            .since
            .get(secret)
            .is_some_and(|since| now.saturating_duration_since(*since) < keep)
    }

    fn remember(&self, secret: SecretHash, now: Instant) {
        let mut secrets = self.0.lock();
        if secrets
            .since
            .get(&secret)
            .is_some_and(|since| now - *since < REFUSED_CALLER_KEEP)
        {
            return;
        }
        secrets.since.insert(secret, now);
        secrets.order.push_back((secret, now));
        while secrets.order.len() > CALLERS_REMEMBERED_MAX {
            let (oldest, at) = secrets.order.pop_front().expect("it is longer than its bound");
            // One that was remembered again stands further behind as well.
            if secrets.since.get(&oldest) == Some(&at) {
                secrets.since.remove(&oldest);
            }
        }
    }

    fn forget(&self, secret: &SecretHash) {
        self.0.lock().since.remove(secret);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(number: usize) -> SecretHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    }

    fn code(result: Result<Turn<'_>, AppError>) -> ProblemCode {
        match result {
            Err(AppError::Problem(problem)) => problem.code,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it had a turn"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_wait_for_each_other_and_not_before_those_who_are_known() {
        let look_ups = CallerLookUps::new();
        look_ups.turn(secret(0)).await.unwrap().found(true);
        let mut strangers = Vec::new();
        for number in 1..=LOOK_UPS_OF_STRANGERS_MAX {
            strangers.push(look_ups.turn(secret(number)).await.unwrap());
        }
        assert_eq!(code(look_ups.turn(secret(1_000)).await), ProblemCode::Overloaded);
        look_ups.turn(secret(0)).await.unwrap().found(true);

        strangers.pop();
        look_ups.turn(secret(1_000)).await.unwrap().found(false);
    }

    #[tokio::test(start_paused = true)]
    async fn secret_that_was_none_is_refused_for_a_while_without_a_look() {
        let look_ups = CallerLookUps::new();
        look_ups.turn(secret(1)).await.unwrap().found(false);
        assert_eq!(code(look_ups.turn(secret(1)).await), ProblemCode::Unauthorized);
        tokio::time::advance(REFUSED_CALLER_KEEP).await;
        look_ups.turn(secret(1)).await.unwrap().found(true);
    }

    #[tokio::test]
    async fn one_look_answers_all_who_wait_with_the_same_secret() {
        let look_ups = CallerLookUps::new();
        let mut strangers = Vec::new();
        for _ in 0..LOOK_UPS_OF_STRANGERS_MAX {
            strangers.push(look_ups.turn(secret(1)).await.unwrap());
        }
        let finish = async { strangers.pop().unwrap().found(false) };
        let (waited, ()) = tokio::join!(look_ups.turn(secret(1)), finish);
        assert_eq!(code(waited), ProblemCode::Unauthorized);
    }

    #[tokio::test]
    async fn only_so_many_secrets_are_remembered() {
        let look_ups = CallerLookUps::new();
        for number in 0..2 * CALLERS_REMEMBERED_MAX {
            look_ups.turn(secret(number)).await.unwrap().found(false);
        }
        let secrets = look_ups.refused.0.lock();
        assert_eq!(secrets.since.len(), CALLERS_REMEMBERED_MAX);
        assert_eq!(secrets.order.len(), CALLERS_REMEMBERED_MAX);
    }
}
