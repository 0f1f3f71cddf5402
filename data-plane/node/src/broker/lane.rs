//! How one receiver keeps the rates at which its user and its account receive.
//!
//! ```text
//! delivery ──▶ waits in front of the receiver ──▶ what the buckets hold is sent (tollway_accounts::DeliveryPace)
//!                     │
//!                     └─ more than the rate sends in RATED_WAIT_MAX: the receiver is a slow consumer
//!                        more than in REQUEST_WAIT_MAX: it is asked nothing more by other accounts
//! ```
//!
//! The user pays for everything that its connections receive. The account pays here only for what
//! comes from other accounts: for the rest its own publishers pay, who can be slowed down for it
//! ([`super::throttle`]). Nobody who publishes waits for a lane: one slow receiver must not hold up the
//! others, nor one account another.
//!
//! A connection that no such rate concerns has no lane.

use std::sync::Arc;
use std::time::Duration;

use tollway_accounts::{Amount, DeliveryPace, Direction, RateBuckets};

use super::bounds::{RATED_WAIT_MAX, REQUEST_WAIT_MAX, SEND_TURN_MAX};
use super::client::Client;
use super::meters::Tally;
use super::shares::Share;
use super::waiting::{Source, Waiting};

/// What stands between deliveries and one receiver. Lies beside what waits, under the same lock.
#[derive(Debug)]
pub(crate) struct Lane {
    user: Option<Arc<Share>>,
    account: Option<Arc<RateBuckets>>,
    pace: DeliveryPace,
    /// Everything that waits and is paid for here, and what of it came from other accounts.
    waiting: Amount,
    waiting_abroad: Amount,
}

/// What is to be done with more messages for the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    /// So many more, and the rest is refused.
    For(Amount),
    /// The receiver is a slow consumer.
    TooMuch,
}

impl Lane {
    /// The lane of a client, if rates concern what it receives. It begins behind what is owed.
    pub(crate) fn of(client: &Client, now: Duration) -> Option<Box<Self>> {
        let limited = |buckets: &RateBuckets| buckets.is_limited(Direction::Out);
        let user = client.share().filter(|share| limited(&share.buckets));
        let account = Some(&client.account.buckets).filter(|buckets| limited(buckets));
        if user.is_none() && account.is_none() {
            return None;
        }
        let mut lane = Self {
            user,
            account: account.cloned(),
            pace: DeliveryPace::default(),
            waiting: Amount::default(),
            waiting_abroad: Amount::default(),
        };
        // Half of what may wait: others may owe more than that, and that is not this one's fault.
        let payers = payers(&lane.user, &lane.account, false);
        lane.pace = DeliveryPace::behind(payers, RATED_WAIT_MAX / 2, now);
        Some(Box::new(lane))
    }

    /// Goes on with what waits, and with what was owed before the rates changed.
    pub(crate) fn adopt(&mut self, before: Option<&Self>, tail: &Waiting, now: Duration) {
        if let Some(before) = before {
            self.pace = before.pace;
            let payers = payers(&self.user, &self.account, false);
            self.pace.handle_change(payers, now);
        }
        let (all, abroad) = tail.tallies();
        self.waiting = if self.user.is_some() { all } else { abroad }.into();
        self.waiting_abroad = abroad.into();
    }

    /// Whether somebody pays here for what comes from there.
    pub(crate) fn concerns(&self, source: Source) -> bool {
        self.user.is_some() || !source.is_home()
    }

    /// When more may be sent.
    pub(crate) fn paid_at(&self) -> Duration {
        self.pace.poll_timeout()
    }

    /// Whether other accounts are to ask somebody else: half of what may wait of their requests waits.
    /// The other half is for what a publisher brings before it looks again.
    pub(crate) fn is_behind(&self, now: Duration) -> bool {
        let wait = |debt: Debt<'_>| self.pace.wait(debt.buckets, debt.waiting, now);
        self.debts().any(|debt| wait(debt) >= REQUEST_WAIT_MAX / 2)
    }

    /// Whether so much more may wait.
    pub(crate) fn room(&self, tally: Tally, source: Source, now: Duration) -> Room {
        let time = match source {
            Source::Request => REQUEST_WAIT_MAX,
            Source::Home | Source::Abroad => RATED_WAIT_MAX,
        };
        let room = self
            .debts()
            .filter(|debt| debt.pays_for_home || !source.is_home())
            .map(|debt| self.pace.room(debt.buckets, debt.waiting, time, now))
            .fold(Amount::UNLIMITED, Amount::min);
        // A single message may be more than ever fits.
        let alone = tally.messages <= 1 && self.waiting == Amount::default() && self.paid_at() <= now;
        match source {
            _ if alone || Amount::from(tally).fits(room) => Room::Enough,
            Source::Request => Room::For(room),
            Source::Home | Source::Abroad => Room::TooMuch,
        }
    }

    /// More messages wait.
    pub(crate) fn handle_waiting(&mut self, tally: Tally, source: Source) {
        self.waiting = self.waiting.saturating_add(tally.into());
        if !source.is_home() {
            self.waiting_abroad = self.waiting_abroad.saturating_add(tally.into());
        }
    }

    /// Takes over what may be sent now.
    pub(crate) fn take(&mut self, tail: &mut Waiting, taken: &mut Waiting, now: Duration) {
        while let Some(home) = tail.is_front_home()
            && taken.unsent().len() < SEND_TURN_MAX
        {
            let free = payers(&self.user, &self.account, home).next().is_none();
            let allowed = match free {
                true => Some(Amount::UNLIMITED),
                false => self.pace.poll_send(payers(&self.user, &self.account, home), now),
            };
            let Some(tally) = tail.take_front(allowed, taken) else {
                break;
            };
            let sent = Amount::from(tally);
            if tally.messages > 0 && !free {
                let payers = payers(&self.user, &self.account, home);
                self.pace.handle_sent(payers, sent, now);
            }
            if self.user.is_some() || !home {
                self.waiting = self.waiting.saturating_sub(sent);
            }
            if !home {
                self.waiting_abroad = self.waiting_abroad.saturating_sub(sent);
            }
        }
    }

    /// The rate for which the receiver waits longest when so much more is for it, as the account's
    /// events name it.
    pub(crate) fn rule(&self, more: Tally, source: Source) -> Box<str> {
        let slowest = self.debts().filter_map(|debt| {
            let more = match debt.pays_for_home || !source.is_home() {
                true => Amount::from(more),
                false => Amount::default(),
            };
            let waiting = debt.waiting.saturating_add(more);
            let (time, what, per_second) = debt.buckets.slowest(Direction::Out, waiting)?;
            Some((time, debt.owner, what, per_second))
        });
        match slowest.max_by_key(|(time, ..)| *time) {
            Some((_, owner, what, per_second)) => format!("limit {owner} {what} {per_second}/s").into(),
            // The rate went in this very moment.
            None => "limit rate".into(),
        }
    }

    /// Who pays for what waits.
    fn debts(&self) -> impl Iterator<Item = Debt<'_>> {
        let of_user = self.user.as_deref().map(|share| Debt {
            owner: "user",
            buckets: &share.buckets,
            waiting: self.waiting,
            pays_for_home: true,
        });
        let of_account = self.account.as_deref().map(|buckets| Debt {
            owner: "account",
            buckets,
            waiting: self.waiting_abroad,
            pays_for_home: false,
        });
        of_user.into_iter().chain(of_account)
    }
}

/// What waits until one of those who pay has paid for it.
struct Debt<'l> {
    owner: &'static str,
    buckets: &'l RateBuckets,
    waiting: Amount,
    pays_for_home: bool,
}

/// Who pays for what the receiver gets from its own account, or from others.
fn payers<'l>(
    user: &'l Option<Arc<Share>>,
    account: &'l Option<Arc<RateBuckets>>,
    home: bool,
) -> impl Iterator<Item = &'l RateBuckets> {
    let of_user = user.as_deref().map(|share| &share.buckets);
    let of_account = account.as_deref().filter(|_| !home);
    of_user.into_iter().chain(of_account)
}
