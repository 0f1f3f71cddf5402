//! Finding out who calls, without letting anybody hold up the others.
//!
//! Each look-up takes a connection of the pool, and every call needs one. So a look-up answers all who
//! wait with the same secret, and look-ups wait for their turn here, without a connection:
//!
//! ```text
//! platform    lines by secret                       places of their own
//! known       lines by organization, or by peer     when a secret of ours was not seen before
//! strangers   lines by peer                         secrets that do not look like ours
//! ```
//!
//! Nobody is let in by what is remembered here; it decides where somebody waits, and who is refused. Who
//! joins a look-up joins before it begins: a secret that was revoked before a call began is refused.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};
use tollway_api::{Problem, ProblemCode};
use tollway_authz::Principal;
use tollway_datastore::AuthenticatedSession;
use tollway_model::OrganizationId;

use super::{
    AppError,
    calls_of_organizations::{CallOfOrganization, CallsOfOrganizations},
    fair_places::{FairPlaces, FairPlacesBounds, NoPlace, Place},
};
use crate::{
    bounds::{
        CALLERS_REMEMBERED_MAX, LOOK_UP_SHARERS_MAX, LOOK_UP_WAIT, LOOK_UPS_OF_KNOWN_MAX,
        LOOK_UPS_OF_PLATFORM_MAX, LOOK_UPS_OF_STRANGERS_MAX, LOOK_UPS_PER_LINE_MAX, LOOK_UPS_WAITING_MAX,
        REFUSED_CALLER_KEEP,
    },
    peers::Peer,
    secrets::SecretHash,
};

/// The look-ups of one process. Clones are the same ones.
#[derive(Clone)]
pub(super) struct CallerLookUps(Arc<Shared>);

struct Shared {
    known: Remembered<Home>,
    refused: Remembered<()>,
    of_platform: FairPlaces<Line>,
    of_known: FairPlaces<Line>,
    of_strangers: FairPlaces<Line>,
    calls: CallsOfOrganizations,
    tokens: Flights<Principal>,
    sessions: Flights<AuthenticatedSession>,
}

/// Where a good secret's holder belongs; `None` is the platform.
type Home = Option<OrganizationId>;

/// Who waits behind whom.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Line {
    Secret(SecretHash),
    Organization(OrganizationId),
    Peer(Peer),
}

/// What somebody calls with.
#[derive(Clone, Copy)]
pub(super) struct Presented {
    pub(super) secret: SecretHash,
    /// Whether it looks like a secret that this installation made.
    pub(super) is_ours: bool,
    pub(super) peer: Peer,
}

/// A call that may begin; its organization has one more open until the place is dropped.
pub(super) struct Admitted<T> {
    pub(super) caller: T,
    pub(super) place: Option<Arc<CallOfOrganization>>,
}

/// Whom a secret can stand for.
pub(super) trait Caller: Clone + Send + Sync + 'static {
    fn home(&self) -> Home;
    fn flights(look_ups: &CallerLookUps) -> &Flights<Self>;
}

impl Caller for Principal {
    fn home(&self) -> Home {
        self.organization()
    }

    fn flights(look_ups: &CallerLookUps) -> &Flights<Self> {
        &look_ups.0.tokens
    }
}

impl Caller for AuthenticatedSession {
    fn home(&self) -> Home {
        self.principal.organization()
    }

    fn flights(look_ups: &CallerLookUps) -> &Flights<Self> {
        &look_ups.0.sessions
    }
}

/// Look-ups that wait for their turn, by secret: who comes meanwhile waits for the same answer.
pub(super) struct Flights<T>(Mutex<HashMap<SecretHash, Flight<T>>>);

struct Flight<T> {
    answer: watch::Receiver<Option<Answer<T>>>,
    sharers: usize,
}

/// What a look-up found: nobody, or why it failed.
type Answer<T> = Result<Option<T>, Problem>;

impl CallerLookUps {
    pub(super) fn new() -> Self {
        let places = |places| {
            FairPlaces::new(FairPlacesBounds {
                places,
                places_per_line: LOOK_UPS_PER_LINE_MAX,
                waiting: LOOK_UPS_WAITING_MAX,
                wait: LOOK_UP_WAIT,
            })
        };
        Self(Arc::new(Shared {
            known: Remembered::default(),
            refused: Remembered::default(),
            of_platform: places(LOOK_UPS_OF_PLATFORM_MAX),
            of_known: places(LOOK_UPS_OF_KNOWN_MAX),
            of_strangers: places(LOOK_UPS_OF_STRANGERS_MAX),
            calls: CallsOfOrganizations::default(),
            tokens: Flights::default(),
            sessions: Flights::default(),
        }))
    }

    /// Who calls. `look` asks the database, once it is its turn, for all who came with the secret before.
    ///
    /// # Errors
    /// `unauthorized` when it is nobody, `overloaded` when too many wait, `too_many_calls` when the caller's
    /// organization has enough open.
    pub(super) async fn admit<T: Caller, F>(
        &self,
        presented: Presented,
        look: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Admitted<T>, AppError>
    where
        F: Future<Output = Result<Option<T>, AppError>> + Send,
    {
        let now = Instant::now();
        // Secrets are random and told after they are stored: what was none does not become one.
        if self
            .0
            .refused
            .get(&presented.secret, REFUSED_CALLER_KEEP, now)
            .is_some()
        {
            return Err(ProblemCode::Unauthorized.into());
        }
        let home = self.0.known.get(&presented.secret, Duration::MAX, now);
        let mut place = match home.flatten() {
            Some(home) => Some(self.0.calls.begin(home).await?),
            None => None,
        };

        let answer = self.flight(presented, home, look);
        let mut answer = answer.ok_or(ProblemCode::Overloaded)?;
        let answer = match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().expect("it was waited for"),
            Err(gone) => return Err(AppError::internal("look up who calls")(gone)),
        };
        let caller = answer?.ok_or(ProblemCode::Unauthorized)?;
        if let (None, Some(home)) = (&place, caller.home()) {
            place = Some(self.0.calls.begin(home).await?);
        }
        Ok(Admitted {
            caller,
            place: place.map(Arc::new),
        })
    }

    /// Waits for the right to use a secret up, which cannot be shared.
    ///
    /// # Errors
    /// `unauthorized` when it was none a moment ago, `overloaded` when too many wait.
    pub(super) async fn turn(&self, presented: Presented) -> Result<Turn, AppError> {
        let refused = |presented: Presented| {
            let refused = self
                .0
                .refused
                .get(&presented.secret, REFUSED_CALLER_KEEP, Instant::now());
            refused.map_or(Ok(()), |()| Err(AppError::from(ProblemCode::Unauthorized)))
        };
        refused(presented)?;
        let place = self.place(presented, None).await?;
        // Somebody who waited before with the same secret has used it up.
        refused(presented)?;
        Ok(Turn {
            look_ups: self.clone(),
            secret: presented.secret,
            _place: place,
        })
    }

    /// The look-up that has not begun yet, or a new one. `None` when too many wait for it.
    fn flight<T: Caller, F>(
        &self,
        presented: Presented,
        home: Option<Home>,
        look: impl FnOnce() -> F + Send + 'static,
    ) -> Option<watch::Receiver<Option<Answer<T>>>>
    where
        F: Future<Output = Result<Option<T>, AppError>> + Send,
    {
        let secret = presented.secret;
        let mut flights = T::flights(self).0.lock();
        if let Some(flight) = flights.get_mut(&secret) {
            if flight.sharers >= LOOK_UP_SHARERS_MAX {
                return None;
            }
            flight.sharers += 1;
            return Some(flight.answer.clone());
        }
        let (done, answer) = watch::channel(None);
        let flight = Flight {
            answer: answer.clone(),
            sharers: 1,
        };
        flights.insert(secret, flight);
        drop(flights);
        // Not part of the call that came first: it may go away, and the others would wait for nothing.
        let look_ups = self.clone();
        tokio::spawn(async move {
            let place = {
                // From here on, whatever happens, nobody joins: what is read now may be old to them.
                let _begins = Begins(T::flights(&look_ups), secret);
                look_ups.place(presented, home).await
            };
            let found = match place {
                Ok(place) => {
                    let found = look().await;
                    drop(place);
                    found
                }
                Err(no_place) => Err(no_place.into()),
            };
            if let Ok(found) = &found {
                look_ups.found(secret, found.as_ref().map(Caller::home));
            }
            // Nobody may be left who waits.
            let _ = done.send(Some(found.map_err(Problem::from)));
        });
        Some(answer)
    }

    async fn place(&self, presented: Presented, home: Option<Home>) -> Result<Place<Line>, NoPlace> {
        let by_peer = Line::Peer(presented.peer);
        let (places, line) = match home {
            Some(None) => (&self.0.of_platform, Line::Secret(presented.secret)),
            Some(Some(home)) => (&self.0.of_known, Line::Organization(home)),
            None if presented.is_ours => (&self.0.of_known, by_peer),
            None => (&self.0.of_strangers, by_peer),
        };
        places.take(line).await
    }

    /// Remembers whether the secret was good.
    fn found(&self, secret: SecretHash, home: Option<Home>) {
        let now = Instant::now();
        match home {
            Some(home) => self.0.known.remember(secret, home, now),
            None => {
                self.0.known.forget(&secret);
                self.0.refused.remember(secret, (), now);
            }
        }
    }
}

impl From<NoPlace> for AppError {
    fn from(_: NoPlace) -> Self {
        ProblemCode::Overloaded.into()
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Takes a look-up away from those that can be joined.
struct Begins<'f, T>(&'f Flights<T>, SecretHash);

impl<T> Drop for Begins<'_, T> {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}

/// The right to use a secret up. Tell it when that was done.
pub(super) struct Turn {
    look_ups: CallerLookUps,
    secret: SecretHash,
    _place: Place<Line>,
}

impl Turn {
    /// The secret is none, or none any more.
    pub(super) fn used_up(self) {
        self.look_ups.found(self.secret, None);
    }
}

/// The last secrets of a kind, by their hashes, and what is known of them; the oldest make room.
struct Remembered<V>(Mutex<Secrets<V>>);

struct Secrets<V> {
    since: HashMap<SecretHash, (Instant, V)>,
    /// Every secret of `since`, and some that were forgotten; oldest first.
    order: VecDeque<(SecretHash, Instant)>,
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self(Mutex::new(Secrets {
            since: HashMap::new(),
            order: VecDeque::new(),
        }))
    }
}

impl<V: Copy> Remembered<V> {
    fn get(&self, secret: &SecretHash, keep: Duration, now: Instant) -> Option<V> {
        let secrets = self.0.lock();
        let (since, value) = secrets.since.get(secret)?;
        (now.saturating_duration_since(*since) < keep).then_some(*value)
    }

    fn remember(&self, secret: SecretHash, value: V, now: Instant) {
        let mut secrets = self.0.lock();
        if secrets
            .since
            .get(&secret)
            .is_some_and(|(since, _)| now - *since < REFUSED_CALLER_KEEP)
        {
            return;
        }
        secrets.since.insert(secret, (now, value));
        secrets.order.push_back((secret, now));
        while secrets.order.len() > CALLERS_REMEMBERED_MAX {
            let (oldest, at) = secrets.order.pop_front().expect("it is longer than its bound");
            // One that was remembered again stands further behind as well.
            if secrets.since.get(&oldest).is_some_and(|(since, _)| *since == at) {
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::sync::Semaphore;
    use tollway_authz::Actor;
    use tollway_model::Role;

    use super::*;
    use crate::bounds::CALLS_PER_ORGANIZATION_MAX;

    /// A table of secrets that answers when it is let.
    #[derive(Clone)]
    struct Table {
        good: Arc<Mutex<HashMap<SecretHash, Principal>>>,
        answers: Arc<Semaphore>,
        looks: Arc<AtomicUsize>,
    }

    impl Table {
        fn new() -> Self {
            Self {
                good: Arc::default(),
                answers: Arc::new(Semaphore::new(0)),
                looks: Arc::default(),
            }
        }

        fn hold(&self, number: usize, home: Option<u64>) {
            let role = if home.is_some() {
                Role::Viewer
            } else {
                Role::PlatformAdmin
            };
            let home = home.map(|home| OrganizationId::new(home, [0; 10]));
            let principal = Principal::new(role, home, Actor::System("test")).unwrap();
            self.good.lock().insert(presented(number).secret, principal);
        }

        async fn admit(
            &self,
            look_ups: &CallerLookUps,
            presented: Presented,
        ) -> Result<Admitted<Principal>, ProblemCode> {
            let table = self.clone();
            let look = move || async move {
                table.looks.fetch_add(1, Ordering::Relaxed);
                // What a statement sees is settled when it begins.
                let seen = table.good.lock().get(&presented.secret).copied();
                table.answers.acquire().await.unwrap().forget();
                Ok(seen)
            };
            look_ups
                .admit(presented, look)
                .await
                .map_err(|error| Problem::from(error).code)
        }

        /// Known from now on.
        async fn introduce(&self, look_ups: &CallerLookUps, number: usize) {
            self.answers.add_permits(1);
            self.admit(look_ups, presented(number)).await.map(drop).unwrap();
        }

        async fn looks_are(&self, number: usize) {
            while self.looks.load(Ordering::Relaxed) < number {
                tokio::task::yield_now().await;
            }
        }
    }

    fn presented(number: usize) -> Presented {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&number.to_le_bytes());
        Presented {
            secret,
            is_ours: false,
            peer: Peer::of([192, 0, 2, 1].into()),
        }
    }

    fn from(number: usize, last: u8) -> Presented {
        Presented {
            peer: Peer::of([192, 0, 2, last].into()),
            ..presented(number)
        }
    }

    #[tokio::test]
    async fn one_look_answers_all_who_came_before_it_began_and_nobody_who_came_later() {
        let (look_ups, table) = (CallerLookUps::new(), Table::new());
        table.hold(1, Some(1));
        let mut first = Box::pin(table.admit(&look_ups, presented(1)));
        assert!(first.as_mut().now_or_never().is_none());
        let mut joined = Box::pin(table.admit(&look_ups, presented(1)));
        assert!(joined.as_mut().now_or_never().is_none());
        table.looks_are(1).await;

        // Revoked while the look-up runs.
        table.good.lock().clear();
        let mut late = Box::pin(table.admit(&look_ups, presented(1)));
        assert!(late.as_mut().now_or_never().is_none());
        table.looks_are(2).await;
        table.answers.add_permits(2);
        assert!(first.await.is_ok() && joined.await.is_ok());
        assert_eq!(late.await.err(), Some(ProblemCode::Unauthorized));
        assert_eq!(table.looks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn caller_who_came_first_and_goes_away_takes_nobodys_answer_along() {
        let (look_ups, table) = (CallerLookUps::new(), Table::new());
        table.hold(1, Some(1));
        let mut first = Box::pin(table.admit(&look_ups, presented(1)));
        assert!(first.as_mut().now_or_never().is_none());
        let mut joined = Box::pin(table.admit(&look_ups, presented(1)));
        assert!(joined.as_mut().now_or_never().is_none());
        drop(first);
        table.answers.add_permits(1);
        assert!(joined.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn organization_whose_look_ups_stand_still_holds_up_neither_others_nor_the_platform() {
        let (look_ups, table) = (CallerLookUps::new(), Table::new());
        table.hold(0, None);
        table.hold(1, Some(1));
        for number in 1_000..1_100 {
            table.hold(number, Some(2));
        }
        for number in [0, 1].into_iter().chain(1_000..1_100) {
            table.introduce(&look_ups, number).await;
        }
        let stuck = Table::new();
        let mut crowd: Vec<_> = (1_000..1_100)
            .map(|number| Box::pin(stuck.admit(&look_ups, presented(number))))
            .collect();
        for one in &mut crowd {
            assert!(one.as_mut().now_or_never().is_none());
        }
        stuck.looks_are(LOOK_UPS_PER_LINE_MAX).await;
        table.answers.add_permits(2);
        assert!(table.admit(&look_ups, presented(0)).await.is_ok());
        assert!(table.admit(&look_ups, presented(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn organization_with_all_its_calls_open_is_told_so_and_no_other_is() {
        let (look_ups, table) = (CallerLookUps::new(), Table::new());
        table.answers.add_permits(CALLS_PER_ORGANIZATION_MAX + 10);
        table.hold(1, Some(1));
        table.hold(2, Some(2));
        let mut open = Vec::new();
        for _ in 0..CALLS_PER_ORGANIZATION_MAX {
            open.push(table.admit(&look_ups, presented(1)).await.unwrap());
        }
        let refused = table.admit(&look_ups, presented(1)).await;
        assert_eq!(refused.err(), Some(ProblemCode::TooManyCalls));
        assert!(table.admit(&look_ups, presented(2)).await.is_ok());
        open.pop();
        assert!(table.admit(&look_ups, presented(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_of_one_address_leave_a_place_to_other_addresses_and_to_secrets_of_ours() {
        let (look_ups, table) = (CallerLookUps::new(), Table::new());
        table.hold(1, Some(1));
        table.hold(2, Some(1));
        let stuck = Table::new();
        let mut crowd: Vec<_> = (1_000..1_000 + 2 * LOOK_UPS_WAITING_MAX)
            .map(|number| Box::pin(stuck.admit(&look_ups, presented(number))))
            .collect();
        for one in &mut crowd {
            let _ = one.as_mut().now_or_never();
        }
        stuck.looks_are(LOOK_UPS_PER_LINE_MAX).await;
        table.answers.add_permits(2);
        assert!(table.admit(&look_ups, from(1, 2)).await.is_ok());
        let ours = Presented {
            is_ours: true,
            ..presented(2)
        };
        assert!(table.admit(&look_ups, ours).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn secret_that_was_none_is_refused_for_a_while_without_a_look() {
        let (look_ups, table) = (CallerLookUps::new(), Table::new());
        table.answers.add_permits(2);
        for _ in 0..2 {
            let refused = table.admit(&look_ups, presented(1)).await;
            assert_eq!(refused.err(), Some(ProblemCode::Unauthorized));
            assert_eq!(table.looks.load(Ordering::Relaxed), 1);
        }
        tokio::time::advance(REFUSED_CALLER_KEEP).await;
        table.hold(1, Some(1));
        assert!(table.admit(&look_ups, presented(1)).await.is_ok());
    }

    #[tokio::test]
    async fn secret_that_was_used_up_is_used_by_nobody_who_waited_with_it() {
        let look_ups = CallerLookUps::new();
        let mut turns = Vec::new();
        for _ in 0..LOOK_UPS_PER_LINE_MAX {
            turns.push(look_ups.turn(presented(1)).await.unwrap());
        }
        let finish = async { turns.pop().unwrap().used_up() };
        let (waited, ()) = tokio::join!(look_ups.turn(presented(1)), finish);
        let code = waited.map(drop).map_err(|error| Problem::from(error).code);
        assert_eq!(code, Err(ProblemCode::Unauthorized));
    }

    #[tokio::test]
    async fn only_so_many_secrets_are_remembered_and_no_look_up_that_is_over() {
        let (look_ups, table) = (CallerLookUps::new(), Table::new());
        table.answers.add_permits(2 * CALLERS_REMEMBERED_MAX);
        for number in 0..2 * CALLERS_REMEMBERED_MAX {
            assert!(table.admit(&look_ups, presented(number)).await.is_err());
        }
        let secrets = look_ups.0.refused.0.lock();
        assert_eq!(secrets.since.len(), CALLERS_REMEMBERED_MAX);
        assert_eq!(secrets.order.len(), CALLERS_REMEMBERED_MAX);
        assert!(look_ups.0.tokens.0.lock().is_empty());
    }
}
