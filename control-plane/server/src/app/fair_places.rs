//! Places for work that many ask for: so many at a time, and in turn.
//!
//! Whoever waits, waits in the line of the one it is asked for, and lines are served in turn. A long line
//! is therefore the trouble of those in it. When all lines together are full, the last of the longest one
//! goes away for somebody whose line is shorter.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Duration, timeout},
};

/// How much there is of everything.
#[derive(Clone, Copy)]
pub(super) struct FairPlacesBounds {
    /// Places.
    pub(super) places: usize,
    /// Of these, places of one line.
    pub(super) places_per_line: usize,
    /// Who may wait, in all lines together.
    pub(super) waiting: usize,
    /// How long.
    pub(super) wait: Duration,
}

/// Clones share the places.
pub(super) struct FairPlaces<K>(Arc<Shared<K>>);

struct Shared<K> {
    bounds: FairPlacesBounds,
    lines: Mutex<Lines<K>>,
}

/// Only lines that hold a place, or in which somebody waits, are here.
struct Lines<K> {
    lines: HashMap<K, Line>,
    /// Lines in which somebody waits, each once; the first is served next.
    turns: VecDeque<K>,
    taken: usize,
    waiting: usize,
    last_ticket: u64,
}

#[derive(Default)]
struct Line {
    taken: usize,
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

enum Entered<K: Eq + Hash + Clone> {
    Placed(Place<K>),
    Waits(Waiting<K>),
}

/// No place could be had: too many wait, or it took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoPlace;

/// A place, until it is dropped.
pub(super) struct Place<K: Eq + Hash + Clone> {
    places: FairPlaces<K>,
    key: K,
}

/// Somebody in a line, until the place came or nobody waits for it any more.
struct Waiting<K: Eq + Hash + Clone> {
    places: FairPlaces<K>,
    key: K,
    ticket: u64,
    /// Tells that the place is there; closed when somebody else got it.
    turn: oneshot::Receiver<()>,
}

impl<K> Clone for FairPlaces<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone> FairPlaces<K> {
    pub(super) fn new(bounds: FairPlacesBounds) -> Self {
        Self(Arc::new(Shared {
            bounds,
            lines: Mutex::new(Lines {
                lines: HashMap::new(),
                turns: VecDeque::new(),
                taken: 0,
                waiting: 0,
                last_ticket: 0,
            }),
        }))
    }

    /// Waits for a place.
    pub(super) async fn take(&self, key: K) -> Result<Place<K>, NoPlace> {
        let mut waiting = match self.enter(key)? {
            Entered::Placed(place) => return Ok(place),
            Entered::Waits(waiting) => waiting,
        };
        // However this ends, also when the caller goes away: what came meanwhile is given back.
        match timeout(self.0.bounds.wait, &mut waiting.turn).await {
            Ok(Ok(())) => Ok(Place {
                places: self.clone(),
                key: waiting.key.clone(),
            }),
            Ok(Err(_)) | Err(_) => Err(NoPlace),
        }
    }

    fn enter(&self, key: K) -> Result<Entered<K>, NoPlace> {
        let bounds = self.0.bounds;
        let mut lines = self.0.lines.lock();
        let line = lines.lines.get(&key);
        let (taken, waiting) = line.map_or((0, 0), |line| (line.taken, line.waiting.len()));
        let places = self.clone();
        if lines.taken < bounds.places && taken < bounds.places_per_line && waiting == 0 {
            lines.taken += 1;
            lines.lines.entry(key.clone()).or_default().taken += 1;
            return Ok(Entered::Placed(Place { places, key }));
        }
        if lines.waiting >= bounds.waiting && !lines.displace(waiting) {
            return Err(NoPlace);
        }
        lines.waiting += 1;
        lines.last_ticket += 1;
        let ticket = lines.last_ticket;
        let (granted, turn) = oneshot::channel();
        let line = lines.lines.entry(key.clone()).or_default();
        line.waiting.push_back((ticket, granted));
        if waiting == 0 {
            lines.turns.push_back(key.clone());
        }
        Ok(Entered::Waits(Waiting {
            places,
            key,
            ticket,
            turn,
        }))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let lines = self.0.lines.lock();
        lines.lines.is_empty() && lines.turns.is_empty() && lines.taken == 0 && lines.waiting == 0
    }
}

impl<K: Eq + Hash + Clone> Lines<K> {
    /// Sends the last of the longest line away when that is longer than one with one more than `waiting`.
    fn displace(&mut self, waiting: usize) -> bool {
        let longest = self.turns.iter().max_by_key(|key| self.lines[*key].waiting.len());
        let Some(longest) = longest.cloned() else {
            return false;
        };
        let line = self.lines.get_mut(&longest).expect("a line with a turn is there");
        if line.waiting.len() <= waiting + 1 {
            return false;
        }
        // Dropping the sender tells who waits; more than one wait there, so the line keeps its turn.
        line.waiting.pop_back();
        self.waiting -= 1;
        true
    }

    /// Gives free places to those whose turn it is.
    fn serve(&mut self, bounds: FairPlacesBounds) {
        let mut passed = 0;
        while self.taken < bounds.places && passed < self.turns.len() {
            let key = self.turns.pop_front().expect("fewer were passed than there are");
            let line = self.lines.get_mut(&key).expect("a line with a turn is there");
            if line.taken >= bounds.places_per_line {
                self.turns.push_back(key);
                passed += 1;
                continue;
            }
            let Some((_, granted)) = line.waiting.pop_front() else {
                continue;
            };
            self.waiting -= 1;
            line.taken += 1;
            self.taken += 1;
            granted.send(()).expect("who is in a line is waiting");
            if !line.waiting.is_empty() {
                self.turns.push_back(key);
            }
            passed = 0;
        }
    }

    fn give_back(&mut self, key: &K, bounds: FairPlacesBounds) {
        let line = self.lines.get_mut(key).expect("a line with a place is there");
        line.taken -= 1;
        self.taken -= 1;
        self.forget_if_idle(key);
        self.serve(bounds);
    }

    fn go_away(&mut self, key: &K, ticket: u64) {
        let line = self
            .lines
            .get_mut(key)
            .expect("a line in which somebody waits is there");
        line.waiting.retain(|(waiting, _)| *waiting != ticket);
        self.waiting -= 1;
        if line.waiting.is_empty() {
            self.turns.retain(|turn| turn != key);
        }
        self.forget_if_idle(key);
    }

    fn forget_if_idle(&mut self, key: &K) {
        let line = self.lines.get(key);
        if line.is_some_and(|line| line.taken == 0 && line.waiting.is_empty()) {
            self.lines.remove(key);
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let bounds = self.places.0.bounds;
        self.places.0.lines.lock().give_back(&self.key, bounds);
    }
}

impl<K: Eq + Hash + Clone> Drop for Waiting<K> {
    fn drop(&mut self) {
        let bounds = self.places.0.bounds;
        let mut lines = self.places.0.lines.lock();
        match self.turn.try_recv() {
            // The place came while nobody looked.
            Ok(()) => lines.give_back(&self.key, bounds),
            Err(oneshot::error::TryRecvError::Empty) => lines.go_away(&self.key, self.ticket),
            // Taken: the place is in other hands. Displaced: the ticket is out of the line.
            Err(oneshot::error::TryRecvError::Closed) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const BOUNDS: FairPlacesBounds = FairPlacesBounds {
        places: 3,
        places_per_line: 2,
        waiting: 4,
        wait: Duration::from_secs(1),
    };

    #[tokio::test]
    async fn one_line_leaves_a_place_to_the_others_and_lines_are_served_in_turn() {
        let places = FairPlaces::new(BOUNDS);
        let first = places.take("busy").await.unwrap();
        let _second = places.take("busy").await.unwrap();
        let mut third = Box::pin(places.take("busy"));
        let mut fourth = Box::pin(places.take("busy"));
        assert!(third.as_mut().now_or_never().is_none());
        assert!(fourth.as_mut().now_or_never().is_none());
        let other = places.take("other").await.unwrap();
        let mut patient = Box::pin(places.take("other"));
        assert!(patient.as_mut().now_or_never().is_none());

        drop(first);
        let third = third.await.unwrap();
        assert!(patient.as_mut().now_or_never().is_none());
        // Somebody of the busy line waits still, and it is not its turn.
        drop(third);
        let patient = patient.await.unwrap();
        drop((other, patient));
        fourth.await.unwrap();
    }

    #[tokio::test]
    async fn full_lines_make_room_for_somebody_whose_own_is_shorter() {
        let places = FairPlaces::new(BOUNDS);
        let held = [
            places.take("busy").await.unwrap(),
            places.take("busy").await.unwrap(),
            places.take("third").await.unwrap(),
        ];
        let mut crowd: Vec<_> = (0..4).map(|_| Box::pin(places.take("busy"))).collect();
        for one in &mut crowd {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert_eq!(places.take("busy").await.err(), Some(NoPlace));
        let mut other = Box::pin(places.take("other"));
        assert!(other.as_mut().now_or_never().is_none());
        let last = crowd.pop().unwrap();
        assert!(last.await.is_err(), "the last of the crowd makes room");
        drop(held);
        other.await.unwrap();
        drop(crowd);
        assert!(places.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_and_who_goes_away_leaves_nothing_behind() {
        let places = FairPlaces::new(BOUNDS);
        let held = [places.take(1).await.unwrap(), places.take(1).await.unwrap()];
        assert_eq!(places.take(1).await.err(), Some(NoPlace));
        let mut gone = Box::pin(places.take(1));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(gone);
        // The place comes when nobody polls any more.
        let mut late = Box::pin(places.take(1));
        assert!(late.as_mut().now_or_never().is_none());
        drop(held);
        drop(late);
        assert!(places.is_empty());
    }
}
