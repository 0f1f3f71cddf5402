//! A flow of messages from publishers to receivers, and what it cost the server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::publisher::{self, Publisher};
use super::receivers::Receivers;
use super::{Counter, Gate, Progress, Tape};
use crate::client::PATIENCE;
use crate::process::{ProcessorTime, machine_busy_nanos};
use crate::server::Server;

/// How exactly the end of a phase is known.
const LOOK: Duration = Duration::from_micros(200);

/// Publishers and receivers that are connected and subscribed.
pub(crate) struct Flow {
    publishers: Vec<Publisher>,
    receivers: Receivers,
    progress: Progress,
}

/// What was moved in a time, and what it cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) published: u64,
    pub(crate) delivered: u64,
    pub(crate) elapsed: Duration,
    pub(crate) cost: Cost,
}

/// Who was busy in the meantime.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) server: ProcessorTime,
    /// The load's: it should be well below the server's, or the load is what was measured.
    pub(crate) generator_nanos: u64,
    /// What the machine was busy with that belongs to neither: soft interrupts above all.
    pub(crate) elsewhere_nanos: u64,
}

/// The clocks of both sides at one moment.
pub(crate) struct Clocks {
    server: ProcessorTime,
    generator: ProcessorTime,
    machine: u64,
}

impl Clocks {
    pub(crate) fn read(server: &Server) -> anyhow::Result<Self> {
        Ok(Self {
            server: server.processor_time()?,
            generator: ProcessorTime::of(std::process::id())?,
            machine: machine_busy_nanos()?,
        })
    }

    /// What was spent since. Threads of the load that ended meanwhile count less than they cost.
    pub(crate) fn cost(&self, server: &Server) -> anyhow::Result<Cost> {
        let now = Self::read(server)?;
        let spent = now.server.since(self.server);
        let generator = now.generator.since(self.generator).nanos;
        let machine = now.machine.saturating_sub(self.machine);
        Ok(Cost {
            server: spent,
            generator_nanos: generator,
            elsewhere_nanos: machine.saturating_sub(spent.nanos + generator),
        })
    }
}

impl Flow {
    /// Receivers are numbered in the order in which they are given; gates name them so.
    pub(crate) fn new(receivers: Vec<(TcpStream, Counter)>) -> Self {
        Self {
            publishers: Vec::new(),
            progress: Progress::new(receivers.len()),
            receivers: Receivers::new(receivers),
        }
    }

    pub(crate) fn publish(&mut self, stream: TcpStream, tape: Tape, gate: Gate, batch: usize) {
        self.publishers.push(Publisher::new(stream, tape, gate, batch));
    }

    fn published(&self) -> u64 {
        self.publishers.iter().map(Publisher::messages).sum()
    }

    fn delivered(&self) -> u64 {
        self.progress.sum(0..self.progress.len())
    }

    /// Publishes for `time`, waits until the server has done all of it, and checks that everything
    /// that was to be delivered was.
    pub(crate) fn run(
        &mut self,
        server: &Server,
        time: Duration,
        rate: Option<f64>,
    ) -> anyhow::Result<Phase> {
        let before = (self.published(), self.delivered());
        let Self {
            publishers,
            receivers,
            progress,
        } = self;
        progress.go_on();
        let (elapsed, cost) = thread::scope(|scope| {
            let clocks = Clocks::read(server)?;
            let begun = Instant::now();
            let reading = scope.spawn(|| {
                receivers.run(progress).inspect_err(|_| {
                    // The publishers would wait for what nobody reads.
                    progress.stop();
                })
            });
            let moved = move_all(publishers, progress, time, rate, PATIENCE);
            let elapsed = begun.elapsed();
            let cost = clocks.cost(server);
            progress.stop();
            // What went wrong at the receivers is why the publishers could not go on.
            reading.join().expect("the reading thread does not panic")?;
            moved?;
            anyhow::Ok((elapsed, cost?))
        })?;
        Ok(Phase {
            published: self.published() - before.0,
            delivered: self.delivered() - before.1,
            elapsed,
            cost,
        })
    }
}

fn move_all(
    publishers: &mut [Publisher],
    progress: &Progress,
    time: Duration,
    rate: Option<f64>,
    patience: Duration,
) -> anyhow::Result<()> {
    publisher::run(publishers, progress, time, rate)?;
    for publisher in publishers.iter_mut() {
        confirm(&mut publisher.stream)?;
    }
    let mut seen = 0;
    let mut seen_at = Instant::now();
    for publisher in publishers.iter() {
        while !is_delivered(publisher, progress)? {
            ensure!(!progress.is_stopped(), "the receivers failed");
            let all = progress.sum(0..progress.len());
            if all != seen {
                (seen, seen_at) = (all, Instant::now());
            }
            if seen_at.elapsed() > patience {
                bail!(
                    "messages were lost: {}",
                    publisher.gate.shortfall(publisher.messages(), progress)
                );
            }
            thread::sleep(LOOK);
        }
    }
    Ok(())
}

/// Whether everything arrived. More than was published is an error.
fn is_delivered(publisher: &Publisher, progress: &Progress) -> anyhow::Result<bool> {
    let published = publisher.messages();
    let (least, most) = publisher.gate.arrived(progress);
    ensure!(
        most <= published || least == u64::MAX,
        "{most} messages arrived where {published} were published"
    );
    Ok(least >= published)
}

/// Waits until the server has done what a publisher wrote.
fn confirm(stream: &mut TcpStream) -> anyhow::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream
        .write_all(b"PING\r\n")
        .context("the server closed a publisher's connection")?;
    let mut said = Vec::new();
    // The server's own PING may stand before the answer, and behind it.
    while !said.windows(6).any(|word| word == b"PONG\r\n") {
        let mut chunk = [0; 512];
        let read = stream
            .read(&mut chunk)
            .context("the server does not answer a publisher")?;
        said.extend_from_slice(&chunk[..read]);
        ensure!(
            read > 0 && !said.windows(4).any(|word| word == b"-ERR"),
            "the server refused a publisher: {:?}",
            String::from_utf8_lossy(&said)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};

    use super::super::BATCH;
    use super::*;

    const FRAME: &[u8] = b"MSG a 1 1\r\nx\r\n";

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// Publishes one message to a server that confirms it, and then does `deliver` to the receiver.
    fn published(deliver: impl FnOnce(&mut TcpStream) + Send) -> anyhow::Result<()> {
        let (publisher, mut served) = pair();
        let (receiver, mut delivering) = pair();
        let progress = Progress::new(1);
        let receivers = Receivers::new(vec![(receiver, Counter::new(FRAME.len()))]);
        let gate = Gate::Slowest(0..1, 1);
        let mut publishers = vec![Publisher::new(publisher, Tape::new(["a"], 1), gate, BATCH)];
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut said = Vec::new();
                let mut byte = [0];
                while !said.ends_with(b"PING\r\n") && served.read(&mut byte).unwrap() == 1 {
                    said.push(byte[0]);
                }
                let _ = served.write_all(b"PING\r\nPONG\r\nPING\r\n");
                deliver(&mut delivering);
                // Open until the client has made up its mind.
                let _ = delivering.read(&mut byte);
            });
            // Closes the connection when it ends.
            let progress = &progress;
            let reading = scope.spawn(move || {
                let mut receivers = receivers;
                receivers.run(progress).inspect_err(|_| progress.stop())
            });
            let time = Duration::from_millis(20);
            let moved = move_all(&mut publishers, progress, time, None, Duration::from_millis(50));
            progress.stop();
            reading.join().unwrap()?;
            moved
        })
    }

    #[test]
    fn run_succeeds_when_what_was_published_arrives_once() {
        published(|receiver| receiver.write_all(FRAME).unwrap()).unwrap();
    }

    #[test]
    fn lost_message_fails_the_run() {
        let error = published(|_| {});
        assert!(error.unwrap_err().to_string().contains("lost"));
    }

    #[test]
    fn message_that_arrives_twice_fails_the_run() {
        let error = published(|receiver| receiver.write_all(&FRAME.repeat(2)).unwrap());
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("2 messages arrived where 1")
        );
    }

    #[test]
    fn closed_receiver_fails_the_run() {
        let error = published(|receiver| receiver.shutdown(Shutdown::Both).unwrap());
        assert!(error.unwrap_err().to_string().contains("closed"));
    }

    #[test]
    fn refusal_at_a_receiver_fails_the_run_and_is_told() {
        let error = published(|receiver| receiver.write_all(b"-ERR 'Slow Consumer'\r\n").unwrap());
        assert!(error.unwrap_err().to_string().contains("Slow Consumer"));
    }
}
