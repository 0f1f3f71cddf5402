//! Who is in a handshake. They are strangers: their number is bounded, and one address must not
//! take all places by being slow.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::bounds::HANDSHAKE_STEPS_AT_ONCE;
use crate::broker::behind_others::behind_others;

/// Those in a handshake, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Crowd {
    places_max: usize,
    state: Mutex<State>,
    turns: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    inside: BTreeMap<u64, (IpAddr, CancellationToken)>,
}

/// A place in the crowd, until it is dropped or given away.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    given_away: CancellationToken,
}

impl Crowd {
    pub(crate) fn new(places_max: usize) -> Self {
        Self {
            places_max,
            state: Mutex::default(),
            turns: Semaphore::new(HANDSHAKE_STEPS_AT_ONCE),
        }
    }

    /// How many are inside.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().inside.len()
    }

    /// A place for a newcomer. When there is none, the address that has most of them loses the one
    /// that it has had longest.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Place {
        let given_away = CancellationToken::new();
        let mut state = self.state.lock();
        if state.inside.len() >= self.places_max
            && let Some(number) = state.longest_of_busiest()
            && let Some((_, place)) = state.inside.remove(&number)
        {
            place.cancel();
        }
        let number = state.next;
        state.next += 1;
        state.inside.insert(number, (address, given_away.clone()));
        Place {
            crowd: self.clone(),
            number,
            given_away,
        }
    }
}

impl State {
    /// Looks at all of them: there are not many, and it is only asked when they are too many.
    fn longest_of_busiest(&self) -> Option<u64> {
        let mut by_address: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        for (number, (address, _)) in self.inside.iter().rev() {
            let (count, longest) = by_address.entry(*address).or_default();
            *count += 1;
            *longest = *number;
        }
        let busiest = by_address
            .into_values()
            .max_by_key(|(count, longest)| (*count, std::cmp::Reverse(*longest)));
        busiest.map(|(_, longest)| longest)
    }
}

impl Place {
    /// Works off a handshake step by step, so that only few of them are computed at a time and
    /// everything else that is ready comes in between.
    pub(super) async fn in_turns<F: Future>(&self, handshake: F) -> F::Output {
        let mut handshake = pin!(handshake);
        loop {
            let turn = self.crowd.turns.acquire().await.expect("it is never closed");
            let (step, woken) = poll_fn(|context| {
                let woken = Arc::new(Woken {
                    is_woken: AtomicBool::new(false),
                    task: context.waker().clone(),
                });
                let waker = Waker::from(woken.clone());
                let step = handshake.as_mut().poll(&mut Context::from_waker(&waker));
                Poll::Ready((step, woken))
            })
            .await;
            // What is ready now comes before the next step, of whichever handshake.
            behind_others().await;
            if let Poll::Ready(outcome) = step {
                return outcome;
            }
            drop(turn);
            poll_fn(|_| match woken.is_woken.load(Ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
    }

    /// Ends when someone else has the place.
    pub(crate) async fn lost(&self) {
        self.given_away.cancelled().await;
    }
}

/// Remembers that a handshake can go on: its task is woken for other things, too.
struct Woken {
    is_woken: AtomicBool,
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.state.lock().inside.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_address_gives_its_longest_place_to_a_newcomer() {
        let crowd = Arc::new(Crowd::new(4));
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let mut places: Vec<Place> = [1, 2, 2, 2]
            .iter()
            .map(|last| crowd.enter(address(*last)))
            .collect();
        let newcomer = crowd.enter(address(3));
        let lost = |place: &Place| place.given_away.is_cancelled();
        assert_eq!(
            places.iter().map(lost).collect::<Vec<_>>(),
            [false, true, false, false]
        );
        drop(places.remove(1));
        drop(places.remove(2));
        let _second = crowd.enter(address(2));
        assert!(
            !lost(&places[0]) && !lost(&places[1]) && !lost(&newcomer),
            "there was room"
        );
        assert_eq!(crowd.state.lock().inside.len(), 4);
    }
}
