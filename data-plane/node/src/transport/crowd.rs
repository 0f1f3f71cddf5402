//! Who is in a handshake. They are strangers: their number is bounded, one address must not take all
//! places by being slow, and addresses compute their steps in turn, however many one of them begins.
//! The visitors of the monitoring port are a crowd of their own.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::bounds::HANDSHAKE_STEPS_AT_ONCE;
use crate::address_turns::{AddressTurns, neighbourhood};
use crate::broker::behind_others::behind_others;

/// Those in a handshake, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Crowd {
    places_max: usize,
    state: Mutex<State>,
    steps: Arc<Mutex<Steps>>,
}

/// `count` is how many places there are in `inside`, where no address is without one.
#[derive(Debug, Default)]
struct State {
    next: u64,
    count: usize,
    inside: BTreeMap<IpAddr, BTreeMap<u64, CancellationToken>>,
}

/// Who may compute a step of its handshake.
#[derive(Debug)]
struct Steps {
    /// Nobody waits while there are some.
    free: usize,
    waiting: AddressTurns<oneshot::Sender<Turn>>,
}

/// The right to compute one step, which goes to the next one when it is dropped.
#[derive(Debug)]
struct Turn(Option<Arc<Mutex<Steps>>>);

/// A place in the crowd, until it is dropped or given away.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    address: IpAddr,
    given_away: CancellationToken,
}

impl Crowd {
    pub(crate) fn new(places_max: usize) -> Self {
        Self {
            places_max,
            state: Mutex::default(),
            steps: Arc::new(Mutex::new(Steps {
                free: HANDSHAKE_STEPS_AT_ONCE,
                waiting: AddressTurns::default(),
            })),
        }
    }

    /// How many are inside.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().count
    }

    /// A place for a newcomer. When there is none, the address that has most of them loses the one
    /// that it has had longest.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Place {
        let address = neighbourhood(address);
        let given_away = CancellationToken::new();
        let mut state = self.state.lock();
        if state.count >= self.places_max
            && let Some((busiest, longest)) = state.longest_of_busiest()
            && let Some(place) = state.remove(busiest, longest)
        {
            place.cancel();
        }
        let number = state.next;
        state.next += 1;
        state.count += 1;
        let places = state.inside.entry(address).or_default();
        places.insert(number, given_away.clone());
        Place {
            crowd: self.clone(),
            number,
            address,
            given_away,
        }
    }

    /// Waits until somebody at this address may compute a step.
    async fn turn(&self, address: IpAddr) -> Turn {
        let next = {
            let mut steps = self.steps.lock();
            if steps.free > 0 {
                steps.free -= 1;
                return Turn(Some(self.steps.clone()));
            }
            let (hand, next) = oneshot::channel();
            steps.waiting.push(address, hand);
            next
        };
        next.await.expect("a turn goes to all who wait for it")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        let mut steps = shared.lock();
        while let Some(next) = steps.waiting.pop() {
            // Who does not wait any more gives it back: it must not come here again.
            match next.send(Turn(Some(shared.clone()))) {
                Ok(()) => return,
                Err(mut turn) => turn.0 = None,
            }
        }
        steps.free += 1;
    }
}

impl State {
    /// Looks at all addresses, and only when there are too many places: whoever comes as fast as it
    /// can from one address has this done for each of its connections.
    fn longest_of_busiest(&self) -> Option<(IpAddr, u64)> {
        let longest = |(address, places): (&IpAddr, &BTreeMap<u64, _>)| {
            let (number, _) = places.first_key_value()?;
            Some((places.len(), Reverse(*number), *address))
        };
        let (_, Reverse(number), address) = self.inside.iter().filter_map(longest).max()?;
        Some((address, number))
    }

    fn remove(&mut self, address: IpAddr, number: u64) -> Option<CancellationToken> {
        let places = self.inside.get_mut(&address)?;
        let place = places.remove(&number)?;
        if places.is_empty() {
            self.inside.remove(&address);
        }
        self.count -= 1;
        Some(place)
    }
}

impl Place {
    /// Works off a handshake step by step, so that only few of them are computed at a time and
    /// everything else that is ready comes in between.
    pub(super) async fn in_turns<F: Future>(&self, handshake: F) -> F::Output {
        let mut handshake = pin!(handshake);
        loop {
            let turn = self.crowd.turn(self.address).await;
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

    /// As [`Place::lost`], for who keeps it beside the place.
    pub(crate) fn loss(&self) -> WaitForCancellationFutureOwned {
        self.given_away.clone().cancelled_owned()
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
        self.crowd.state.lock().remove(self.address, self.number);
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
        let second = crowd.enter(address(2));
        assert!(
            !lost(&places[0]) && !lost(&places[1]) && !lost(&newcomer),
            "there was room"
        );
        assert_eq!(crowd.len(), 4);
        drop((places, newcomer, second));
        assert!(crowd.len() == 0 && crowd.state.lock().inside.is_empty());
    }

    #[tokio::test]
    async fn addresses_compute_their_steps_in_turn() {
        let crowd = Crowd::new(4);
        let [busy, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let mut held: Vec<Turn> = Vec::new();
        for _ in 0..HANDSHAKE_STEPS_AT_ONCE {
            held.push(crowd.turn(busy).await);
        }
        let (said, mut order) = tokio::sync::mpsc::unbounded_channel();
        let mut waiting: Vec<_> = [busy, busy, busy, other]
            .into_iter()
            .enumerate()
            .map(|(at, address)| {
                let (said, crowd) = (said.clone(), &crowd);
                Box::pin(async move {
                    let turn = crowd.turn(address).await;
                    said.send(at).expect("somebody listens");
                    drop(turn);
                })
            })
            .collect();
        for wait in &mut waiting {
            assert!(futures_util::poll!(wait).is_pending());
        }
        // One that does not wait any more has the turn of its own address alone.
        drop(waiting.remove(0));
        held.pop();
        futures_util::future::join_all(waiting).await;
        drop((held, said));
        let order: Vec<_> = std::iter::from_fn(|| order.try_recv().ok()).collect();
        assert_eq!(order, [3, 1, 2]);
        assert_eq!(crowd.steps.lock().free, HANDSHAKE_STEPS_AT_ONCE);
    }
}
