//! Measures the engine on a real disk: `cargo run --release -p tollway-store --example measure -- FOLDER`.
//!
//! Append without a disk, durable throughput and latency with so many messages in flight, bytes of
//! memory per message, and how long it takes to open a gigabyte.

// A measurement has a clock and says what it found.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::disallowed_types)]

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use tollway_store::{Durability, NewMessage, Options, ReadBuffer, RealDisk, StreamId, open};

const PAYLOAD: [u8; 128] = [7; 128];

fn message(stream: StreamId, sequence: u64) -> NewMessage<'static> {
    NewMessage {
        stream,
        sequence,
        time: 1,
        subject: b"orders.new",
        headers: b"",
        payload: &PAYLOAD,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("say in which folder to measure")?;
    let folder = Path::new(&folder).join("measure");
    append_cost(&folder.join("append"))?;
    for in_flight in [1, 100, 1000, 10_000] {
        in_flight_rate(&folder.join("rate"), in_flight)?;
    }
    recovery(&folder.join("recovery"))?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// What the caller of `append` pays, apart from the disk.
fn append_cost(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options {
        waiting_bytes: 1 << 30,
        account_waiting_bytes: 1 << 30,
        ..Options::default()
    };
    let (store, mut writer, _) = open(RealDisk::open(folder)?, options, 1)?;
    let account = store.account(b"one")?;
    let (stream, _) = store.create_stream(account, Durability::Disk)?;
    writer.commit(&mut |_| {})?;
    const COUNT: u64 = 1_000_000;
    let begin = Instant::now();
    for sequence in 1..=COUNT {
        store.append(&message(stream, sequence))?;
    }
    let appended = begin.elapsed();
    let begin = Instant::now();
    while writer.commit(&mut |_| {})? {}
    println!(
        "append: {} ns per message; commit of what waited: {} ns per message",
        appended.as_nanos() as u64 / COUNT,
        begin.elapsed().as_nanos() as u64 / COUNT
    );
    println!(
        "memory: {:.1} bytes per message",
        store.memory() as f64 / COUNT as f64
    );
    let mut buffer = ReadBuffer::default();
    let (mut from, mut read) = (1, 0);
    let begin = Instant::now();
    while from <= COUNT {
        from = store.read_from(stream, from, 1000, &mut buffer, &mut |message| {
            read += u64::from(message.is_ok());
            true
        });
    }
    println!(
        "read: {} ns per message of {read}",
        begin.elapsed().as_nanos() as u64 / COUNT
    );
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// A closed loop: as many messages wait as are in flight, and each is replaced when it is done.
fn in_flight_rate(folder: &Path, in_flight: u64) -> Result<(), Box<dyn std::error::Error>> {
    let (store, mut writer, _) = open(RealDisk::open(folder)?, Options::default(), 1)?;
    let account = store.account(b"one")?;
    let (stream, _) = store.create_stream(account, Durability::Disk)?;
    writer.commit(&mut |_| {})?;
    while writer.housekeep(&mut (), &mut |_| {})? {}
    let mut times = Vec::new();
    let mut waiting: VecDeque<Instant> = VecDeque::new();
    let mut sequence = 0;
    let begin = Instant::now();
    while begin.elapsed().as_secs() < 3 {
        while (waiting.len() as u64) < in_flight {
            sequence += 1;
            store.append(&message(stream, sequence))?;
            waiting.push_back(Instant::now());
        }
        writer.commit(&mut |_| {})?;
        // All that is in flight fits into one batch, or the rest waits for the next one.
        let left = store.waiting_bytes() / 184;
        while waiting.len() > left {
            times.extend(waiting.pop_front().map(|sent| sent.elapsed()));
        }
        writer.housekeep(&mut (), &mut |_| {})?;
    }
    let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
    times.sort_unstable();
    println!(
        "{in_flight} in flight: {rate:.0} messages/s on the disk, p50 {:?}, p99 {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Opening a gigabyte: all of it read again, and with the checkpoint of a clean end.
fn recovery(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options {
        checkpoint_bytes: u64::MAX,
        ..Options::default()
    };
    let (store, mut writer, _) = open(RealDisk::open(folder)?, options, 1)?;
    let account = store.account(b"one")?;
    let mut streams = Vec::new();
    for _ in 0..1000 {
        streams.push(store.create_stream(account, Durability::Os)?.0);
    }
    let messages = (1u64 << 30) / 184;
    for number in 0..messages {
        let stream = streams[(number % 1000) as usize];
        store.append(&message(stream, number / 1000 + 1))?;
        if number % 4000 == 0 {
            writer.commit(&mut |_| {})?;
        }
    }
    while writer.commit(&mut |_| {})? {}
    writer.sync()?;
    println!(
        "memory: {:.1} bytes per message in 1000 streams",
        store.memory() as f64 / messages as f64
    );
    drop((store, writer));
    let begin = Instant::now();
    let (_, writer, recovered) = open(RealDisk::open(folder)?, options, 1)?;
    println!(
        "opening {} MB without a checkpoint: {:?}",
        recovered.scanned_bytes >> 20,
        begin.elapsed()
    );
    writer.close(&mut (), &mut |_| {})?;
    let begin = Instant::now();
    let (.., recovered) = open(RealDisk::open(folder)?, options, 1)?;
    println!(
        "opening it with a checkpoint ({} bytes read): {:?}",
        recovered.scanned_bytes,
        begin.elapsed()
    );
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
