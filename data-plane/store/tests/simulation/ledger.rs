//! What clients know: what they sent, what was acknowledged. After a crash the store is held against it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tollway_store::{
    AccountId, Disk, Durability, Meter, ReadBuffer, ReadError, StateValue, Store, StreamId, Ticket,
};

/// Whether something is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    No,
    Asked,
    Acknowledged,
}

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) payload: Vec<u8>,
    pub(crate) stored: Fate,
    pub(crate) deleted: Fate,
    pub(crate) group: u64,
}

#[derive(Debug)]
pub(crate) struct StreamLedger {
    pub(crate) account: AccountId,
    pub(crate) durability: Durability,
    pub(crate) made: Fate,
    pub(crate) gone: Fate,
    /// The greatest sequence that is certainly given.
    pub(crate) floor: u64,
    pub(crate) messages: BTreeMap<u64, Sent>,
    /// Per key: all values it had, and how many of them are certainly over.
    pub(crate) states: BTreeMap<u64, (usize, Vec<Option<StateValue>>)>,
}

/// What a ticket stands for.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Make(StreamId),
    Store(StreamId, Vec<u64>),
    Delete(StreamId, Vec<u64>),
    Floor(StreamId, u64),
    State(StreamId, u64, usize),
    Gone(StreamId),
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) streams: BTreeMap<StreamId, StreamLedger>,
    waiting: HashMap<(AccountId, Durability), VecDeque<(u64, Deed)>>,
    /// Per account: messages whose storing was acknowledged, and messages that were sent.
    counted: BTreeMap<AccountId, (u64, u64)>,
}

impl Ledger {
    pub(crate) fn wait(&mut self, ticket: Ticket, deed: Deed) {
        if let Deed::Store(_, sequences) = &deed
            && ticket.durability != Durability::Memory
        {
            self.counted.entry(ticket.account).or_default().1 += sequences.len() as u64;
        }
        if ticket.durability == Durability::Memory {
            return self.acknowledge(ticket.account, Durability::Memory, &deed);
        }
        let lane = self
            .waiting
            .entry((ticket.account, ticket.durability))
            .or_default();
        lane.push_back((ticket.number, deed));
    }

    pub(crate) fn done(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            let lane = (ticket.account, ticket.durability);
            while let Some((number, deed)) = self.waiting.get_mut(&lane).and_then(VecDeque::pop_front) {
                if number > ticket.number {
                    self.waiting.entry(lane).or_default().push_front((number, deed));
                    break;
                }
                self.acknowledge(ticket.account, ticket.durability, &deed);
            }
        }
    }

    fn acknowledge(&mut self, account: AccountId, durability: Durability, deed: &Deed) {
        let (Deed::Make(id)
        | Deed::Store(id, _)
        | Deed::Delete(id, ..)
        | Deed::Floor(id, _)
        | Deed::State(id, ..)
        | Deed::Gone(id)) = deed;
        let stream = self.streams.get_mut(id).expect("a deed is about a known stream");
        match deed {
            Deed::Make(_) => stream.made = Fate::Acknowledged,
            Deed::Gone(_) => stream.gone = Fate::Acknowledged,
            Deed::Floor(_, last) => stream.floor = stream.floor.max(*last),
            Deed::State(_, key, version) => {
                let over = &mut stream.states.get_mut(key).expect("a state that was written").0;
                *over = (*over).max(*version);
            }
            Deed::Store(_, sequences) => {
                for sequence in sequences {
                    if let Some(sent) = stream.messages.get_mut(sequence) {
                        sent.stored = Fate::Acknowledged;
                    }
                    stream.floor = stream.floor.max(*sequence);
                }
                if durability != Durability::Memory {
                    self.counted.entry(account).or_default().0 += sequences.len() as u64;
                }
            }
            Deed::Delete(_, sequences) => {
                for sequence in sequences {
                    if let Some(sent) = stream.messages.get_mut(sequence) {
                        sent.deleted = Fate::Acknowledged;
                    }
                }
            }
        }
    }

    /// The process ended, and the machine too when `power_lost`. What the store says now must agree
    /// with what was acknowledged; what was not becomes what the store says.
    pub(crate) fn check<D: Disk>(&mut self, store: &Store<D>, power_lost: bool) {
        self.waiting.clear();
        self.streams
            .retain(|_, stream| stream.durability != Durability::Memory);
        let mut buffer = ReadBuffer::default();
        let mut stay = BTreeMap::new();
        for (id, mut stream) in std::mem::take(&mut self.streams) {
            let uncertain = power_lost && stream.durability == Durability::Os;
            if uncertain {
                forget_acknowledgements(&mut stream);
            }
            let Some(found) = store.stream(id) else {
                assert!(
                    stream.made != Fate::Acknowledged || stream.gone != Fate::No,
                    "stream {id:?} is lost"
                );
                continue;
            };
            assert!(stream.gone != Fate::Acknowledged, "stream {id:?} came back");
            assert_eq!(found.account, Some(stream.account), "account of stream {id:?}");
            assert!(
                found.last >= stream.floor,
                "last sequence of {id:?}: {} < {}",
                found.last,
                stream.floor
            );
            let mut groups: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
            stream.messages.retain(|sequence, sent| {
                let read = store.read(id, *sequence, &mut buffer);
                let there = match read {
                    Ok(message) => {
                        assert_eq!(
                            message.payload, sent.payload,
                            "{id:?} {sequence} is another message"
                        );
                        true
                    }
                    Err(ReadError::NotFound) => false,
                    Err(error) => panic!("{id:?} {sequence}: {error}"),
                };
                if there {
                    assert!(sent.deleted != Fate::Acknowledged, "{id:?} {sequence} came back");
                } else {
                    assert!(
                        sent.stored != Fate::Acknowledged || sent.deleted != Fate::No,
                        "{id:?} {sequence} is lost"
                    );
                }
                if sent.group > 0 && sent.deleted == Fate::No {
                    let group = groups.entry(sent.group).or_default();
                    group.0 += u32::from(there);
                    group.1 += 1;
                }
                (sent.stored, sent.deleted) = (Fate::Acknowledged, Fate::No);
                there
            });
            for (group, (there, all)) in groups {
                assert!(
                    there == 0 || there == all,
                    "{there} of {all} messages of group {group} in {id:?}"
                );
            }
            assert_eq!(found.messages, stream.messages.len() as u64, "messages of {id:?}");
            stream.floor = found.last;
            check_states(store, id, &mut stream);
            (stream.made, stream.gone) = (Fate::Acknowledged, Fate::No);
            stay.insert(id, stream);
        }
        for id in store.streams() {
            assert!(
                stay.contains_key(&id),
                "stream {id:?} came from nowhere: {:?}",
                store.stream(id)
            );
        }
        self.streams = stay;
        for (account, (acknowledged, sent)) in &mut self.counted {
            let counted = store.counter(*account, Meter::STORED_MESSAGES);
            let least = if power_lost { 0 } else { *acknowledged };
            assert!(
                counted <= *sent,
                "{account:?} is billed {counted} messages and sent {sent}"
            );
            assert!(
                counted >= least,
                "{account:?} is billed {counted} messages of {acknowledged}"
            );
            (*acknowledged, *sent) = (counted, counted);
        }
    }
}

fn forget_acknowledgements(stream: &mut StreamLedger) {
    stream.made = Fate::Asked;
    stream.gone = if stream.gone == Fate::No {
        Fate::No
    } else {
        Fate::Asked
    };
    stream.floor = 0;
    for sent in stream.messages.values_mut() {
        sent.stored = Fate::Asked;
        if sent.deleted != Fate::No {
            sent.deleted = Fate::Asked;
        }
        sent.group = 0;
    }
    for (over, _) in stream.states.values_mut() {
        *over = 0;
    }
}

fn check_states<D: Disk>(store: &Store<D>, id: StreamId, stream: &mut StreamLedger) {
    for (key, (over, values)) in &mut stream.states {
        let found = store.read_state(id, *key).expect("states are readable");
        let possible = &values[*over..];
        assert!(
            possible.contains(&found),
            "state {key} of {id:?} is {found:?}, not one of {possible:?}"
        );
        *values = vec![found];
        *over = 0;
    }
}
