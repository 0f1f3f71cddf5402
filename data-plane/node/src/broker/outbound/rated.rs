//! What is different for a receiver whose rates are kept here, see [`Lane`]: its messages go through
//! `tail`, and from there to the socket as they are paid for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::MutexGuard;

use super::super::bounds::FLUSH_ROUNDS_MAX;
use super::super::client::Client;
use super::super::clock;
use super::super::close_reason::CloseReason;
use super::super::lane::{Lane, Room};
use super::super::meters::Tally;
use super::super::waiting::{Source, Waiting};
use super::{Outbound, Pushed, State, Writer};

impl Outbound {
    /// The client logged in, or rates changed.
    pub(crate) fn lane_set(&self, client: &Client) {
        let mut state = self.state.lock();
        if state.sealed {
            return;
        }
        let lane = Lane::of(client, clock::now());
        self.lane_put(&mut state, lane);
    }

    pub(super) fn lane_put(&self, state: &mut State, mut lane: Option<Box<Lane>>) {
        let before = state.lane.take();
        if let Some(lane) = &mut lane {
            lane.adopt(before.as_deref(), &state.tail, clock::now());
        }
        state.lane = lane;
        self.behind.store(false, Ordering::Relaxed);
        if state.writer == Writer::Rate {
            // The owner looks again how much of it may be sent.
            self.hand_to_owner(state);
        }
    }

    /// The connection ends: what no rate has paid for is not sent any more.
    pub(super) fn lane_end(&self, state: &mut State) {
        if let Some(mut lane) = state.lane.take() {
            let mut paid = Waiting::default();
            lane.take(&mut state.tail, &mut paid, clock::now());
            state.tail = paid;
        }
        if state.writer == Writer::Rate {
            state.writer = Writer::Idle;
            self.paid_at.store(0, Ordering::Relaxed);
        }
    }

    /// [`Outbound::push`] of what somebody pays for here.
    #[inline(never)]
    pub(super) fn push_rated(
        &self,
        mut state: MutexGuard<'_, State>,
        bytes: &mut Vec<u8>,
        tally: Tally,
        source: Source,
    ) -> Pushed {
        let State { lane, tail, .. } = &mut *state;
        let Some(lane) = lane else { return Pushed::Refused };
        let accepted = match lane.room(tally, source, clock::now()) {
            Room::Enough => {
                tail.append(bytes, tally, source.is_home());
                tally
            }
            Room::For(room) => {
                let mut all = Waiting::default();
                all.append(bytes, tally, source.is_home());
                let some = room.messages > 0 && room.bytes > 0;
                let taken = some.then(|| all.take_front(Some(room), tail)).flatten();
                taken.unwrap_or_default()
            }
            Room::TooMuch => {
                let rule = lane.rule(tally, source);
                self.seal(&mut state, CloseReason::ReceiveRate(rule));
                return Pushed::Refused;
            }
        };
        lane.handle_waiting(accepted, source);
        self.card.count_sent(accepted);
        if accepted.messages < tally.messages {
            self.refuse(&mut state, tally.messages - accepted.messages);
            if accepted.messages == 0 {
                return Pushed::Refused;
            }
        }
        if state.writer != Writer::Idle {
            self.recount(&state);
            return Pushed::Waiting;
        }
        let Some(socket) = state.start_sending(0) else {
            return Pushed::Refused;
        };
        let mut waiting = Waiting::new(std::mem::take(bytes));
        let payer = state.take_tail(&mut waiting);
        if waiting.is_empty() {
            self.wait_for_rate(&mut state);
        } else {
            drop(state);
            self.send(&socket, &mut waiting, payer, FLUSH_ROUNDS_MAX);
        }
        *bytes = waiting.into_room();
        Pushed::Waiting
    }

    /// Nothing of what waits is paid for.
    pub(super) fn wait_for_rate(&self, state: &mut State) {
        let paid_at = state.lane.as_ref().map_or(Duration::ZERO, |lane| lane.paid_at());
        if std::mem::take(&mut state.nudged) || state.lane.is_none() {
            self.hand_to_owner(state);
        } else {
            state.writer = Writer::Rate;
            let nanos = u64::try_from(paid_at.as_nanos()).unwrap_or(u64::MAX);
            self.paid_at.store(nanos.max(1), Ordering::Release);
            self.signal.raise();
        }
        self.recount(state);
    }

    /// When the owner has to call [`Outbound::resume`], if it has to.
    pub(crate) fn paid_at(&self) -> Option<Duration> {
        match self.paid_at.load(Ordering::Acquire) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// A rate is paid: the owner goes on.
    pub(crate) fn resume(&self) {
        let mut state = self.state.lock();
        if state.writer != Writer::Rate {
            return;
        }
        self.hand_to_owner(&mut state);
        drop(state);
        self.flush();
    }

    /// Whether the client does not hear what it is told because messages before that wait for a rate.
    pub(crate) fn is_held_back(&self) -> bool {
        let state = self.state.lock();
        state.lane.is_some() && !state.tail.is_empty()
    }

    /// Whether other accounts are to ask somebody else.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// A request of another account went to somebody else, or to nobody, because this one is behind.
    pub(crate) fn pass_over(&self) {
        self.refuse(&mut self.state.lock(), 1);
    }

    /// What decided about that.
    pub(crate) fn rule(&self) -> Box<str> {
        let state = self.state.lock();
        match &state.lane {
            Some(lane) => lane.rule(Tally::default(), Source::Request),
            None => format!("limit connection pending {}", self.pending_max).into(),
        }
    }

    /// Whether it is a rate that decides, and not how much waits.
    pub(crate) fn is_rated(&self) -> bool {
        self.state.lock().lane.is_some()
    }

    pub(super) fn refuse(&self, state: &mut State, count: u64) {
        if state.orders.refused == 0 {
            self.signal.raise();
        }
        state.orders.refused += count;
    }
}
