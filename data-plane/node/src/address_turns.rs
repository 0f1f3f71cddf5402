//! Who is next, when many wait: each address in its turn, however much one of them asks for.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// What waits, by where it came from. Of one address what came first is first; of addresses the one
/// whose last turn is longest ago.
///
/// `order` holds each address of `waiting` once, and no queue is empty.
#[derive(Debug)]
pub(crate) struct AddressTurns<T> {
    waiting: HashMap<IpAddr, VecDeque<T>>,
    order: VecDeque<IpAddr>,
}

impl<T> Default for AddressTurns<T> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> AddressTurns<T> {
    pub(crate) fn push(&mut self, from: IpAddr, what: T) {
        let from = neighbourhood(from);
        let queue = self.waiting.entry(from).or_default();
        if queue.is_empty() {
            self.order.push_back(from);
        }
        queue.push_back(what);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let from = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&from).expect("who has a turn waits");
        let what = queue.pop_front().expect("no queue is empty");
        if queue.is_empty() {
            self.waiting.remove(&from);
        } else {
            self.order.push_back(from);
        }
        Some(what)
    }
}

/// A host has more addresses of version 6 than anybody can count, of which the first half is given to it.
/// Those of version 4 that are written as such all have the same one, and are what they are.
pub(crate) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_asks_a_thousand_times_has_one_turn_between_those_of_others() {
        let mut turns = AddressTurns::default();
        for number in 0..1000 {
            turns.push(address("10.0.0.1"), number);
        }
        assert_eq!((turns.pop(), turns.pop()), (Some(0), Some(1)));
        turns.push(address("10.0.0.2"), 5000);
        turns.push(address("10.0.0.3"), 6000);
        turns.push(address("10.0.0.2"), 5001);
        let next: Vec<_> = std::iter::from_fn(|| turns.pop()).take(6).collect();
        assert_eq!(next, [2, 5000, 6000, 3, 5001, 4]);
        assert_eq!(std::iter::from_fn(|| turns.pop()).count(), 995);
        assert!(turns.waiting.is_empty() && turns.order.is_empty());
    }

    #[test]
    fn the_addresses_of_one_host_are_one() {
        let mut turns = AddressTurns::default();
        for from in [
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8:0:0:ffff::3",
            "2001:db8:0:1::1",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:10.0.0.2",
        ] {
            turns.push(address(from), from);
        }
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(
            order,
            [
                "2001:db8::1",
                "2001:db8:0:1::1",
                "::1",
                "::ffff:10.0.0.1",
                "::ffff:10.0.0.2",
                "2001:db8::2",
                "2001:db8:0:0:ffff::3"
            ]
        );
    }
}
