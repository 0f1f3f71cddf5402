//! A hundred thousand subscriptions, some with wildcards, and messages that reach one of them each.

use super::stream::{messages_ahead, warm_up};
use super::{Scenario, Stage};
use crate::client::Client;
use crate::load::{BATCH, Counter, Flow, Gate, Tape};
use crate::sample::{Metric, Sample};
use crate::tenancy::ROOT;

const SUBSCRIPTIONS: usize = 100_000;
const CONNECTIONS: usize = 10;
const PAYLOAD: usize = 128;

/// Subjects of a hot run.
const HOT: usize = 16;

/// All subjects by turns, or a few again and again.
pub(crate) struct Subscriptions {
    pub(crate) hot: bool,
}

/// Six digits, so that all messages have one length.
fn subject(number: usize) -> String {
    format!("{ROOT}.s.{number:06}.t")
}

/// What the subscription with this number asks for: the subject with its number, and in three of ten
/// cases others beside it.
fn filter(number: usize) -> String {
    match number % 10 {
        7 | 8 => format!("{ROOT}.s.{number:06}.*"),
        9 => format!("{ROOT}.s.{number:06}.>"),
        _ => subject(number),
    }
}

/// As many digits for each.
fn sid(number: usize) -> usize {
    SUBSCRIPTIONS + number
}

/// All numbers in an order that no cache can foresee, the same one each time.
fn shuffled() -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..SUBSCRIPTIONS).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for end in (1..numbers.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        numbers.swap(end, (state >> 33) as usize % (end + 1));
    }
    numbers
}

impl Scenario for Subscriptions {
    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        let user = stage.tenancy.accounts[0].user()?;
        let frame = format!("MSG {} {} {PAYLOAD}\r\n", subject(0), sid(0)).len() + PAYLOAD + 2;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Client::connect(stage.server.address, &user)?);
        }
        let before = stage.server.memory()?;
        for (place, client) in clients.iter_mut().enumerate() {
            let mut lines = String::new();
            for number in (place..SUBSCRIPTIONS).step_by(CONNECTIONS) {
                lines += &format!("SUB {} {}\r\n", filter(number), sid(number));
            }
            client.send(lines)?;
            client.sync()?;
        }
        let after = stage.server.memory()?;

        let mut receivers = Vec::new();
        for client in clients {
            receivers.push((client.into_stream()?, Counter::new(frame)));
        }
        let mut flow = Flow::new(receivers);
        let mut numbers = shuffled();
        if self.hot {
            numbers.truncate(HOT);
        }
        let subjects: Vec<String> = numbers.into_iter().map(subject).collect();
        let tape = Tape::new(subjects.iter().map(String::as_str), PAYLOAD);
        let gate = Gate::Sum(0..CONNECTIONS, messages_ahead(frame, 1));
        let publisher = Client::connect(stage.server.address, &user)?;
        flow.publish(publisher.into_stream()?, tape, gate, BATCH);

        flow.run(stage.server, warm_up(stage.time), None)?;
        let phase = flow.run(stage.server, stage.time, None)?;
        let mut sample = Sample::of_phase(&phase);
        let grown = after.now.saturating_sub(before.now);
        sample.set(Metric::SubscriptionMemory, grown as f64 / SUBSCRIPTIONS as f64);
        sample.set_memory(stage.server.memory()?);
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once_and_not_in_order() {
        let mut numbers = shuffled();
        assert!(numbers.windows(2).filter(|two| two[1] == two[0] + 1).count() < 100);
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..SUBSCRIPTIONS));
    }
}
