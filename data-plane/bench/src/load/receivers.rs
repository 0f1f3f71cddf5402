//! One thread that reads what all receivers get, and counts.

use std::io::{self, Read as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::event::{Timespec, epoll};

use super::Counter;

/// As large as what a socket usually holds, small enough for a processor's cache.
const CHUNK: usize = 256 * 1024;

/// How often a thread that reads nothing looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// What has arrived so far, per receiver; written by the reading thread, read by the publishers' one.
pub(crate) struct Progress {
    frames: Vec<AtomicU64>,
    stop: AtomicBool,
}

impl Progress {
    pub(crate) fn new(receivers: usize) -> Self {
        Self {
            frames: (0..receivers).map(|_| AtomicU64::new(0)).collect(),
            stop: AtomicBool::new(false),
        }
    }

    /// Messages that all of them together have read.
    pub(crate) fn sum(&self, receivers: std::ops::Range<usize>) -> u64 {
        self.frames[receivers]
            .iter()
            .map(|frames| frames.load(Ordering::Relaxed))
            .sum()
    }

    /// Messages that the slowest of them has read.
    pub(crate) fn least(&self, receivers: std::ops::Range<usize>) -> u64 {
        let frames = self.frames[receivers]
            .iter()
            .map(|frames| frames.load(Ordering::Relaxed));
        frames.min().unwrap_or(u64::MAX)
    }

    /// Messages that the fastest of them has read.
    pub(crate) fn most(&self, receivers: std::ops::Range<usize>) -> u64 {
        let frames = self.frames[receivers]
            .iter()
            .map(|frames| frames.load(Ordering::Relaxed));
        frames.max().unwrap_or(0)
    }

    /// How many receivers there are.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Has the reading thread end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Lets a reading thread begin again.
    pub(crate) fn go_on(&self) {
        self.stop.store(false, Ordering::Release);
    }

    /// Whether the reading thread ends or has ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Connections that receive, with what was counted on each.
pub(crate) struct Receivers {
    connections: Vec<(TcpStream, Counter)>,
}

impl Receivers {
    pub(crate) fn new(connections: impl IntoIterator<Item = (TcpStream, Counter)>) -> Self {
        Self {
            connections: connections.into_iter().collect(),
        }
    }

    /// Reads until [`Progress::stop`].
    pub(crate) fn run(&mut self, progress: &Progress) -> anyhow::Result<()> {
        match &mut self.connections[..] {
            [] => Ok(()),
            [(stream, counter)] => read_one(stream, counter, progress),
            all => read_all(all, progress),
        }
    }
}

/// One receiver needs no call to ask which is ready.
fn read_one(stream: &mut TcpStream, counter: &mut Counter, progress: &Progress) -> anyhow::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK))?;
    let mut chunk = vec![0; CHUNK];
    while !progress.is_stopped() {
        read_once(stream, counter, &mut chunk)?;
        progress.frames[0].store(counter.frames(), Ordering::Relaxed);
    }
    Ok(())
}

fn read_all(all: &mut [(TcpStream, Counter)], progress: &Progress) -> anyhow::Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (number, (stream, _)) in all.iter().enumerate() {
        stream.set_nonblocking(true)?;
        epoll::add(
            &poll,
            stream,
            epoll::EventData::new_u64(number as u64),
            epoll::EventFlags::IN,
        )?;
    }
    let mut chunk = vec![0; CHUNK];
    let mut events = vec![
        epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        };
        256
    ];
    let look = Timespec::try_from(LOOK).context("a short time fits")?;
    while !progress.is_stopped() {
        let ready = match epoll::wait(&poll, &mut events[..], Some(&look)) {
            Ok(ready) => ready,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..ready] {
            let number = event.data.u64() as usize;
            let (stream, counter) = &mut all[number];
            read_once(stream, counter, &mut chunk)?;
            progress.frames[number].store(counter.frames(), Ordering::Relaxed);
        }
    }
    Ok(())
}

fn read_once(stream: &mut TcpStream, counter: &mut Counter, chunk: &mut [u8]) -> anyhow::Result<()> {
    match stream.read(chunk) {
        Ok(0) => bail!("the server closed a receiver's connection"),
        Ok(read) => counter.read(&chunk[..read]),
        Err(error) if nothing_yet(&error) => Ok(()),
        Err(error) => Err(error).context("a receiver's connection failed"),
    }
}

pub(crate) fn nothing_yet(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
