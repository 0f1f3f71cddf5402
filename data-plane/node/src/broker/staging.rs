//! What one turn of a publisher has for its receivers, before it is sent.
//!
//! While a chunk is parsed, deliveries collect in one buffer per receiver. At
//! the end of the chunk each receiver is locked once and sent to once: that is
//! where most of the routing path's speed comes from. Therefore many receivers do not end a turn
//! sooner: what is staged for them is sent some at a time afterwards, see [`Outgoing`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use tollway_accounts::Amount;
use tollway_wire::Message;

use super::account::Account;
use super::bounds::{
    FLUSH_RECEIVERS_MAX, RECEIVER_STEPS, STAGED_BYTES_MAX, STAGED_RECEIVERS_MAX, STAGING_BUFFER_KEEP_MAX,
    STAGING_POOL_BYTES_MAX, STEP_BYTES, THROTTLED_READ_MIN, TURN_STEPS_SHARED,
};
use super::meters::{Meters, Tally};
use super::outbound::{Outbound, Pushed};
use super::route::Broadcast;
use super::waiting::Source;

/// What 65,536 bytes cost when a [`STEP_BYTES`] is a step.
const BYTE_STEPS: usize = (1 << 16) / STEP_BYTES;

/// One per thread; empty between turns.
#[derive(Default)]
pub(crate) struct Staging {
    slots: Vec<Slot>,
    /// Where the next receiver probably is: messages to the same receivers find them in the same order.
    next: usize,
    /// Where in `slots` a receiver is, once there are more than a look along them would find quickly.
    index: HashMap<u64, usize, BuildHasherDefault<IdHasher>>,
    /// Bytes in all slots, roughly: what matters is that it is bounded.
    bytes: usize,
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
    /// What the turn has cost so far and may cost, in steps.
    steps: usize,
    steps_max: usize,
    /// What a message, and each of its deliveries, cost beside the work, in a turn of a client that has
    /// rates: they are what makes the turn end.
    message_steps: usize,
    delivery_steps: usize,
    /// Steps of 65,536 delivered bytes.
    byte_steps: usize,
    /// What the clients of the publisher's own account were sent in this turn.
    delivered: Tally,
    /// Some receiver has so much waiting that the publisher should pause.
    stall: bool,
    /// Other accounts whose clients are made to hold more than they may.
    crowded: Vec<Arc<Account>>,
    random: Random,
    /// What the publisher of this turn has for the receivers of one subject, and has not staged.
    pub(crate) broadcast: Broadcast,
}

struct Slot {
    /// The outbound's, which would have to be fetched from memory.
    id: u64,
    outbound: Arc<Outbound>,
    buffer: Vec<u8>,
    tally: Tally,
    side: Side,
}

/// Whose account a receiver is in.
#[derive(Clone, Default)]
pub(crate) enum Side {
    /// The publisher's.
    #[default]
    Home,
    /// Another one, which pays for what it receives.
    Abroad {
        account: Arc<Account>,
        /// Whether the publisher pauses when the receiver is far behind. Who asks does; who is
        /// only listened to must not be slowed down by strangers.
        stalls: bool,
    },
}

impl Side {
    fn source(&self) -> Source {
        match self {
            Self::Home => Source::Home,
            Self::Abroad { stalls: false, .. } => Source::Abroad,
            Self::Abroad { stalls: true, .. } => Source::Request,
        }
    }
}

/// Slots up to which they are searched one by one.
const SEARCHED_SLOTS_MAX: usize = 8;

impl Staging {
    /// Stages bytes for a receiver that are not a message: PONG, +OK, -ERR, INFO.
    pub(crate) fn control(&mut self, outbound: &Arc<Outbound>, append: impl FnOnce(&mut Vec<u8>)) {
        let slot = self.slot(outbound, || Side::Home);
        append(&mut self.slots[slot].buffer);
        self.steps += 1;
    }

    /// Stages a message for a receiver, which may be a request of another account; `message_bytes` is
    /// what the meters count.
    pub(crate) fn message(
        &mut self,
        outbound: &Arc<Outbound>,
        side: impl FnOnce() -> Side,
        asks: bool,
        message_bytes: usize,
        append: impl FnOnce(&mut Vec<u8>),
    ) {
        let slot = self.slot(outbound, side);
        let slot = &mut self.slots[slot];
        if let Side::Abroad { stalls, .. } = &mut slot.side {
            // What a request shares a turn with shares its fate: otherwise an answer would make room for it.
            *stalls |= asks;
        }
        let before = slot.buffer.len();
        append(&mut slot.buffer);
        slot.tally.count(message_bytes);
        let bytes = slot.buffer.len() - before;
        self.bytes += bytes;
        self.steps += ((bytes * self.byte_steps) >> 16) + self.delivery_steps;
    }

    /// Adds a message to the broadcast, and counts its cost: [`Self::messages`] counts none.
    pub(crate) fn collect(&mut self, message: &Message<'_>) {
        let (receivers, bytes) = self.broadcast.add(message);
        self.bytes += bytes;
        self.steps += ((bytes * self.byte_steps) >> 16) + receivers * (1 + self.delivery_steps);
    }

    /// Stages messages for a receiver that were collected.
    pub(crate) fn messages(
        &mut self,
        outbound: &Arc<Outbound>,
        side: impl FnOnce() -> Side,
        bytes: &[u8],
        tally: Tally,
    ) {
        let slot = self.slot(outbound, side);
        let slot = &mut self.slots[slot];
        slot.buffer.extend_from_slice(bytes);
        slot.tally.add(tally);
    }

    /// A turn begins that may take so many steps.
    pub(crate) fn begin_turn(&mut self, steps_max: usize) {
        self.steps = 0;
        self.steps_max = steps_max;
        self.message_steps = 0;
        self.delivery_steps = 0;
        self.byte_steps = BYTE_STEPS;
        self.delivered = Tally::default();
    }

    /// The turn may also do no more than this; at least one message of it is done.
    pub(crate) fn ration(&mut self, messages: u64, deliveries: Amount) {
        let share = |steps: usize, count: u64, count_min: usize| {
            let count = usize::try_from(count).unwrap_or(usize::MAX).max(count_min);
            // Nothing when so many are allowed that each costs less than a step.
            if count > steps { 0 } else { steps.div_ceil(count) }
        };
        self.message_steps = share(self.steps_max, messages, 1);
        self.delivery_steps = share(self.steps_max, deliveries.messages, 1);
        let byte_steps = share(self.steps_max << 16, deliveries.bytes, THROTTLED_READ_MIN);
        self.byte_steps = BYTE_STEPS.max(byte_steps);
    }

    /// A message was done that counts against rates.
    pub(crate) fn spend_message(&mut self) {
        self.steps += self.message_steps;
    }

    /// What was sent to the publisher's own account since the turn began, or this was asked.
    pub(crate) fn take_delivered(&mut self) -> Tally {
        std::mem::take(&mut self.delivered)
    }

    /// Work of this turn that is not seen here.
    pub(crate) fn spend(&mut self, steps: usize) {
        self.steps += steps;
    }

    /// Nothing more is to be begun in this turn.
    pub(crate) fn end_turn(&mut self) {
        self.steps = self.steps.max(self.steps_max);
    }

    /// Whether no more should be staged: others should have their turn now, or it is much already.
    pub(crate) fn is_spent(&self) -> bool {
        self.steps >= self.steps_max
            || self.bytes >= STAGED_BYTES_MAX
            || self.slots.len() >= STAGED_RECEIVERS_MAX
    }

    /// Ends a turn. Few receivers are sent to at once; of many, this gives what is left to do. What
    /// is for `own`, the publisher itself, comes last: when it reads its PONG, the messages before
    /// it are on their way and counted.
    pub(crate) fn flush(&mut self, own: Option<u64>, meters: Option<&Meters>) -> Option<Box<Outgoing>> {
        let bytes = std::mem::take(&mut self.bytes);
        self.index.clear();
        let mut slots = std::mem::take(&mut self.slots);
        let own = slots.iter().position(|slot| Some(slot.id) == own);
        let own = own.map(|own| slots.swap_remove(own));
        if slots.len() > FLUSH_RECEIVERS_MAX {
            let mut outgoing = Box::new(Outgoing { slots, own, bytes });
            outgoing.go_on(self, meters);
            return Some(outgoing);
        }
        self.send(slots.drain(..), meters);
        self.send(own, meters);
        self.slots = slots;
        None
    }

    /// Sends to these receivers and counts what they took.
    fn send(&mut self, slots: impl IntoIterator<Item = Slot>, meters: Option<&Meters>) {
        let mut sent = Tally::default();
        for mut slot in slots {
            let pushed = slot
                .outbound
                .push(&mut slot.buffer, slot.tally, slot.side.source());
            let gone = matches!(pushed, Pushed::Refused | Pushed::Shed);
            if !gone && matches!(slot.side, Side::Home) {
                self.delivered.add(slot.tally);
            }
            match (pushed, &slot.side) {
                (Pushed::Refused, _) | (Pushed::Waiting, Side::Home) => {}
                (Pushed::Stall, Side::Home) | (Pushed::Shed, _) => {
                    self.stall = true;
                }
                (Pushed::Sent, Side::Home) => sent.add(slot.tally),
                (Pushed::Sent, Side::Abroad { account, .. }) => account.meters.add_out(slot.tally),
                (Pushed::Waiting | Pushed::Stall, Side::Abroad { account, stalls }) => {
                    self.stall |= *stalls && pushed == Pushed::Stall;
                    if account.memory.is_over() {
                        self.crowded.push(account.clone());
                    }
                }
            }
            self.keep(slot.buffer);
        }
        if let Some(meters) = meters {
            meters.add_out(sent);
        }
    }

    /// Whether the publisher should pause; asks once per turn.
    pub(crate) fn take_stall(&mut self) -> bool {
        std::mem::take(&mut self.stall)
    }

    /// Other accounts that have to free memory.
    pub(crate) fn take_crowded(&mut self) -> Vec<Arc<Account>> {
        std::mem::take(&mut self.crowded)
    }

    /// Forgets what a turn left that did not come to its end.
    pub(crate) fn reset(&mut self) {
        self.slots.clear();
        self.index.clear();
        self.broadcast.clear();
        self.bytes = 0;
        self.stall = false;
        self.crowded.clear();
        self.begin_turn(TURN_STEPS_SHARED);
    }

    /// A number below `bound`, for choosing among the members of a queue group.
    pub(crate) fn random_below(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }

    /// A random number.
    pub(crate) fn random(&mut self) -> u64 {
        self.random.next()
    }

    fn slot(&mut self, outbound: &Arc<Outbound>, side: impl FnOnce() -> Side) -> usize {
        let is_it = |slot: &Slot| slot.id == outbound.id;
        let found = if self.slots.get(self.next).is_some_and(is_it) {
            Some(self.next)
        } else if self.slots.len() <= SEARCHED_SLOTS_MAX {
            self.slots.iter().position(is_it)
        } else {
            self.index.get(&outbound.id).copied()
        };
        if let Some(slot) = found {
            self.next = if slot + 1 < self.slots.len() { slot + 1 } else { 0 };
            return slot;
        }
        self.steps += RECEIVER_STEPS;
        let buffer = self.spare.pop().unwrap_or_default();
        self.spare_bytes -= buffer.capacity();
        let slot = self.slots.len();
        self.slots.push(Slot {
            id: outbound.id,
            outbound: outbound.clone(),
            buffer,
            tally: Tally::default(),
            side: side(),
        });
        if self.slots.len() > SEARCHED_SLOTS_MAX {
            let known = self.index.len();
            for (position, slot) in self.slots.iter().enumerate().skip(known) {
                self.index.insert(slot.id, position);
            }
        }
        slot
    }

    /// Keeps the room for slots of a turn that is done, for the next one with many receivers.
    fn keep_slots(&mut self, slots: Vec<Slot>) {
        debug_assert!(slots.is_empty(), "they were sent");
        if slots.capacity() > self.slots.capacity() && self.slots.is_empty() {
            self.slots = slots;
        }
    }

    /// Keeps a buffer for the next turn, unless there is enough already.
    fn keep(&mut self, mut buffer: Vec<u8>) {
        let room = buffer.capacity();
        if room <= STAGING_BUFFER_KEEP_MAX && self.spare_bytes + room <= STAGING_POOL_BYTES_MAX {
            buffer.clear();
            self.spare_bytes += room;
            self.spare.push(buffer);
        }
    }
}

/// What a turn staged for many receivers, while it is sent to some of them at a time. It goes with
/// the publisher, which stages nothing more until it is done.
pub(crate) struct Outgoing {
    slots: Vec<Slot>,
    own: Option<Slot>,
    bytes: usize,
}

impl Outgoing {
    /// Sends to some more. True when nothing is left.
    pub(crate) fn go_on(&mut self, staging: &mut Staging, meters: Option<&Meters>) -> bool {
        let rest = self.slots.len().saturating_sub(FLUSH_RECEIVERS_MAX);
        staging.send(self.slots.drain(rest..), meters);
        if rest > 0 {
            return false;
        }
        staging.send(self.own.take(), meters);
        staging.keep_slots(std::mem::take(&mut self.slots));
        true
    }

    /// How much it held when it began.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Ids are consecutive numbers: one multiplication spreads them.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// Xorshift: fair enough to share messages out, and nothing secret depends on it.
struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        let mut seed = [0; 8];
        // Without a random source all threads choose alike, which is no harm.
        let _ = getrandom::fill(&mut seed);
        Self(u64::from_le_bytes(seed) | 1)
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_reach_every_member_about_as_often() {
        let mut random = Random(42);
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[random.below(4)] += 1;
        }
        assert!(
            counts.iter().all(|&count| (800..1200).contains(&count)),
            "{counts:?}"
        );
    }
}
