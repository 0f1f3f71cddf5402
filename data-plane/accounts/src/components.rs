//! Which accounts lead to each other: the only places where a cycle can be.

use std::collections::{BTreeMap, BTreeSet};
use std::vec;

use tollway_claims::PublicKey;

/// The sets of accounts that lead to each other, among those that `roots` lead to; an account that
/// nothing leads back to is a set of its own. Each account and each step is looked at once (Tarjan),
/// and nothing is kept on the stack of the thread, since a tenant decides how long a way is.
pub(crate) fn components(
    roots: impl IntoIterator<Item = PublicKey>,
    led_to: impl Fn(&PublicKey) -> Vec<PublicKey>,
) -> Vec<BTreeSet<PublicKey>> {
    let mut found = Vec::new();
    let mut places: BTreeMap<PublicKey, Place> = BTreeMap::new();
    let mut open: Vec<PublicKey> = Vec::new();
    let mut way: Vec<Visit> = Vec::new();
    for root in roots {
        let mut next = Some(root);
        while next.is_some() || !way.is_empty() {
            if let Some(account) = next.take() {
                match places.get(&account) {
                    None => {
                        let number = places.len();
                        places.insert(account, Place { number, open: true });
                        open.push(account);
                        let rest = led_to(&account).into_iter();
                        way.push(Visit {
                            account,
                            number,
                            low: number,
                            rest,
                        });
                    }
                    Some(place) if place.open => lower(&mut way, place.number),
                    Some(_) => {}
                }
            }
            let Some(visit) = way.last_mut() else { break };
            next = visit.rest.next();
            if next.is_some() {
                continue;
            }
            let visit = way.pop().expect("it was just looked at");
            lower(&mut way, visit.low);
            if visit.low == visit.number {
                let begin = open.iter().rposition(|account| *account == visit.account);
                let component: BTreeSet<_> = open.drain(begin.expect("it is open")..).collect();
                for member in &component {
                    places.get_mut(member).expect("it has a place").open = false;
                }
                found.push(component);
            }
        }
    }
    found
}

/// When an account was come to, and whether its set is not known yet.
struct Place {
    number: usize,
    open: bool,
}

/// An account on the way, the ones it leads to that are left, and the first one that it leads back to.
struct Visit {
    account: PublicKey,
    number: usize,
    low: usize,
    rest: vec::IntoIter<PublicKey>,
}

fn lower(way: &mut [Visit], number: usize) {
    if let Some(visit) = way.last_mut() {
        visit.low = visit.low.min(number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollway_claims::KeyKind;

    use super::*;

    fn key(number: usize) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        PublicKey::from_bytes(KeyKind::Account, bytes)
    }

    fn reaches(steps: &BTreeSet<(usize, usize)>, from: usize, to: usize) -> bool {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(next) = waiting.pop() {
            if seen.insert(next) {
                waiting.extend(steps.iter().filter(|(from, _)| *from == next).map(|(_, to)| *to));
            }
        }
        seen.contains(&to)
    }

    proptest! {
        #[test]
        fn two_are_together_exactly_when_each_reaches_the_other(
            steps in prop::collection::btree_set((0..8usize, 0..8usize), 0..20),
            roots in prop::collection::vec(0..8usize, 0..4),
        ) {
            let led_to = |account: &PublicKey| {
                let from = (0..8).find(|number| key(*number) == *account).unwrap();
                let to = steps.iter().filter(move |(of, _)| *of == from);
                to.map(|(_, to)| key(*to)).collect::<Vec<_>>()
            };
            let found = components(roots.iter().map(|root| key(*root)), led_to);
            let set_of = |number: usize| found.iter().position(|set| set.contains(&key(number)));
            for one in 0..8 {
                let reached = roots.iter().any(|root| reaches(&steps, *root, one));
                prop_assert_eq!(set_of(one).is_some(), reached);
                for other in 0..8 {
                    if reached && reaches(&steps, *roots.iter().find(|root| reaches(&steps, **root, one)).unwrap(), other) {
                        let together = reaches(&steps, one, other) && reaches(&steps, other, one);
                        prop_assert_eq!(set_of(one) == set_of(other), together, "{} {}", one, other);
                    }
                }
            }
            let all: usize = found.iter().map(BTreeSet::len).sum();
            prop_assert_eq!(all, (0..8).filter(|one| set_of(*one).is_some()).count(), "each is in one");
        }
    }

    #[test]
    fn a_way_of_any_length_is_walked() {
        let last = 50_000;
        let number = |account: &PublicKey| usize::from_be_bytes(account.as_bytes()[..8].try_into().unwrap());
        let ring = components([key(0)], |account| vec![key((number(account) + 1) % last)]);
        assert_eq!((ring.len(), ring[0].len()), (1, last));
    }
}
