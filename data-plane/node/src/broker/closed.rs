//! Connections that ended lately, for whoever asks afterwards why.
//!
//! Bounded by their number and by their bytes. When there are too many, the account that takes the
//! largest part of both together forgets its oldest one; strangers count as one account. A tenant that
//! connects and leaves in a loop therefore pushes nobody out but itself, whether with many or with
//! large ones.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem::size_of;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tollway_claims::PublicKey;

use super::bounds::{CLOSED_BYTES_MAX, CLOSED_SUBSCRIPTION_BYTES_MAX, CLOSED_SUBSCRIPTIONS_MAX};
use super::card::ConnectionView;
use super::recheck::Subscriptions;

/// How a connection ended, and what it had then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub at: SystemTime,
    /// Why, as stock servers call it.
    pub reason: &'static str,
    /// Some of its subscriptions.
    pub subscriptions: Vec<EndedSubscription>,
}

/// A subscription of a connection that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSubscription {
    /// The filter.
    pub filter: String,
    /// The queue group.
    pub queue: Option<String>,
    /// The client's number for it.
    pub sid: String,
    /// Messages delivered.
    pub delivered: u64,
}

impl Ending {
    /// Now, with what the connection has at this moment.
    pub(crate) fn now(reason: &'static str, subscriptions: Option<&Subscriptions>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut bytes = 0;
        let living = subscriptions
            .into_iter()
            .flat_map(|subscriptions| subscriptions.values());
        let living = living.filter(|subscription| !subscription.is_over());
        let kept = living.take(CLOSED_SUBSCRIPTIONS_MAX).take_while(|subscription| {
            bytes += subscription.filter.as_bytes().len()
                + subscription.queue.as_ref().map_or(0, |queue| queue.len())
                + subscription.sid.len();
            bytes <= CLOSED_SUBSCRIPTION_BYTES_MAX
        });
        Self {
            at: SystemTime::now(),
            reason,
            subscriptions: kept
                .map(|subscription| EndedSubscription {
                    filter: text(subscription.filter.as_bytes()),
                    queue: subscription.queue.as_deref().map(text),
                    sid: text(&subscription.sid),
                    delivered: subscription.delivered(),
                })
                .collect(),
        }
    }
}

/// Those that are remembered.
pub(crate) struct ClosedConnections {
    count_max: usize,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// Oldest first.
    of: HashMap<Option<PublicKey>, OfAccount>,
    /// The same accounts by their part of what may be remembered.
    by_part: BTreeSet<(usize, Option<PublicKey>)>,
    count: usize,
    bytes: usize,
}

/// What is remembered of one account.
#[derive(Default)]
struct OfAccount {
    views: VecDeque<Arc<ConnectionView>>,
    bytes: usize,
}

impl OfAccount {
    /// In bytes, where one of all that there may be counts for so many.
    fn part(&self, count_max: usize) -> usize {
        self.views.len() * (CLOSED_BYTES_MAX / count_max) + self.bytes
    }
}

impl ClosedConnections {
    /// None yet, and never more than so many.
    pub(crate) fn new(count_max: usize) -> Self {
        Self {
            count_max,
            remembered: Mutex::default(),
        }
    }

    /// Remembers one, of an account or of nobody.
    pub(crate) fn remember(&self, account: Option<PublicKey>, view: ConnectionView) {
        if self.count_max == 0 {
            return;
        }
        let mut remembered = self.remembered.lock();
        remembered.push(account, view, self.count_max);
        while remembered.count > self.count_max || remembered.bytes > CLOSED_BYTES_MAX {
            let Some(&(_, largest)) = remembered.by_part.last() else {
                break;
            };
            remembered.forget_oldest(largest, self.count_max);
        }
    }

    /// Those that are wanted, in no particular order.
    pub(crate) fn list(&self, wanted: &dyn Fn(&ConnectionView) -> bool) -> Vec<ConnectionView> {
        // Looked at and copied without the lock: connections that end wait for that.
        let all: Vec<_> = {
            let remembered = self.remembered.lock();
            let of_accounts = remembered.of.values();
            of_accounts
                .flat_map(|of_account| &of_account.views)
                .cloned()
                .collect()
        };
        let wanted = all.iter().filter(|view| wanted(view));
        wanted.map(|view| ConnectionView::clone(view)).collect()
    }
}

impl Remembered {
    fn push(&mut self, account: Option<PublicKey>, view: ConnectionView, count_max: usize) {
        let bytes = bytes(&view);
        self.bytes += bytes;
        self.count += 1;
        let of_account = self.of.entry(account).or_default();
        self.by_part.remove(&(of_account.part(count_max), account));
        of_account.views.push_back(Arc::new(view));
        of_account.bytes += bytes;
        self.by_part.insert((of_account.part(count_max), account));
    }

    fn forget_oldest(&mut self, account: Option<PublicKey>, count_max: usize) {
        let Some(of_account) = self.of.get_mut(&account) else {
            return;
        };
        self.by_part.remove(&(of_account.part(count_max), account));
        if let Some(view) = of_account.views.pop_front() {
            let bytes = bytes(&view);
            of_account.bytes -= bytes;
            self.bytes -= bytes;
            self.count -= 1;
        }
        match of_account.views.is_empty() {
            true => drop(self.of.remove(&account)),
            false => drop(self.by_part.insert((of_account.part(count_max), account))),
        }
    }
}

/// What a record takes, roughly.
fn bytes(view: &ConnectionView) -> usize {
    let texts = [
        &view.name,
        &view.lang,
        &view.version,
        &view.user,
        &view.account,
        &view.account_name,
    ];
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let ending = view.ending.iter().flat_map(|ending| &ending.subscriptions);
    let subscriptions = ending
        .map(|one| size_of::<EndedSubscription>() + one.filter.len() + one.sid.len() + text(&one.queue));
    let certificate = view.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let certificate = certificate.map_or(0, |certificate| certificate.subject.len());
    size_of::<ConnectionView>()
        + texts.into_iter().map(text).sum::<usize>()
        + subscriptions.sum::<usize>()
        + certificate
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tollway_claims::{KeyKind, Signer};

    use super::*;
    use crate::broker::card::Card;

    fn account(number: u8) -> Option<PublicKey> {
        Some(Signer::generate(KeyKind::Account, [number; 32]).public())
    }

    fn view(id: u64, name: &str) -> ConnectionView {
        let card = Card::new(([127, 0, 0, 1], 1).into(), None, false);
        card.hear(Instant::now());
        let (mut view, _) = card.read(id);
        view.name = Some(name.to_owned());
        view.ending = Some(Ending::now("Client Closed", None));
        view
    }

    fn ids(closed: &ClosedConnections) -> Vec<u64> {
        let mut ids: Vec<_> = closed.list(&|_| true).iter().map(|view| view.id).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn the_account_with_most_forgets_its_oldest() {
        let closed = ClosedConnections::new(4);
        for id in 1..=3 {
            closed.remember(account(1), view(id, "calm"));
        }
        for id in 10..20 {
            closed.remember(None, view(id, "stranger"));
        }
        assert_eq!(ids(&closed), [2, 3, 18, 19], "both have two");
        closed.remember(account(2), view(30, "new"));
        assert_eq!(ids(&closed).len(), 4);
        assert!(ids(&closed).contains(&30), "who has least stays");
    }

    #[test]
    fn few_large_ones_push_nobody_out_who_takes_less_room() {
        let closed = ClosedConnections::new(1000);
        for id in 0..100 {
            closed.remember(account(1), view(id, "calm"));
        }
        let large = "n".repeat(CLOSED_BYTES_MAX / 32);
        for id in 1000..1200 {
            closed.remember(None, view(id, &large));
        }
        assert_eq!(ids(&closed).iter().filter(|id| **id < 1000).count(), 100);
    }

    #[test]
    fn bytes_are_bounded_too_and_given_back() {
        let closed = ClosedConnections::new(usize::MAX);
        let name = "n".repeat(CLOSED_BYTES_MAX / 8);
        for id in 0..20 {
            closed.remember(None, view(id, &name));
        }
        assert_eq!(ids(&closed), [13, 14, 15, 16, 17, 18, 19]);
        let remembered = closed.remembered.lock();
        let views = remembered.of.values().flat_map(|of_account| &of_account.views);
        let sum: usize = views.map(|view| bytes(view)).sum();
        assert_eq!((remembered.bytes, remembered.count), (sum, 7));
        assert!(sum <= CLOSED_BYTES_MAX);
    }

    #[test]
    fn nothing_is_remembered_where_nothing_may_be() {
        let closed = ClosedConnections::new(0);
        closed.remember(None, view(1, "gone"));
        assert!(ids(&closed).is_empty());
    }
}
