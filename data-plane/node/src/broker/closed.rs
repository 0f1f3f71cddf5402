//! Connections that ended lately, for whoever asks afterwards why.
//!
//! Bounded by their number and by their bytes. When there are too many, the account of which most
//! are remembered forgets its oldest one; strangers count as one account. A tenant that connects
//! and leaves in a loop therefore pushes nobody out but itself.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem::size_of;
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
                + subscription.queue.as_ref().map_or(0, |queue| queue.len());
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
    of: HashMap<Option<PublicKey>, VecDeque<ConnectionView>>,
    /// The same accounts by how many of theirs are remembered.
    by_count: BTreeSet<(usize, Option<PublicKey>)>,
    count: usize,
    bytes: usize,
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
        remembered.push(account, view);
        while remembered.count > self.count_max || remembered.bytes > CLOSED_BYTES_MAX {
            let Some(&(_, largest)) = remembered.by_count.last() else {
                break;
            };
            remembered.forget_oldest(largest);
        }
    }

    /// Those that are wanted, in no particular order.
    pub(crate) fn list(&self, wanted: &dyn Fn(&ConnectionView) -> bool) -> Vec<ConnectionView> {
        let remembered = self.remembered.lock();
        let all = remembered.of.values().flatten();
        all.filter(|view| wanted(view)).cloned().collect()
    }
}

impl Remembered {
    fn push(&mut self, account: Option<PublicKey>, view: ConnectionView) {
        self.bytes += bytes(&view);
        self.count += 1;
        let of_account = self.of.entry(account).or_default();
        self.by_count.remove(&(of_account.len(), account));
        of_account.push_back(view);
        self.by_count.insert((of_account.len(), account));
    }

    fn forget_oldest(&mut self, account: Option<PublicKey>) {
        let Some(of_account) = self.of.get_mut(&account) else {
            return;
        };
        self.by_count.remove(&(of_account.len(), account));
        if let Some(view) = of_account.pop_front() {
            self.bytes -= bytes(&view);
            self.count -= 1;
        }
        match of_account.len() {
            0 => drop(self.of.remove(&account)),
            left => drop(self.by_count.insert((left, account))),
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
    fn bytes_are_bounded_too_and_given_back() {
        let closed = ClosedConnections::new(usize::MAX);
        let name = "n".repeat(CLOSED_BYTES_MAX / 8);
        for id in 0..20 {
            closed.remember(None, view(id, &name));
        }
        assert_eq!(ids(&closed), [13, 14, 15, 16, 17, 18, 19]);
        let remembered = closed.remembered.lock();
        let sum: usize = remembered.of.values().flatten().map(bytes).sum();
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
