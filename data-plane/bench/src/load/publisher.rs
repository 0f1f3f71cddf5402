//! One thread that writes for all publishers, as much as their sockets and their receivers take.

use std::io::Write as _;
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::receivers::nothing_yet;
use super::{Progress, Tape};

/// What one publisher writes at once. Client libraries buffer as much.
pub(crate) const BATCH: usize = 64 * 1024;

/// How long to wait when receivers are behind or the rate allows nothing yet.
const PAUSE: Duration = Duration::from_micros(100);

/// How long a socket may refuse every byte before the run has failed.
const STUCK: Duration = Duration::from_secs(20);

/// How far a publisher may be ahead of its receivers. Without it a server that is faster at taking
/// than at giving fills its memory, and closes receivers that are not slow at all.
#[derive(Debug, Clone)]
pub(crate) enum Gate {
    /// Nobody receives.
    Open,
    /// Each message goes to all of these receivers; the slowest is at most so many messages behind.
    Slowest(Range<usize>, u64),
    /// Each message goes to one of these receivers; together they are at most so many messages behind.
    Sum(Range<usize>, u64),
}

impl Gate {
    /// The fewest and the most messages that any of those who are to get all of them has read; of a
    /// publisher without receivers everything has arrived.
    pub(super) fn arrived(&self, progress: &Progress) -> (u64, u64) {
        match self {
            Self::Open => (u64::MAX, u64::MAX),
            Self::Slowest(receivers, _) => (
                progress.least(receivers.clone()),
                progress.most(receivers.clone()),
            ),
            Self::Sum(receivers, _) => {
                let sum = progress.sum(receivers.clone());
                (sum, sum)
            }
        }
    }

    /// What is missing, for people.
    pub(super) fn shortfall(&self, published: u64, progress: &Progress) -> String {
        let (least, most) = self.arrived(progress);
        format!("{published} were published, and from {least} to {most} arrived at each receiver")
    }

    /// The number of messages up to which may be written.
    fn allows(&self, progress: &Progress) -> u64 {
        match self {
            Self::Open => u64::MAX,
            Self::Slowest(receivers, ahead) => progress.least(receivers.clone()).saturating_add(*ahead),
            Self::Sum(receivers, ahead) => progress.sum(receivers.clone()).saturating_add(*ahead),
        }
    }
}

/// One connection that publishes.
pub(crate) struct Publisher {
    pub(crate) stream: TcpStream,
    pub(crate) tape: Tape,
    pub(crate) gate: Gate,
    /// What it writes at most before the next publisher's turn.
    pub(crate) batch: usize,
    written: u64,
    blocked: bool,
}

impl Publisher {
    pub(crate) fn new(stream: TcpStream, tape: Tape, gate: Gate, batch: usize) -> Self {
        Self {
            stream,
            tape,
            gate,
            batch,
            written: 0,
            blocked: false,
        }
    }

    /// Messages that were written, the last one to its end once [`run`] has returned.
    pub(crate) fn messages(&self) -> u64 {
        self.written / self.tape.frame() as u64
    }

    /// Bytes of a message that was begun and not ended.
    fn unfinished(&self) -> usize {
        let frame = self.tape.frame() as u64;
        ((frame - self.written % frame) % frame) as usize
    }

    /// Writes at most `most` bytes once; how many bytes it were.
    fn write(&mut self, most: usize) -> anyhow::Result<usize> {
        match self.stream.write(self.tape.behind(self.written, most)) {
            Ok(0) => bail!("the server closed a publisher's connection"),
            Ok(written) => {
                self.written += written as u64;
                Ok(written)
            }
            Err(error) if nothing_yet(&error) => {
                self.blocked = true;
                Ok(0)
            }
            Err(error) => Err(error).context("a publisher's connection failed"),
        }
    }
}

/// Publishes for a time, all publishers together at most `rate` messages a second.
pub(crate) fn run(
    publishers: &mut [Publisher],
    progress: &Progress,
    time: Duration,
    rate: Option<f64>,
) -> anyhow::Result<()> {
    for publisher in publishers.iter() {
        publisher.stream.set_nonblocking(true)?;
    }
    let begun = Instant::now();
    let before: Vec<u64> = publishers.iter().map(Publisher::messages).collect();
    let share = rate.map(|rate| rate / publishers.len() as f64);
    let mut moved_at = begun;
    loop {
        let now = Instant::now();
        if now - begun >= time {
            break;
        }
        if progress.is_stopped() {
            bail!("the receivers failed");
        }
        let paced = share.map_or(u64::MAX, |share| (share * (now - begun).as_secs_f64()) as u64);
        let mut moved = false;
        for (publisher, before) in publishers.iter_mut().zip(&before) {
            if publisher.blocked {
                continue;
            }
            let allowed = publisher.gate.allows(progress).min(before.saturating_add(paced));
            let frame = publisher.tape.frame() as u64;
            let room = allowed.saturating_mul(frame).saturating_sub(publisher.written);
            let most = publisher.batch.min(usize::try_from(room).unwrap_or(usize::MAX));
            // A message that does not go into one batch is still written whole.
            let most = if most == 0 { publisher.unfinished() } else { most };
            if most > 0 {
                moved |= publisher.write(most)? > 0;
            }
        }
        if moved {
            moved_at = now;
        } else if now - moved_at > STUCK {
            bail!("nothing could be published for {STUCK:?}: the server or its receivers stand still");
        } else {
            wait(publishers)?;
        }
    }
    finish(publishers)
}

/// Waits until one of the blocked sockets takes something, or for a moment.
fn wait(publishers: &mut [Publisher]) -> anyhow::Result<()> {
    let all_blocked = publishers.iter().all(|publisher| publisher.blocked);
    let time = if all_blocked {
        Duration::from_millis(20)
    } else {
        PAUSE
    };
    let time = Timespec::try_from(time).context("a short time fits")?;
    let mut blocked: Vec<_> = publishers
        .iter_mut()
        .filter(|publisher| publisher.blocked)
        .collect();
    let mut sockets: Vec<_> = blocked
        .iter()
        .map(|publisher| PollFd::from_borrowed_fd(rustix::fd::AsFd::as_fd(&publisher.stream), PollFlags::OUT))
        .collect();
    match poll(&mut sockets, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = sockets
        .iter()
        .map(|socket| !socket.revents().is_empty())
        .collect();
    drop(sockets);
    for (publisher, ready) in blocked.iter_mut().zip(ready) {
        publisher.blocked = !ready;
    }
    Ok(())
}

/// Ends every message that was begun.
fn finish(publishers: &mut [Publisher]) -> anyhow::Result<()> {
    for publisher in publishers {
        publisher.stream.set_nonblocking(false)?;
        publisher.stream.set_write_timeout(Some(STUCK))?;
        while publisher.unfinished() > 0 {
            publisher.blocked = false;
            publisher.write(publisher.unfinished())?;
            if publisher.blocked {
                bail!("the end of a message could not be published for {STUCK:?}");
            }
        }
        publisher.blocked = false;
    }
    Ok(())
}
