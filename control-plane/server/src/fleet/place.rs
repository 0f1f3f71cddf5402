//! Places for those who have proved nothing yet: who comes last takes the place of who waited longest.
//!
//! Refusing the last one would let a few silent connections keep everybody out; whoever means it is
//! through long before so many others came.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// So many places. Clones share them.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    max: usize,
    last: AtomicU64,
    /// Oldest first; at most `max`.
    taken: Mutex<VecDeque<(u64, CancellationToken)>>,
}

/// One of them, until it is dropped or lost.
pub(super) struct Place {
    places: Places,
    number: u64,
    lost: CancellationToken,
}

impl Places {
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Inner {
            max,
            last: AtomicU64::new(0),
            taken: Mutex::default(),
        }))
    }

    /// Takes a place; the oldest holder loses its own when there is none left.
    pub(super) fn take(&self) -> Place {
        let place = Place {
            places: self.clone(),
            number: self.0.last.fetch_add(1, Ordering::Relaxed),
            lost: CancellationToken::new(),
        };
        let mut taken = self.0.taken.lock();
        if taken.len() >= self.0.max
            && let Some((_, oldest)) = taken.pop_front()
        {
            oldest.cancel();
        }
        taken.push_back((place.number, place.lost.clone()));
        place
    }
}

impl Place {
    /// Ends when somebody else took the place.
    pub(super) fn lost(&self) -> WaitForCancellationFutureOwned {
        self.lost.clone().cancelled_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock();
        if let Some(index) = taken.iter().position(|(number, _)| *number == self.number) {
            taken.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_takes_the_place_of_the_first_and_only_when_there_is_no_other() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.take());
        assert!(!first.lost.is_cancelled());
        let third = places.take();
        first.lost().await;
        assert!(!second.lost.is_cancelled() && !third.lost.is_cancelled());
        // One that lost its place already has none to give back.
        drop(first);
        let fourth = places.take();
        second.lost().await;
        drop(third);
        let fifth = places.take();
        assert!(!fourth.lost.is_cancelled() && !fifth.lost.is_cancelled());
    }
}
