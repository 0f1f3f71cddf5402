//! A socket with TLS, WebSocket or both over it, shared by its reader and by whoever writes.
//!
//! ```text
//! read:   socket ─▶ this thread's buffer ─▶ TLS ─▶ frames ─▶ the caller's buffer
//!                        └─ what has no room there waits in `Inward::raw`
//! write:  the caller's bytes ─▶ frames ─▶ TLS ─▶ this thread's buffer ─▶ socket
//!                                                     └─ what it does not take waits in `Outward`
//! ```
//!
//! What must hold:
//! - Only the connection's own task reads; only who has the right to send (`Writer` in
//!   `broker::outbound`) writes. So both locks are free when they are taken, and exist because the
//!   value is shared.
//! - The TLS connection is used by both. Its lock is held while bytes are turned into others and
//!   never across a system call. Records leave in the order in which they were made, because only
//!   the writer takes them out.
//! - Bytes count as written when everything that they became was taken by the socket. Until then
//!   the writer is told that they were not, and hands in the same ones again.
//! - What a layer wants to say by itself (pongs, tickets, keys) is sent by the writer; `owes` says
//!   that there is something. Of pongs only the last one is kept.

use std::io::{self, BufRead as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustls::ServerConnection;
use tokio::net::TcpStream;
use tollway_websocket::bounds::FRAME_BYTES_MAX;
use tollway_websocket::{CloseCode, Event, Inflaters, Receiver, ReceiverLimits, Sender, Upgrade};

use super::bounds::{
    INFLATED_BYTES_MAX, INFLATED_PAYLOADS_MAX, PACKED_BYTES, READ_BYTES, STRANGER_INFLATED_BYTES_MAX,
    STRANGER_READ_BYTES,
};
use super::wire::{self, Wire};
use super::{ReadEnd, WriteEnd, read_socket};

pub(crate) struct Layered {
    tcp: TcpStream,
    tls: Option<Mutex<ServerConnection>>,
    sender: Option<Sender>,
    inward: Mutex<Inward>,
    outward: Mutex<Outward>,
    /// What the layers say by themselves.
    own: Mutex<Own>,
    owes: AtomicBool,
    /// The end is packed: nothing may follow.
    closed: AtomicBool,
    /// A read gives something although the socket may have nothing.
    more: AtomicBool,
    /// The last read took all that the socket had.
    dry: AtomicBool,
}

#[derive(Default)]
struct Inward {
    /// Read from the socket and not unpacked yet.
    raw: Vec<u8>,
    receiver: Option<Receiver>,
    trusted: bool,
    /// The client closed its side.
    over: bool,
    /// What came is broken from here on. What came before is given first.
    failed: Option<ReadEnd>,
}

#[derive(Default)]
struct Outward {
    /// Packed and not taken by the socket from here on.
    packed: Vec<u8>,
    at: usize,
    /// Bytes of the caller that are in it.
    stands_for: usize,
}

#[derive(Default)]
struct Own {
    pong: Option<Vec<u8>>,
    close: Option<(Option<CloseCode>, String)>,
    /// The client closed the websocket, with this code.
    close_received: Option<Option<CloseCode>>,
}

impl Inward {
    /// What the client sends is no websocket any more, so that nothing behind it is looked at.
    fn has_broken_frame(&self) -> bool {
        matches!(self.failed, Some(ReadEnd::Websocket(_)))
    }
}

impl Layered {
    pub(super) fn new(tcp: TcpStream, tls: Option<ServerConnection>, upgrade: Option<&Upgrade>) -> Self {
        let limits = ReceiverLimits {
            inflated_bytes_max: STRANGER_INFLATED_BYTES_MAX,
            long_messages: false,
        };
        let owes = tls.as_ref().is_some_and(|tls| tls.wants_write());
        Self {
            tcp,
            // What arrived with the last part of the handshake waits inside.
            more: AtomicBool::new(tls.is_some()),
            tls: tls.map(Mutex::new),
            sender: upgrade.map(|upgrade| Sender::new(upgrade.compression, upgrade.browser)),
            inward: Mutex::new(Inward {
                receiver: upgrade.map(|upgrade| Receiver::new(upgrade.compression, limits)),
                ..Inward::default()
            }),
            outward: Mutex::default(),
            own: Mutex::default(),
            owes: AtomicBool::new(owes),
            closed: AtomicBool::new(false),
            dry: AtomicBool::new(false),
        }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    pub(super) fn has_more(&self) -> bool {
        self.more.load(Ordering::Relaxed)
    }

    pub(super) fn is_drained(&self) -> bool {
        self.dry.load(Ordering::Relaxed) && !self.has_more()
    }

    pub(super) fn owes(&self) -> bool {
        self.owes.load(Ordering::Relaxed)
    }

    pub(super) fn held(&self) -> usize {
        let inward = self.inward.lock();
        inward.raw.capacity() + inward.receiver.as_ref().map_or(0, Receiver::held_bytes)
    }

    pub(super) fn trust(&self, payload_bytes_max: usize) {
        let mut inward = self.inward.lock();
        inward.trusted = true;
        if let Some(receiver) = &mut inward.receiver {
            let inflated = payload_bytes_max.saturating_mul(INFLATED_PAYLOADS_MAX);
            receiver.set_limits(ReceiverLimits {
                inflated_bytes_max: inflated.min(INFLATED_BYTES_MAX),
                long_messages: true,
            });
        }
    }

    /// One read of the socket, unpacked as far as there is room.
    pub(super) fn read(&self, into: &mut [u8]) -> Result<usize, ReadEnd> {
        let mut inward = self.inward.lock();
        let inward = &mut *inward;
        if inward.over {
            return Ok(0);
        }
        wire::with(
            |Wire {
                 arrived, inflaters, ..
             }| {
                let waiting = std::mem::take(&mut inward.raw);
                let had_more = self.more.swap(false, Ordering::Relaxed);
                let input = if had_more || !waiting.is_empty() {
                    &waiting[..]
                } else {
                    let room = if inward.trusted {
                        READ_BYTES
                    } else {
                        STRANGER_READ_BYTES
                    };
                    match read_socket(&self.tcp, &mut arrived[..room]) {
                        Ok(0) => {
                            inward.over = true;
                            return Ok(0);
                        }
                        Ok(count) => {
                            self.dry.store(count < room, Ordering::Relaxed);
                            &arrived[..count]
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Err(ReadEnd::Nothing);
                        }
                        Err(_) => return Err(ReadEnd::Failed),
                    }
                };
                let (taken, written) = match &self.tls {
                    Some(tls) => self.unpack_tls(&mut tls.lock(), inward, input, into, inflaters),
                    None => self.unpack_frames(inward, input, into, inflaters),
                };
                if taken < input.len() {
                    inward.raw = input[taken..].to_vec();
                    self.more.store(true, Ordering::Relaxed);
                }
                match written {
                    0 if inward.failed.is_some() => Err(inward.failed.take().expect("it is there")),
                    0 if inward.over => Ok(0),
                    0 => Err(ReadEnd::Nothing),
                    _ => {
                        if inward.over || inward.failed.is_some() {
                            self.more.store(true, Ordering::Relaxed);
                        }
                        Ok(written)
                    }
                }
            },
        )
    }

    fn unpack_tls(
        &self,
        tls: &mut ServerConnection,
        inward: &mut Inward,
        input: &[u8],
        into: &mut [u8],
        inflaters: &mut Inflaters,
    ) -> (usize, usize) {
        let (mut taken, mut written) = (0, 0);
        if inward.receiver.as_ref().is_some_and(Receiver::has_more) {
            written = self.unpack_frames(inward, &[], into, inflaters).1;
        }
        loop {
            // What is plain goes out before more is decrypted: the library keeps little of it.
            loop {
                let mut reader = tls.reader();
                let plain = match reader.fill_buf() {
                    Ok([]) => {
                        inward.over = true;
                        break;
                    }
                    Ok(plain) => plain,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => {
                        inward.failed.get_or_insert(ReadEnd::Failed);
                        break;
                    }
                };
                if written == into.len() {
                    self.more.store(true, Ordering::Relaxed);
                    return (taken, written);
                }
                let (used, count) = self.unpack_frames(inward, plain, &mut into[written..], inflaters);
                reader.consume(used);
                written += count;
                if inward.over || inward.has_broken_frame() {
                    return (input.len(), written);
                }
            }
            if inward.failed.is_some() {
                return (input.len(), written);
            }
            if taken == input.len() || inward.over {
                break;
            }
            let mut rest = &input[taken..];
            let before = rest.len();
            let sound = tls.read_tls(&mut rest).is_ok() && tls.process_new_packets().is_ok();
            taken += before - rest.len();
            if tls.wants_write() {
                self.owes.store(true, Ordering::Relaxed);
            }
            if !sound {
                // The records before the broken one are plain by now.
                inward.failed = Some(ReadEnd::Failed);
            }
        }
        (taken, written)
    }

    /// The bytes in frames, or the bytes themselves when there are none.
    fn unpack_frames(
        &self,
        inward: &mut Inward,
        input: &[u8],
        into: &mut [u8],
        inflaters: &mut Inflaters,
    ) -> (usize, usize) {
        if inward.has_broken_frame() {
            return (input.len(), 0);
        }
        let Some(receiver) = &mut inward.receiver else {
            let count = input.len().min(into.len());
            into[..count].copy_from_slice(&input[..count]);
            return (count, count);
        };
        let (mut taken, mut written) = (0, 0);
        loop {
            let received = match receiver.receive(&input[taken..], &mut into[written..], inflaters) {
                Ok(received) => received,
                Err(error) => {
                    inward.failed = Some(ReadEnd::Websocket(error));
                    return (input.len(), written);
                }
            };
            taken += received.taken;
            written += received.written;
            match received.event {
                None => break,
                Some(Event::Pong) => {}
                Some(Event::Ping(payload)) => {
                    self.own.lock().pong = Some(payload);
                    self.owes.store(true, Ordering::Relaxed);
                }
                Some(Event::Close(code)) => {
                    self.own.lock().close_received = Some(code);
                    inward.over = true;
                    return (input.len(), written);
                }
            }
        }
        if receiver.has_more() {
            self.more.store(true, Ordering::Relaxed);
        }
        (taken, written)
    }

    /// Writes as [`super::Transport::write`] says.
    pub(super) fn write(&self, bytes: &[u8], enough: usize) -> (usize, WriteEnd) {
        let mut outward = self.outward.lock();
        let outward = &mut *outward;
        let mut sent = 0;
        match self.send_packed(outward) {
            // Less when the connection ends and what waited was dropped.
            Ok(stood_for) => sent += stood_for.min(bytes.len()),
            Err(end) => return (0, end),
        }
        wire::with(|wire| {
            loop {
                wire.packed.clear();
                let owed = self.owes.swap(false, Ordering::Relaxed);
                if !owed && sent >= bytes.len() {
                    return (sent, WriteEnd::All);
                }
                if !owed && sent >= enough {
                    return (sent, WriteEnd::Enough);
                }
                let Ok(taken) = self.pack(bytes.get(sent..).unwrap_or_default(), owed, wire) else {
                    return (sent, WriteEnd::Failed);
                };
                let mut at = 0;
                while at < wire.packed.len() {
                    match self.tcp.try_write(&wire.packed[at..]) {
                        Ok(0) => return (sent, WriteEnd::Failed),
                        Ok(count) => at += count,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            outward.packed.extend_from_slice(&wire.packed[at..]);
                            outward.stands_for = taken;
                            return (sent, WriteEnd::Full);
                        }
                        Err(_) => return (sent, WriteEnd::Failed),
                    }
                }
                sent += taken;
            }
        })
    }

    /// Sends what the socket did not take before: how many of the caller's bytes that were.
    fn send_packed(&self, outward: &mut Outward) -> Result<usize, WriteEnd> {
        while outward.at < outward.packed.len() {
            match self.tcp.try_write(&outward.packed[outward.at..]) {
                Ok(0) => return Err(WriteEnd::Failed),
                Ok(count) => outward.at += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(WriteEnd::Full),
                Err(_) => return Err(WriteEnd::Failed),
            }
        }
        // Its room too: most connections are idle.
        outward.packed = Vec::new();
        outward.at = 0;
        Ok(std::mem::take(&mut outward.stands_for))
    }

    /// Packs what the layers owe and then some of `bytes`: so many.
    fn pack(&self, bytes: &[u8], owed: bool, wire: &mut Wire) -> io::Result<usize> {
        let Wire {
            packed,
            frames,
            deflater,
            ..
        } = wire;
        frames.clear();
        let end = owed && self.own.lock().pack(self.sender.is_some(), frames);
        if !end && self.closed.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = if end { 0 } else { bytes.len().min(PACKED_BYTES) };
        let plain = match &self.sender {
            Some(sender) => {
                let mut done = 0;
                while done < taken {
                    done += sender.message(&bytes[done..taken], wire::deflater(deflater), frames);
                }
                &frames[..]
            }
            None => &bytes[..taken],
        };
        match &self.tls {
            Some(tls) => encrypt(&mut tls.lock(), plain, end, packed)?,
            None => packed.extend_from_slice(plain),
        }
        if end {
            self.closed.store(true, Ordering::Relaxed);
        }
        Ok(taken)
    }

    /// Packs the end of the conversation; nothing may be written behind it.
    pub(super) fn close(&self, code: CloseCode, reason: &str) {
        let mut own = self.own.lock();
        if own.close.is_some() || self.closed.load(Ordering::Relaxed) {
            return;
        }
        own.close = Some(match own.close_received {
            // What the client said is said back.
            Some(code) => (code, String::new()),
            None => (Some(code), reason.to_owned()),
        });
        drop(own);
        self.owes.store(true, Ordering::Relaxed);
    }
}

impl Own {
    /// Appends the frames that are owed, if there are frames. True when nothing may follow.
    fn pack(&mut self, in_frames: bool, frames: &mut Vec<u8>) -> bool {
        if let Some(payload) = self.pong.take() {
            tollway_websocket::pong(&payload, frames);
        }
        let Some((code, reason)) = self.close.take() else {
            return false;
        };
        if in_frames {
            tollway_websocket::close(code, &reason, frames);
        }
        true
    }
}

/// Appends the records of `plain`, behind what TLS wants to send itself.
fn encrypt(tls: &mut ServerConnection, plain: &[u8], end: bool, packed: &mut Vec<u8>) -> io::Result<()> {
    tls.writer().write_all(plain)?;
    if end {
        tls.send_close_notify();
    }
    while tls.wants_write() {
        tls.write_tls(packed)?;
    }
    Ok(())
}

const _: () = assert!(PACKED_BYTES <= FRAME_BYTES_MAX);
