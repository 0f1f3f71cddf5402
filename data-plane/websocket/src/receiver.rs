//! From the frames of a client to the bytes in them.

use crate::bounds::{CONTROL_BYTES_MAX, HELD_BYTES_MAX, INFLATER_BYTES};
use crate::close::{self, CloseBody, CloseCode};
use crate::frame::{HEAD_BYTES_MAX, Head, Opcode, read_head};
use crate::inflate::{ENDING, Inflater, Inflaters, NotCompressed};
use crate::mask::Mask;

/// What a client may send at present. It grows when the client has authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverLimits {
    /// Bytes that a compressed message may become. Messages that are not compressed pass through
    /// as they arrive and need no bound.
    pub inflated_bytes_max: usize,
    /// Whether a compressed message may be longer than [`HELD_BYTES_MAX`], and with it whether an
    /// unfinished one may take an inflater.
    pub long_messages: bool,
}

/// Turns frames into the bytes in them. NATS does not care where messages begin and end, so they
/// are not put together; only compressed ones have to be begun at their beginning.
///
/// What it holds between two calls is bounded: the head of a frame, a control frame, the beginning
/// of a compressed message, see [`ReceiverLimits`].
#[derive(Debug)]
pub struct Receiver {
    /// Whether compression was agreed on.
    compression: bool,
    limits: ReceiverLimits,
    head: [u8; HEAD_BYTES_MAX],
    head_length: usize,
    frame: Option<Frame>,
    message: Option<Message>,
    control: Vec<u8>,
    /// The client closed: nothing counts any more.
    closed: bool,
    /// What it did wrong behind bytes that were good: those are given first.
    failed: Option<ReceiveError>,
}

#[derive(Debug)]
struct Frame {
    head: Head,
    left: u64,
    mask: Mask,
}

/// A message that is begun and not over.
#[derive(Debug, Default)]
struct Message {
    compressed: bool,
    /// The beginning of a compressed message, until there is an inflater.
    held: Vec<u8>,
    held_used: usize,
    inflater: Option<Inflater>,
    /// The output was full: there may be more inside.
    more_inside: bool,
    inflated: usize,
    /// All frames are there.
    ending: bool,
    ending_used: usize,
}

/// What one call did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes of the input that are done with.
    pub taken: usize,
    /// Bytes of the output that were written.
    pub written: usize,
    /// What the client wants beside that. There may be more input behind it.
    pub event: Option<Event>,
}

/// What a control frame says.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Asks for a pong with the same bytes. Only the last ping has to be answered.
    Ping(Vec<u8>),
    /// Answers a ping.
    Pong,
    /// The client closes and expects the same code back, when it gave one.
    Close(Option<CloseCode>),
}

/// What a client sent that it may not: the websocket has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ReceiveError {
    /// What the client is told.
    pub code: CloseCode,
    /// In words.
    pub reason: &'static str,
}

const fn protocol(reason: &'static str) -> ReceiveError {
    ReceiveError {
        code: CloseCode::PROTOCOL_ERROR,
        reason,
    }
}

const TOO_BIG: ReceiveError = ReceiveError {
    code: CloseCode::TOO_BIG,
    reason: "a compressed message is too big",
};

const DAMAGED: ReceiveError = ReceiveError {
    code: CloseCode::INVALID_DATA,
    reason: "compressed data is damaged",
};

/// Bytes that are unmasked at once for an inflater, on the stack.
const UNMASKED_BYTES: usize = 1024;

impl Receiver {
    /// For a client with which compression was agreed on, or not.
    pub fn new(compression: bool, limits: ReceiverLimits) -> Self {
        Self {
            compression,
            limits,
            head: [0; HEAD_BYTES_MAX],
            head_length: 0,
            frame: None,
            message: None,
            control: Vec::new(),
            closed: false,
            failed: None,
        }
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: ReceiverLimits) {
        self.limits = limits;
    }

    /// Bytes that are held for the client beside this value.
    pub fn held_bytes(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| {
            message.held.capacity() + message.inflater.as_ref().map_or(0, |_| INFLATER_BYTES)
        });
        self.control.capacity() + message
    }

    /// Whether another call writes more although nothing more arrived.
    pub fn has_more(&self) -> bool {
        let inside = self.message.as_ref();
        self.failed.is_some()
            || inside
                .is_some_and(|message| message.inflater.is_some() && (message.more_inside || message.ending))
    }

    /// Takes some of `input` and writes what it holds to `output`. Everything was taken, or the
    /// output is full, or there is an event.
    ///
    /// # Errors
    /// When the client did what it may not, and all that came before was given. There is nothing to
    /// be done with this value then but to drop it.
    pub fn receive(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        inflaters: &mut Inflaters,
    ) -> Result<Received, ReceiveError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut received = Received::default();
        let mut sound = 0;
        match self.receive_into(&mut received, &mut sound, input, output, inflaters) {
            Err(error) if sound > 0 => {
                self.failed = Some(error);
                received.taken = input.len();
                received.written = sound;
            }
            outcome => outcome?,
        }
        Ok(received)
    }

    /// `sound` is how much was written that counts whatever comes: not the beginning of a compressed
    /// message, which may turn out to be too big or damaged.
    fn receive_into(
        &mut self,
        received: &mut Received,
        sound: &mut usize,
        input: &[u8],
        output: &mut [u8],
        inflaters: &mut Inflaters,
    ) -> Result<(), ReceiveError> {
        while !self.closed {
            if !self.message.as_ref().is_some_and(|message| message.compressed) {
                *sound = received.written;
            }
            let rest = &mut output[received.written..];
            if let Some(message) = &mut self.message
                && message.inflater.is_some()
                && (message.more_inside || message.ending || message.held_used < message.held.len())
            {
                if rest.is_empty() {
                    return Ok(());
                }
                received.written += message.go_on(rest, self.limits)?;
                if message.more_inside {
                    return Ok(());
                }
                if message.ending {
                    message
                        .inflater
                        .take()
                        .into_iter()
                        .for_each(|inflater| inflaters.give(inflater));
                    self.message = None;
                }
                continue;
            }
            let arrived = &input[received.taken..];
            let Some(frame) = &mut self.frame else {
                let Some(taken) = self.begin_frame(arrived)? else {
                    received.taken = input.len();
                    return Ok(());
                };
                received.taken += taken;
                continue;
            };
            let here = arrived
                .len()
                .min(usize::try_from(frame.left).unwrap_or(usize::MAX));
            if frame.left == 0 {
                received.event = self.end_frame(inflaters)?;
                if received.event.is_some() {
                    return Ok(());
                }
                continue;
            }
            if here == 0 {
                return Ok(());
            }
            let arrived = &arrived[..here];
            let taken = if frame.head.opcode.is_control() {
                let begin = self.control.len();
                self.control.resize(begin + here, 0);
                frame.mask.copy(arrived, &mut self.control[begin..])
            } else {
                let message = self.message.as_mut().expect("a data frame is of a message");
                if message.compressed {
                    let taken = message.hold_or_inflate(
                        frame,
                        arrived,
                        rest,
                        self.limits,
                        inflaters,
                        &mut received.written,
                    )?;
                    frame.mask.advance(taken);
                    taken
                } else {
                    let copied = frame.mask.copy(arrived, rest);
                    received.written += copied;
                    copied
                }
            };
            received.taken += taken;
            frame.left -= taken as u64;
            // What is left is for the next call, unless it was the held beginning that came first.
            let full = received.written == output.len();
            if taken < here && full {
                return Ok(());
            }
        }
        received.taken = input.len();
        Ok(())
    }

    /// Reads the head of the next frame: how many bytes that took, or none when more are needed.
    fn begin_frame(&mut self, input: &[u8]) -> Result<Option<usize>, ReceiveError> {
        let mut taken = 0;
        let head = loop {
            match read_head(&self.head[..self.head_length]).map_err(protocol)? {
                Ok((head, _)) => break head,
                Err(needed) => {
                    let bytes = &input[taken..];
                    let count = bytes.len().min(needed - self.head_length);
                    if count == 0 {
                        return Ok(None);
                    }
                    self.head[self.head_length..self.head_length + count].copy_from_slice(&bytes[..count]);
                    self.head_length += count;
                    taken += count;
                }
            }
        };
        self.head_length = 0;
        if head.compressed && !self.compression {
            return Err(protocol("a message is compressed, which was not agreed on"));
        }
        match (head.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(protocol("there is no message to go on with")),
            (Opcode::Continuation, Some(_)) if head.compressed => {
                return Err(protocol("compression is said where a message begins"));
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(protocol("a message begins before the last one is over"));
            }
            (Opcode::Text | Opcode::Binary, None) => {
                self.message = Some(Message {
                    compressed: head.compressed,
                    ..Message::default()
                });
            }
            (Opcode::Continuation, Some(_)) => {}
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {
                self.control.clear();
                self.control.reserve_exact(head.length as usize);
            }
        }
        self.frame = Some(Frame {
            head,
            left: head.length,
            mask: Mask::new(head.mask),
        });
        Ok(Some(taken))
    }

    /// All bytes of a frame are there.
    fn end_frame(&mut self, inflaters: &mut Inflaters) -> Result<Option<Event>, ReceiveError> {
        let Some(Frame { head, .. }) = self.frame.take() else {
            return Ok(None);
        };
        debug_assert!(self.control.len() <= CONTROL_BYTES_MAX);
        let control = match head.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                match &mut self.message {
                    Some(message) if head.last && message.compressed => {
                        message.inflater.get_or_insert_with(|| inflaters.take());
                        message.ending = true;
                    }
                    _ if head.last => self.message = None,
                    _ => {}
                }
                return Ok(None);
            }
            // Nothing of it is kept for a connection that is idle afterwards.
            _ => std::mem::take(&mut self.control),
        };
        Ok(Some(match head.opcode {
            Opcode::Ping => Event::Ping(control),
            Opcode::Pong => Event::Pong,
            _ => {
                self.closed = true;
                let body = close::read(&control).map_err(|code| ReceiveError {
                    code,
                    reason: "a close frame is not well-formed",
                })?;
                Event::Close(match body {
                    CloseBody::Empty => None,
                    CloseBody::Code(code) => Some(code),
                })
            }
        }))
    }
}

impl Message {
    /// Takes a part of a frame of a compressed message: so many bytes.
    fn hold_or_inflate(
        &mut self,
        frame: &Frame,
        arrived: &[u8],
        output: &mut [u8],
        limits: ReceiverLimits,
        inflaters: &mut Inflaters,
        written: &mut usize,
    ) -> Result<usize, ReceiveError> {
        let mut mask = frame.mask;
        if self.inflater.is_none() {
            let all_here = frame.head.last && arrived.len() as u64 == frame.left;
            let too_long = self.held.len() + arrived.len() > HELD_BYTES_MAX;
            if too_long && !limits.long_messages {
                return Err(TOO_BIG);
            }
            if !all_here && !too_long {
                let begin = self.held.len();
                self.held.reserve_exact(HELD_BYTES_MAX - begin);
                self.held.resize(begin + arrived.len(), 0);
                return Ok(mask.copy(arrived, &mut self.held[begin..]));
            }
            self.inflater = Some(inflaters.take());
            if !self.held.is_empty() {
                // It goes first, and then this.
                return Ok(0);
            }
        }
        let mut plain = [0; UNMASKED_BYTES];
        let length = mask.copy(arrived, &mut plain);
        let (taken, count) = self.inflate(&plain[..length], output, limits)?;
        *written += count;
        Ok(taken)
    }

    /// Inflates what is held, what is inside, and the end of the message. Says how much it wrote.
    fn go_on(&mut self, output: &mut [u8], limits: ReceiverLimits) -> Result<usize, ReceiveError> {
        let mut written = 0;
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            let (taken, count) = self.inflate(&held[self.held_used..], output, limits)?;
            written += count;
            self.held_used += taken;
            if self.held_used < held.len() {
                self.held = held;
                return Ok(written);
            }
            self.held_used = 0;
        } else if self.more_inside {
            written += self.inflate(&[], output, limits)?.1;
        }
        if self.ending && !self.more_inside {
            let (taken, count) = self.inflate(&ENDING[self.ending_used..], &mut output[written..], limits)?;
            written += count;
            self.ending_used += taken;
            let whole = self.inflater.as_ref().is_some_and(Inflater::is_over);
            if !self.more_inside && !whole {
                return Err(DAMAGED);
            }
        }
        Ok(written)
    }

    fn inflate(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        limits: ReceiverLimits,
    ) -> Result<(usize, usize), ReceiveError> {
        let damaged = |NotCompressed| DAMAGED;
        let inflater = self.inflater.as_mut().expect("taken before anything is inflated");
        let allowed = limits.inflated_bytes_max.saturating_sub(self.inflated);
        if allowed == 0 {
            self.more_inside = false;
            let (taken, over) = inflater.run(input, &mut [0]).map_err(damaged)?;
            return if over > 0 { Err(TOO_BIG) } else { Ok((taken, 0)) };
        }
        let room = output.len().min(allowed);
        let (taken, written) = inflater.run(input, &mut output[..room]).map_err(damaged)?;
        self.inflated += written;
        self.more_inside = written == room;
        Ok((taken, written))
    }
}
