//! What the log says, in memory: streams with the places of their messages and states, accounts
//! with their counters, and how much of each segment still counts.
//!
//! Only what was committed is in it. The same [`Index::apply`] builds it when a batch is committed
//! and when the log is read again, so that both give the same.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::batch::Summary;
use crate::ids::{AccountId, Durability, Meter, Place, StreamId};
use crate::memory_stream::MemoryStream;
use crate::record::{HEADER_BYTES, Header, Kind, u32_at, u64_at};
use crate::sequences::Sequences;

pub(crate) type Map<K, V> = HashMap<K, V, FixedState>;

/// All streams and accounts.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Streams by number. They are never given twice, so an entry always means the same stream.
    pub streams: Map<u32, Stream>,
    /// Accounts by number.
    pub accounts: Map<u32, Account>,
    /// Totals of everything that is counted.
    pub counters: Map<(AccountId, Meter), u64>,
    /// Per segment: bytes of records that still count.
    pub live: Map<u32, u64>,
    /// While the log is read again: what was removed of each stream since the checkpoint.
    pub removed: Option<Map<u32, Vec<(u64, u64)>>>,
}

/// A stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The account it belongs to; nothing when the record that says so is unreadable.
    pub account: Option<AccountId>,
    /// What its acknowledgements promise.
    pub durability: Durability,
    /// Where the record is that says both.
    pub place: Option<Place>,
    /// The last sequence that it has given. It never goes back.
    pub last: u64,
    /// A record that says so even when no message does.
    pub floor: Option<(u64, Place)>,
    /// Its messages.
    pub messages: Sequences,
    /// Its states, ascending by key.
    pub states: Vec<(u64, State)>,
    /// Messages of a stream that is kept in memory alone.
    pub memory: Option<Box<MemoryStream>>,
}

/// The records that make up a value: a whole one, and additions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Revision and place of the whole value.
    pub whole: Option<(u64, Place)>,
    /// Revisions and places of the additions, ascending.
    pub more: Vec<(u64, Place)>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its name, as the caller gave it.
    pub name: Vec<u8>,
    /// Where the record is that says so.
    pub place: Place,
}

impl Stream {
    fn new(account: Option<AccountId>, durability: Durability, place: Option<Place>) -> Self {
        Self {
            account,
            durability,
            place,
            last: 0,
            floor: None,
            messages: Sequences::default(),
            states: Vec::new(),
            memory: (durability == Durability::Memory).then(Box::default),
        }
    }

    /// A stream of which nothing is known yet.
    pub(crate) fn orphan() -> Self {
        Self::new(None, Durability::Disk, None)
    }

    /// A stream whose messages are never written.
    pub(crate) fn in_memory(account: AccountId) -> Self {
        Self::new(Some(account), Durability::Memory, None)
    }

    /// The state of this key.
    pub(crate) fn state(&self, key: u64) -> Option<&State> {
        let at = self.states.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&self.states[at].1)
    }

    /// All places of records that count.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let states = self.states.iter().flat_map(|(_, state)| state.places());
        self.place
            .into_iter()
            .chain(self.floor.map(|(_, place)| place))
            .chain(states)
            .chain(self.messages.iter_from(0).map(|(_, place)| place))
    }
}

impl State {
    /// All places of its records.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let whole = self.whole.iter().chain(&self.more);
        whole.map(|(_, place)| *place)
    }
}

impl Index {
    /// Bytes of the segment that count.
    pub(crate) fn live_of(&self, segment: u32) -> u64 {
        self.live.get(&segment).copied().unwrap_or(0)
    }

    /// Takes in a record that is at `place`; `record` is all of it, checked.
    pub(crate) fn apply(&mut self, header: &Header, record: &[u8], place: Place) {
        let body = &record[HEADER_BYTES..HEADER_BYTES + header.body_len as usize];
        match header.kind {
            Kind::Message => self.apply_message(header, place),
            Kind::Delete => {
                for sequence in body.chunks_exact(8) {
                    self.remove(header.stream, u64_at(sequence, 0), u64_at(sequence, 0));
                }
            }
            Kind::Purge => self.remove(header.stream, header.sequence, header.time),
            Kind::Stream => self.apply_stream(header, body, place),
            Kind::StreamGone => self.remove_stream(header.stream),
            Kind::State | Kind::StateMore | Kind::StateGone => self.apply_state(header, place),
            Kind::Account => {
                let account = Account {
                    name: body.to_vec(),
                    place,
                };
                let old = self.accounts.insert(header.stream, account);
                self.dead(old.map(|old| old.place));
                self.alive(place);
            }
            Kind::Floor => {
                let stream = self.stream_or_orphan(header.stream);
                stream.last = stream.last.max(header.sequence);
                if stream.floor.is_some_and(|(last, _)| last > header.sequence) {
                    return;
                }
                let old = stream.floor.replace((header.sequence, place));
                self.dead(old.map(|(_, place)| place));
                self.alive(place);
            }
            Kind::Summary => {
                if let Some(summary) = Summary::decode(body) {
                    self.apply_summary(&summary);
                }
            }
        }
    }

    /// Takes in what the end of a batch says. Streams that are gone stay gone.
    pub(crate) fn apply_summary(&mut self, summary: &Summary) {
        for &(id, account, last) in &summary.floors {
            if let Some(stream) = self.streams.get_mut(&id.0) {
                stream.last = stream.last.max(last);
                stream.account.get_or_insert(account);
            }
        }
        for &(account, meter, total) in &summary.counters {
            let counter = self.counters.entry((account, meter)).or_default();
            *counter = total.max(*counter);
        }
    }

    /// A message is lost: its record cannot be read. Its sequence stays given.
    pub(crate) fn forget_message(&mut self, stream: StreamId, sequence: u64) {
        if let Some(stream) = self.streams.get_mut(&stream.0) {
            let place = stream.messages.remove(sequence);
            self.dead(place);
        }
    }

    fn apply_message(&mut self, header: &Header, place: Place) {
        let stream = self.stream_or_orphan(header.stream);
        stream.last = stream.last.max(header.sequence);
        let old = stream.messages.set(header.sequence, place);
        self.dead(old);
        self.alive(place);
    }

    fn apply_stream(&mut self, header: &Header, body: &[u8], place: Place) {
        let Some(durability) = body.get(4).and_then(|number| Durability::from_number(*number)) else {
            return;
        };
        let account = AccountId(u32_at(body, 0));
        let stream = self.stream_or_orphan(header.stream);
        stream.account = Some(account);
        stream.durability = durability;
        let old = stream.place.replace(place);
        self.dead(old);
        self.alive(place);
    }

    /// Records of a state come in any order when compaction moved some: revisions decide.
    fn apply_state(&mut self, header: &Header, place: Place) {
        let (key, revision) = (header.time, header.sequence);
        let stream = self.stream_or_orphan(header.stream);
        let at = match stream.states.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => at,
            Err(_) if header.kind == Kind::StateGone => return,
            Err(at) => {
                stream.states.insert(at, (key, State::default()));
                at
            }
        };
        let state = &mut stream.states[at].1;
        let mut dead = Vec::new();
        let mut alive = None;
        let whole = state.whole.map_or(0, |(revision, _)| revision);
        if header.kind == Kind::StateMore {
            match state
                .more
                .binary_search_by_key(&revision, |(revision, _)| *revision)
            {
                _ if revision < whole => {}
                Ok(at) => {
                    dead.push(std::mem::replace(&mut state.more[at].1, place));
                    alive = Some(place);
                }
                Err(at) => {
                    state.more.insert(at, (revision, place));
                    alive = Some(place);
                }
            }
        } else if revision >= whole {
            dead.extend(state.whole.take().map(|(_, place)| place));
            state.more.retain(|(more, place)| {
                let newer = *more > revision;
                if !newer {
                    dead.push(*place);
                }
                newer
            });
            if header.kind == Kind::State {
                state.whole = Some((revision, place));
                alive = Some(place);
            }
        }
        if state.whole.is_none() && state.more.is_empty() {
            stream.states.remove(at);
        }
        dead.into_iter().for_each(|place| self.dead(Some(place)));
        alive.into_iter().for_each(|place| self.alive(place));
    }

    fn remove(&mut self, stream: u32, first: u64, last: u64) {
        if let Some(removed) = &mut self.removed {
            removed.entry(stream).or_default().push((first, last));
        }
        let Some(stream) = self.streams.get_mut(&stream) else {
            return;
        };
        let live = &mut self.live;
        stream
            .messages
            .remove_range(first, last, &mut |place| subtract(live, place));
    }

    fn remove_stream(&mut self, stream: u32) {
        if let Some(stream) = self.streams.remove(&stream) {
            stream.places().for_each(|place| subtract(&mut self.live, place));
        }
    }

    /// Messages of a stream that nobody announced are kept: what says so may be unreadable.
    pub(crate) fn stream_or_orphan(&mut self, stream: u32) -> &mut Stream {
        self.streams.entry(stream).or_insert_with(Stream::orphan)
    }

    fn alive(&mut self, place: Place) {
        *self.live.entry(place.segment).or_default() += u64::from(place.len);
    }

    fn dead(&mut self, place: Option<Place>) {
        if let Some(place) = place {
            subtract(&mut self.live, place);
        }
    }

    /// Whether the record at `place` still counts.
    pub(crate) fn is_live(&self, header: &Header, place: Place) -> bool {
        let stream = self.streams.get(&header.stream);
        match header.kind {
            Kind::Message => stream.and_then(|stream| stream.messages.get(header.sequence)) == Some(place),
            Kind::Stream => stream.and_then(|stream| stream.place) == Some(place),
            Kind::Floor => stream
                .and_then(|stream| stream.floor)
                .is_some_and(|(_, floor)| floor == place),
            Kind::State | Kind::StateMore => stream
                .and_then(|stream| stream.state(header.time))
                .is_some_and(|state| state.places().any(|state| state == place)),
            Kind::Account => self
                .accounts
                .get(&header.stream)
                .is_some_and(|account| account.place == place),
            Kind::Delete | Kind::Purge | Kind::StreamGone | Kind::StateGone | Kind::Summary => false,
        }
    }

    /// What the stream has given, when no record says so that is certain to stay.
    pub(crate) fn floor_missing(&self, stream: u32) -> Option<u64> {
        let stream = self
            .streams
            .get(&stream)
            .filter(|stream| stream.memory.is_none())?;
        let said = stream
            .floor
            .map_or(0, |(last, _)| last)
            .max(stream.messages.last().unwrap_or(0));
        (said < stream.last).then_some(stream.last)
    }

    /// Counts again what is alive, and forgets what is in segments that `exists` does not know.
    ///
    /// A checkpoint does not carry the sums, and after damage they could not be trusted.
    pub(crate) fn count_live(
        &mut self,
        exists: &dyn Fn(u32) -> bool,
        missing: &mut dyn FnMut(StreamId, u64, Place),
    ) {
        self.live.clear();
        let mut lost = Vec::new();
        for (&id, stream) in &self.streams {
            let gone = stream
                .messages
                .iter_from(0)
                .filter(|(_, place)| !exists(place.segment));
            lost.extend(gone.map(|(sequence, place)| (StreamId(id), sequence, place)));
        }
        for (stream, sequence, place) in lost {
            missing(stream, sequence, place);
            self.forget_message(stream, sequence);
        }
        self.live.clear();
        let live = &mut self.live;
        let streams = self.streams.values().flat_map(Stream::places);
        for place in streams.chain(self.accounts.values().map(|account| account.place)) {
            *live.entry(place.segment).or_default() += u64::from(place.len);
        }
    }

    /// Bytes of memory that streams hold, messages in memory included.
    pub(crate) fn memory(&self) -> usize {
        let one = |stream: &Stream| {
            let states: usize = stream
                .states
                .iter()
                .map(|(_, state)| state.more.capacity() * 24)
                .sum();
            stream.messages.memory()
                + stream.states.capacity() * size_of::<(u64, State)>()
                + states
                + stream.memory.as_ref().map_or(0, |memory| memory.bytes())
        };
        self.streams.capacity() * (size_of::<(u32, Stream)>() + 1)
            + self.streams.values().map(one).sum::<usize>()
    }
}

fn subtract(live: &mut Map<u32, u64>, place: Place) {
    if let Some(bytes) = live.get_mut(&place.segment) {
        *bytes = bytes.saturating_sub(u64::from(place.len));
    }
}
