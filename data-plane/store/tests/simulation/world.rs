//! Clients at work on a simulated disk, all of it decided by a seed.

use tollway_store::{
    AccountId, AppendError, CommitError, Durability, NewMessage, Options, ReadBuffer, SimDisk, StateValue,
    Store, StreamId, Writer, open,
};

use crate::ledger::{Deed, Fate, Ledger, Sent, StreamLedger};

/// Numbers that look random (xorshift*).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }
}

/// Small sizes, so that everything happens often.
pub(crate) fn options() -> Options {
    Options {
        segment_bytes: 8 << 10,
        batch_bytes: 1 << 10,
        turn_bytes: 300,
        checkpoint_bytes: 12 << 10,
        compact_below_percent: 70,
        keep_free_bytes: 16 << 10,
        ..Options::default()
    }
}

pub(crate) struct World {
    random: Random,
    pub(crate) store: Store<SimDisk>,
    pub(crate) writer: Writer<SimDisk>,
    pub(crate) ledger: Ledger,
    accounts: Vec<AccountId>,
    messages: u64,
    buffer: ReadBuffer,
}

impl World {
    pub(crate) fn open(disk: &SimDisk, seed: u64, ledger: &mut Ledger) -> Option<Self> {
        let (store, writer, recovered) = match open(disk.clone(), options(), seed) {
            Ok(opened) => opened,
            // The machine may stop while the store is opened.
            Err(_) if disk.has_trouble() => {
                return None;
            }
            Err(error) => panic!("a disk without trouble opens: {error:?}"),
        };
        assert_eq!(recovered.damages, [], "a crash is no damage");
        Some(Self {
            random: Random::new(seed),
            store,
            writer,
            ledger: std::mem::take(ledger),
            accounts: Vec::new(),
            messages: seed << 32,
            buffer: ReadBuffer::default(),
        })
    }

    /// Works until the disk fails, or `steps` are done.
    pub(crate) fn work(&mut self, steps: u32) -> Result<(), CommitError> {
        for _ in 0..steps {
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), CommitError> {
        let World {
            writer,
            ledger,
            random,
            ..
        } = self;
        match random.below(100) {
            0..=17 => {
                writer.commit(&mut |tickets| ledger.done(tickets))?;
            }
            18..=33 => {
                writer.housekeep(&mut (), &mut |tickets| ledger.done(tickets))?;
            }
            34 => writer.want_checkpoint(),
            35 => writer.mark()?,
            36 => writer.sync()?,
            37..=40 => self.make_stream(),
            41 => self.remove_stream(),
            42..=69 => self.send(),
            70..=73 => self.send_group(),
            74..=82 => self.delete(),
            83..=95 => self.change_state(),
            96 => self.raise_floor(),
            _ => self.look(),
        }
        Ok(())
    }

    /// What a client meets when it sends too much or the disk is full is no failure of the store.
    fn accept<T>(&self, result: Result<T, AppendError>) -> Option<T> {
        match result {
            Ok(taken) => Some(taken),
            Err(AppendError::Busy | AppendError::NoSpace | AppendError::Poisoned(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn make_stream(&mut self) {
        if self.ledger.streams.len() > 12 {
            return;
        }
        let name = format!("account {}", self.random.below(4));
        let Some(account) = self.accept(self.store.account(name.as_bytes())) else {
            return;
        };
        self.accounts.push(account);
        let durability = match self.random.below(8) {
            0 | 1 => Durability::Os,
            2 => Durability::Memory,
            _ => Durability::Disk,
        };
        if let Some((id, ticket)) = self.accept(self.store.create_stream(account, durability)) {
            let stream = StreamLedger {
                account,
                durability,
                made: Fate::Asked,
                gone: Fate::No,
                floor: 0,
                messages: Default::default(),
                states: Default::default(),
            };
            assert!(
                self.ledger.streams.insert(id, stream).is_none(),
                "{id:?} is given twice"
            );
            self.ledger.wait(ticket, Deed::Make(id));
        }
    }

    fn some_stream(&mut self) -> Option<StreamId> {
        let there: Vec<StreamId> = self
            .ledger
            .streams
            .iter()
            .filter(|(_, stream)| stream.gone == Fate::No)
            .map(|(id, _)| *id)
            .collect();
        (!there.is_empty()).then(|| there[self.random.below(there.len() as u64) as usize])
    }

    fn remove_stream(&mut self) {
        if let Some(id) = self.some_stream()
            && let Some(ticket) = self.accept(self.store.remove_stream(id))
        {
            let stream = self.ledger.streams.get_mut(&id).expect("it is there");
            stream.gone = Fate::Asked;
            if stream.durability == Durability::Memory {
                self.ledger.streams.remove(&id);
                return;
            }
            self.ledger.wait(ticket, Deed::Gone(id));
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        self.messages += 1;
        let len = match self.random.below(20) {
            0 => self.random.below(1500),
            _ => self.random.below(120),
        };
        let mut payload = self.messages.to_le_bytes().to_vec();
        payload.resize(8 + len as usize, self.messages as u8);
        payload
    }

    fn send(&mut self) {
        let Some(id) = self.some_stream() else {
            return;
        };
        for _ in 0..=self.random.below(6) {
            let payload = self.payload();
            let sequence = self.store.last_given(id).expect("it is there") + 1 + self.random.below(30) / 29;
            let message = NewMessage {
                stream: id,
                sequence,
                time: 7,
                subject: b"a.b",
                headers: b"",
                payload: &payload,
            };
            if let Some(ticket) = self.accept(self.store.append(&message)) {
                self.sent(id, sequence, payload, 0);
                self.ledger.wait(ticket, Deed::Store(id, vec![sequence]));
            }
        }
    }

    fn sent(&mut self, id: StreamId, sequence: u64, payload: Vec<u8>, group: u64) {
        let stream = self.ledger.streams.get_mut(&id).expect("it is there");
        let sent = Sent {
            payload,
            stored: Fate::Asked,
            deleted: Fate::No,
            group,
        };
        stream.messages.insert(sequence, sent);
    }

    fn send_group(&mut self) {
        let Some(id) = self.some_stream() else {
            return;
        };
        let first = self.store.last_given(id).expect("it is there") + 1;
        let payloads: Vec<Vec<u8>> = (0..2 + self.random.below(4)).map(|_| self.payload()).collect();
        let messages: Vec<NewMessage<'_>> = payloads
            .iter()
            .zip(first..)
            .map(|(payload, sequence)| NewMessage {
                stream: id,
                sequence,
                time: 7,
                subject: b"g",
                headers: b"h",
                payload,
            })
            .collect();
        let ticket = match self.store.append_group(&messages) {
            Err(AppendError::TooLong { .. }) => return,
            other => self.accept(other),
        };
        if let Some(ticket) = ticket {
            let group = self.messages;
            let sequences: Vec<u64> = messages.iter().map(|message| message.sequence).collect();
            for (payload, sequence) in payloads.into_iter().zip(first..) {
                self.sent(id, sequence, payload, group);
            }
            self.ledger.wait(ticket, Deed::Store(id, sequences));
        }
    }

    fn delete(&mut self) {
        let Some(id) = self.some_stream() else {
            return;
        };
        let last = self.store.last_given(id).expect("it is there");
        let first = 1 + self.random.below(last + 1);
        let (first, last, result) = if self.random.below(3) == 0 {
            let last = first + self.random.below(10);
            (first, last, self.store.purge(id, first, last))
        } else {
            (first, first, self.store.delete(id, &[first]))
        };
        if let Some(ticket) = self.accept(result) {
            let stream = self.ledger.streams.get_mut(&id).expect("it is there");
            let mut sequences = Vec::new();
            for (sequence, sent) in stream.messages.range_mut(first..=last) {
                sequences.push(*sequence);
                if sent.deleted == Fate::No {
                    sent.deleted = Fate::Asked;
                }
            }
            self.ledger.wait(ticket, Deed::Delete(id, sequences));
        }
    }

    fn raise_floor(&mut self) {
        if let Some(id) = self.some_stream() {
            let last = self.store.last_given(id).expect("it is there") + 5;
            if let Some(ticket) = self.accept(self.store.raise_floor(id, last)) {
                self.ledger.wait(ticket, Deed::Floor(id, last));
            }
        }
    }

    fn change_state(&mut self) {
        let Some(id) = self.some_stream() else {
            return;
        };
        if self.ledger.streams[&id].durability == Durability::Memory {
            return;
        }
        let key = self.random.below(3);
        let value = self.payload();
        let kind = self.random.below(8);
        let result = match kind {
            0 => self.store.remove_state(id, key),
            1..=3 => self.store.put_state(id, key, &value),
            _ => self.store.add_state(id, key, &value),
        };
        let Some(ticket) = self.accept(result) else {
            return;
        };
        let stream = self.ledger.streams.get_mut(&id).expect("it is there");
        let (_, values) = stream.states.entry(key).or_insert((0, vec![None]));
        let before = values
            .last()
            .expect("it began with nothing")
            .clone()
            .unwrap_or_default();
        values.push(match kind {
            0 => None,
            1..=3 => Some(StateValue {
                whole: Some(value),
                ..StateValue::default()
            }),
            _ => {
                let mut more = before.more;
                more.push(value);
                Some(StateValue { more, ..before })
            }
        });
        let version = values.len() - 1;
        self.ledger.wait(ticket, Deed::State(id, key, version));
    }

    /// A reader: what it may see is what was acknowledged.
    fn look(&mut self) {
        let Some(id) = self.some_stream() else {
            return;
        };
        let stream = &self.ledger.streams[&id];
        for (sequence, sent) in &stream.messages {
            match self.store.read(id, *sequence, &mut self.buffer) {
                Ok(message) => {
                    assert_eq!(message.payload, sent.payload);
                    assert_eq!(
                        sent.stored,
                        Fate::Acknowledged,
                        "{id:?} {sequence} is seen before it is safe"
                    );
                }
                Err(_) => assert!(
                    sent.stored != Fate::Acknowledged || sent.deleted != Fate::No,
                    "{id:?} {sequence} cannot be read"
                ),
            }
        }
    }
}
