//! Messages flow one way, as fast as the server takes them.

use std::time::Duration;

use super::{Scenario, Stage};
use crate::client::Client;
use crate::load::{BATCH, Counter, Flow, Gate, Tape};
use crate::sample::Sample;
use crate::server::Server;
use crate::tenancy::{Account, Exchange, ROOT, Terms};

/// Bytes that may be on their way to all receivers together, and to a single one.
const AHEAD_ALL: usize = 32 * 1024 * 1024;
const AHEAD_ONE: usize = 8 * 1024 * 1024;

/// Publishers, each with a subject and receivers of its own.
pub(crate) struct Stream {
    publishers: usize,
    /// Of each publisher.
    receivers: usize,
    /// Whether its receivers share the messages instead of getting all of them.
    queue: bool,
    payload: usize,
    /// Whether its receivers are in another account, which imports what is published.
    imported: bool,
}

impl Stream {
    pub(crate) fn publish_only(payload: usize) -> Self {
        Self::fan_out(0, payload)
    }

    pub(crate) fn fan_out(receivers: usize, payload: usize) -> Self {
        Self {
            publishers: 1,
            receivers,
            queue: false,
            payload,
            imported: false,
        }
    }

    pub(crate) fn pairs(pairs: usize, payload: usize) -> Self {
        Self {
            publishers: pairs,
            ..Self::fan_out(1, payload)
        }
    }

    pub(crate) fn queue_group(members: usize, payload: usize) -> Self {
        Self {
            queue: true,
            ..Self::fan_out(members, payload)
        }
    }

    pub(crate) fn imported(payload: usize) -> Self {
        Self {
            imported: true,
            ..Self::fan_out(1, payload)
        }
    }

    fn subject(publisher: usize) -> String {
        format!("{ROOT}.stream.{publisher:02}")
    }

    /// Its publishers and receivers, connected to a server as users of these accounts.
    pub(super) fn flow(&self, server: &Server, from: &Account, to: &Account) -> anyhow::Result<Flow> {
        let (publishing, receiving) = (from.user()?, to.user()?);
        let connect = |user| Client::connect(server.address, user);
        let frame = delivered(&Self::subject(0), self.payload);
        let mut receivers = Vec::new();
        for publisher in 0..self.publishers {
            for _ in 0..self.receivers {
                let mut client = connect(&receiving)?;
                let queue = if self.queue { "workers " } else { "" };
                client.send(format!("SUB {} {queue}1\r\n", Self::subject(publisher)))?;
                receivers.push((client.into_stream()?, Counter::new(frame)));
            }
        }
        let mut flow = Flow::new(receivers);
        for publisher in 0..self.publishers {
            let tape = Tape::new([Self::subject(publisher).as_str()], self.payload);
            let mine = publisher * self.receivers..(publisher + 1) * self.receivers;
            let gate = match (self.receivers, self.queue) {
                (0, _) => Gate::Open,
                (_, true) => Gate::Sum(mine, messages_ahead(frame, self.publishers)),
                (receivers, false) => Gate::Slowest(mine, messages_ahead(frame, self.publishers * receivers)),
            };
            flow.publish(connect(&publishing)?.into_stream()?, tape, gate, BATCH);
        }
        Ok(flow)
    }
}

/// Bytes of a message as a receiver with a subscription named by one letter reads it.
pub(super) fn delivered(subject: &str, payload: usize) -> usize {
    format!("MSG {subject} 1 {payload}\r\n").len() + payload + 2
}

/// How far a publisher may be ahead of so many receivers.
pub(super) fn messages_ahead(frame: usize, receivers: usize) -> u64 {
    let bytes = (AHEAD_ALL / receivers).min(AHEAD_ONE);
    (bytes / frame).max(16) as u64
}

/// An account that shares what it has, and one that takes it.
pub(super) fn importing() -> Vec<Terms> {
    let terms = |exchange| Terms {
        exchange,
        ..Terms::default()
    };
    vec![terms(Exchange::Exports), terms(Exchange::Imports)]
}

/// How long a server is kept busy before anything counts: caches, buffers and the kernel's windows
/// have then grown to what they will be.
pub(super) fn warm_up(time: Duration) -> Duration {
    (time / 5).max(Duration::from_millis(100))
}

impl Scenario for Stream {
    fn accounts(&self) -> Vec<Terms> {
        if self.imported {
            importing()
        } else {
            vec![Terms::default()]
        }
    }

    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        let accounts = &stage.tenancy.accounts;
        let mut flow = self.flow(stage.server, &accounts[0], &accounts[accounts.len() - 1])?;
        flow.run(stage.server, warm_up(stage.time), None)?;
        let phase = flow.run(stage.server, stage.time, None)?;
        let mut sample = Sample::of_phase(&phase);
        sample.set_memory(stage.server.memory()?);
        Ok(sample)
    }
}
