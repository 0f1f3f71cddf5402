//! Many accounts, each with a publisher and a receiver, all of them busy a little at a time.

use super::stream::{delivered, messages_ahead, warm_up};
use super::{Scenario, Stage};
use crate::client::Client;
use crate::load::{Counter, Flow, Gate, Tape};
use crate::sample::Sample;
use crate::tenancy::{ROOT, Terms};

const ACCOUNTS: usize = 1000;
const PAYLOAD: usize = 128;

/// Messages that one account publishes before the next one's turn.
const TURN: usize = 32;

/// A thousand tenants.
pub(crate) struct Tenants;

impl Scenario for Tenants {
    fn accounts(&self) -> Vec<Terms> {
        vec![Terms::default(); ACCOUNTS]
    }

    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        // The same subject in every account: nothing of one may reach another.
        let subject = format!("{ROOT}.tenant");
        let frame = delivered(&subject, PAYLOAD);
        let tape = Tape::new([subject.as_str()], PAYLOAD);
        let mut receivers = Vec::new();
        let mut publishers = Vec::new();
        for account in &stage.tenancy.accounts {
            let user = account.user()?;
            let mut receiver = Client::connect(stage.server.address, &user)?;
            receiver.send(format!("SUB {subject} 1\r\n"))?;
            receivers.push((receiver.into_stream()?, Counter::new(frame)));
            publishers.push(Client::connect(stage.server.address, &user)?.into_stream()?);
        }
        let mut flow = Flow::new(receivers);
        for (place, stream) in publishers.into_iter().enumerate() {
            let gate = Gate::Slowest(place..place + 1, messages_ahead(frame, ACCOUNTS));
            flow.publish(stream, tape.clone(), gate, TURN * tape.frame());
        }
        flow.run(stage.server, warm_up(stage.time), None)?;
        let phase = flow.run(stage.server, stage.time, None)?;
        let mut sample = Sample::of_phase(&phase);
        sample.set_memory(stage.server.memory()?);
        Ok(sample)
    }
}
