//! How one connection keeps the rates of its account and of its user.
//!
//! ```text
//! before a turn:  what do the buckets hold? ─▶ so many bytes are read, so many messages done
//! after a turn:   what was done is taken    ─▶ a debt ─▶ a pause, or refusals (tollway_accounts::Pace)
//! ```
//!
//! Publishers also pay for what the clients of their own account receive: it is they who make it,
//! and a receiver has no other way to slow them down. What crosses from another account, and what counts
//! against the rate of a single user, waits in front of the receiver instead ([`super::lane`]).

use std::sync::Arc;
use std::time::Duration;

use tollway_accounts::{Amount, Direction, Pace, RateBuckets, Step};

use super::account::Account;
use super::bounds::{RATIONED_MESSAGE_BYTES, REFUSING_READ_MAX, THROTTLED_READ_MIN};
use super::client::Client;
use super::clock;
use super::meters::Tally;
use super::shares::Share;

/// What one connection owes, and to whom. Connections without rates have none.
pub(crate) struct Throttle {
    account: Arc<Account>,
    share: Option<Arc<Share>>,
    pace: Pace,
    /// What this turn owes so far.
    debt: Duration,
    /// What is exempt of what was accepted in this turn.
    exempt: Tally,
    paused_since: Option<Duration>,
}

/// What one turn may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ration {
    /// Bytes to read.
    pub(crate) read: usize,
    /// Messages to accept.
    pub(crate) messages: u64,
    /// What to deliver to receivers of the same account.
    pub(crate) deliveries: Amount,
}

impl Throttle {
    /// The throttle of a client, if any rate concerns it.
    pub(crate) fn of(client: &Client) -> Option<Box<Self>> {
        let (account, share) = (&client.account, client.share());
        let limited = account.buckets.is_limited(Direction::In)
            || account.buckets.is_limited(Direction::Out)
            || share
                .as_ref()
                .is_some_and(|share| share.buckets.is_limited(Direction::In));
        limited.then(|| {
            Box::new(Self {
                account: account.clone(),
                share,
                pace: Pace::default(),
                debt: Duration::ZERO,
                exempt: Tally::default(),
                paused_since: None,
            })
        })
    }

    /// The throttle of a client that logs in. It waits behind those who owe already: else who comes
    /// back again and again would never have to.
    pub(crate) fn at_login(client: &Client) -> Option<Box<Self>> {
        let mut throttle = Self::of(client)?;
        throttle.debt = throttle.all_debts(clock::now());
        Some(throttle)
    }

    /// Goes on with what was owed before the rates changed; [`Self::handle_change`] comes next.
    pub(crate) fn adopt(&mut self, before: &mut Self) {
        self.pace = before.pace;
        self.debt = before.debt;
        self.exempt = before.exempt;
        self.paused_since = before.paused_since.take();
    }

    /// How much the next turn may do, so that its debt stays small.
    pub(crate) fn ration(&self) -> Ration {
        if self.is_refusing() {
            return Ration {
                read: REFUSING_READ_MAX,
                messages: u64::MAX,
                deliveries: Amount::UNLIMITED,
            };
        }
        let now = clock::now();
        let mut sent = self.account.buckets.available(Direction::In, now);
        if let Some(share) = &self.share {
            sent = sent.min(share.buckets.available(Direction::In, now));
        }
        // What is read and may not be done is kept: of messages that are few, little is read.
        let bytes = sent
            .bytes
            .min(sent.messages.saturating_mul(RATIONED_MESSAGE_BYTES));
        Ration {
            read: usize::try_from(bytes)
                .unwrap_or(usize::MAX)
                .max(THROTTLED_READ_MIN),
            messages: sent.messages,
            deliveries: self.account.buckets.available(Direction::Out, now),
        }
    }

    /// A message of this turn counts against no rate.
    pub(crate) fn exempt(&mut self, bytes: usize) {
        self.exempt.count(bytes);
    }

    /// Takes what was accepted from the client, and what receivers of its account were sent for it.
    pub(crate) fn take(&mut self, accepted: Tally, delivered: Tally) {
        let exempt = std::mem::take(&mut self.exempt);
        let sent = Amount {
            messages: accepted.messages.saturating_sub(exempt.messages),
            bytes: accepted.bytes.saturating_sub(exempt.bytes),
        };
        let received = Amount::from(delivered);
        let (account, now) = (&self.account.buckets, clock::now());
        let mut debt = account.take(Direction::In, sent, now);
        debt = debt.max(account.take(Direction::Out, received, now));
        if let Some(share) = &self.share {
            debt = debt.max(share.buckets.take(Direction::In, sent, now));
        }
        self.debt = self.debt.max(debt);
    }

    /// The turn is over; an operation was done to its end or not. Gives how long nothing is read.
    pub(crate) fn handle_turn_end(&mut self, progress: bool) -> Option<Duration> {
        let (debt, now) = (std::mem::take(&mut self.debt), clock::now());
        let step = self.pace.handle_turn(debt, progress, now);
        self.note(step, now)
    }

    /// A pause is over. Gives how long it goes on.
    pub(crate) fn handle_pause_end(&mut self) -> Option<Duration> {
        let now = clock::now();
        self.note_pause_end(now);
        let step = self.pace.handle_pause_end(now);
        self.note(step, now)
    }

    /// The rates changed in a pause. Gives how long it still lasts.
    pub(crate) fn handle_change(&mut self) -> Option<Duration> {
        let now = clock::now();
        self.note_pause_end(now);
        let step = self.pace.handle_change(self.all_debts(now), now);
        self.note(step, now)
    }

    /// Whether messages are refused in this turn.
    pub(crate) fn is_refusing(&self) -> bool {
        self.pace.is_refusing()
    }

    /// The rate to which most is owed, for the account's events.
    pub(crate) fn rule(&self) -> String {
        let now = clock::now();
        let owed = self.sources().filter_map(|(owner, buckets, direction)| {
            let (debt, what, per_second) = buckets.creditor(direction, now)?;
            Some((debt, owner, what, per_second))
        });
        match owed.max_by_key(|(debt, ..)| *debt) {
            Some((_, owner, what, per_second)) => format!("limit {owner} {what} {per_second}/s"),
            // Paid this very moment.
            None => "limit rate".to_owned(),
        }
    }

    fn all_debts(&self, now: Duration) -> Duration {
        let debts = self
            .sources()
            .map(|(_, buckets, direction)| buckets.debt(direction, now));
        debts.max().unwrap_or_default()
    }

    /// Whom it owes.
    fn sources(&self) -> impl Iterator<Item = (&'static str, &RateBuckets, Direction)> {
        let of_account = &*self.account.buckets;
        let of_user = self.share.as_ref().map(|share| &share.buckets);
        [
            ("account", of_account, Direction::In),
            ("account", of_account, Direction::Out),
        ]
        .into_iter()
        .chain(of_user.map(|buckets| ("user", buckets, Direction::In)))
    }

    fn note(&mut self, step: Step, now: Duration) -> Option<Duration> {
        let Step::Pause(pause) = step else { return None };
        self.paused_since = Some(now);
        Some(pause)
    }

    fn note_pause_end(&mut self, now: Duration) {
        if let Some(since) = self.paused_since.take() {
            self.account.meters.add_throttled(now.saturating_sub(since));
        }
    }
}

/// A connection that ends in a pause was paused all the same.
impl Drop for Throttle {
    fn drop(&mut self) {
        if self.paused_since.is_some() {
            self.note_pause_end(clock::now());
        }
    }
}
