//! Requests and replies: one connection asks, with a number of requests in flight, another answers.
//!
//! Replies have a fixed length, so that the requester finds its way without parsing. The number of a
//! request's slot stands in its reply subject, as client libraries do it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::tape::FILLER;
use crate::client::{Client, PATIENCE};

/// Digits of a slot's number.
const SLOT_DIGITS: usize = 4;
/// More cannot be written in so many digits.
pub(crate) const IN_FLIGHT_MAX: usize = 10_000;

/// What both ends know of each other.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// What the requests are published to.
    pub(crate) subject: String,
    /// The inbox of the requester, without the slot.
    pub(crate) inbox: String,
    /// Bytes of a request, and of a reply.
    pub(crate) payload: usize,
}

const PING: &[u8] = b"PING\r\n";

impl Service {
    fn slot_subject(&self, slot: usize) -> String {
        format!("{}.{slot:0SLOT_DIGITS$}", self.inbox)
    }

    fn body(&self) -> String {
        format!("{}\r\n", char::from(FILLER).to_string().repeat(self.payload))
    }

    fn request(&self, slot: usize) -> Vec<u8> {
        let head = format!(
            "PUB {} {} {}\r\n",
            self.subject,
            self.slot_subject(slot),
            self.payload
        );
        [head, self.body()].concat().into_bytes()
    }

    /// As the requester reads it.
    fn delivered_reply(&self, slot: usize) -> Vec<u8> {
        let head = format!("MSG {} 1 {}\r\n", self.slot_subject(slot), self.payload);
        [head, self.body()].concat().into_bytes()
    }

    /// Has `client` answer.
    pub(crate) fn responder(&self, mut client: Client) -> anyhow::Result<Responder> {
        client.send(format!("SUB {} 1\r\n", self.subject))?;
        Ok(Responder {
            stream: client.into_stream()?,
            answer: format!(" {}\r\n{}", self.payload, self.body()),
        })
    }

    /// Has `client` ask, with so many requests in flight.
    pub(crate) fn requester(&self, mut client: Client, in_flight: usize) -> anyhow::Result<Requester> {
        ensure!(
            (1..=IN_FLIGHT_MAX).contains(&in_flight),
            "so many requests cannot be numbered"
        );
        client.send(format!("SUB {}.* 1\r\n", self.inbox))?;
        let stream = client.into_stream()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Requester {
            stream,
            service: self.clone(),
            in_flight,
        })
    }
}

/// Reads frames of one length, and nothing else but the server's PING.
struct Frames {
    length: usize,
    /// Where the digits of the slot begin.
    slot_at: usize,
    arrived: Vec<u8>,
}

impl Frames {
    /// Of frames like this one, whose slot is `0`.
    fn like(frame: &[u8], inbox: &str) -> anyhow::Result<Self> {
        let at = frame
            .windows(inbox.len())
            .position(|part| part == inbox.as_bytes());
        Ok(Self {
            length: frame.len(),
            slot_at: at.context("the inbox stands in the frame")? + inbox.len() + 1,
            arrived: Vec::new(),
        })
    }

    /// Reads once, and shows the slots of all whole frames.
    fn read(
        &mut self,
        stream: &mut TcpStream,
        mut each: impl FnMut(usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<ControlFlow<()>> {
        if !read_more(stream, &mut self.arrived)? {
            return Ok(ControlFlow::Break(()));
        }
        self.take(&mut each)?;
        Ok(ControlFlow::Continue(()))
    }

    fn take(&mut self, each: &mut impl FnMut(usize) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut at = 0;
        while let Some(&first) = self.arrived.get(at) {
            let rest = &self.arrived[at..];
            if first == b'M' {
                if rest.len() < self.length {
                    break;
                }
                let digits = std::str::from_utf8(&rest[self.slot_at..self.slot_at + SLOT_DIGITS])?;
                let slot = digits.parse().with_context(|| format!("no slot: {digits:?}"))?;
                ensure!(
                    rest[..self.length].ends_with(b"\r\n"),
                    "a frame has another length"
                );
                each(slot)?;
                at += self.length;
            } else if rest.starts_with(PING) {
                at += PING.len();
            } else if PING.starts_with(rest) {
                break;
            } else {
                let said = &rest[..rest.len().min(80)];
                bail!("the server said {:?}", String::from_utf8_lossy(said));
            }
        }
        self.arrived.drain(..at);
        Ok(())
    }
}

/// The connection that answers.
///
/// It reads the line of each request: between accounts a server puts a reply subject of its own and a
/// header in the place of what the requester sent.
pub(crate) struct Responder {
    stream: TcpStream,
    /// What stands behind the reply subject: size, payload and line ends.
    answer: String,
}

impl Responder {
    /// Answers until `stop`.
    pub(crate) fn run(&mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        self.stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        let (mut arrived, mut out) = (Vec::new(), Vec::new());
        while !stop.load(Ordering::Acquire) {
            out.clear();
            if !read_more(&mut self.stream, &mut arrived)? {
                continue;
            }
            let mut at = 0;
            while let Some(Asked { length, reply }) = asked(&arrived[at..])? {
                if let Some(reply) = reply {
                    out.extend_from_slice(b"PUB ");
                    out.extend_from_slice(reply);
                    out.extend_from_slice(self.answer.as_bytes());
                }
                at += length;
            }
            arrived.drain(..at);
            if !out.is_empty() {
                self.stream
                    .write_all(&out)
                    .context("the server closed the responder's connection")?;
            }
        }
        Ok(())
    }
}

/// Reads once. False when there was nothing to read for a while.
fn read_more(stream: &mut TcpStream, arrived: &mut Vec<u8>) -> anyhow::Result<bool> {
    let mut chunk = [0; 32 * 1024];
    match stream.read(&mut chunk) {
        Ok(0) => bail!("the server closed the connection"),
        Ok(read) => {
            arrived.extend_from_slice(&chunk[..read]);
            Ok(true)
        }
        Err(error) if super::receivers::nothing_yet(&error) => Ok(false),
        Err(error) => Err(error).context("the connection failed"),
    }
}

/// What a responder is sent.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'b> {
    /// Bytes of the frame.
    length: usize,
    /// Where the answer goes; none in the server's own PING.
    reply: Option<&'b [u8]>,
}

/// The frame at the beginning, once it has arrived to its end.
fn asked(bytes: &[u8]) -> anyhow::Result<Option<Asked<'_>>> {
    let Some(line_end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return Ok(None);
    };
    let line = &bytes[..=line_end];
    let mut words = line.trim_ascii_end().split(|&byte| byte == b' ');
    let verb = words.next().unwrap_or_default();
    let known = [&b"MSG"[..], b"HMSG", b"PING"].contains(&verb);
    ensure!(known, "the server said {:?}", String::from_utf8_lossy(line));
    if verb == b"PING" {
        return Ok(Some(Asked {
            length: line.len(),
            reply: None,
        }));
    }
    // Behind subject and subscription; the size is the last word, and headers are a part of it.
    let reply = words.nth(2).context("a request has a reply subject")?;
    let size: usize = std::str::from_utf8(words.next_back().context("a request has a size")?)?.parse()?;
    let length = line.len() + size + 2;
    Ok((bytes.len() >= length).then_some(Asked {
        length,
        reply: Some(reply),
    }))
}

/// The connection that asks.
pub(crate) struct Requester {
    stream: TcpStream,
    service: Service,
    in_flight: usize,
}

impl Requester {
    /// Asks for a time, always with the same number of requests in flight, and then waits for the
    /// last replies. The latencies of all requests, in nanoseconds, in the order of the replies.
    pub(crate) fn run(&mut self, time: Duration) -> anyhow::Result<Vec<u32>> {
        let mut frames = Frames::like(&self.service.delivered_reply(0), &self.service.inbox)?;
        let requests = Prepared::new(|slot| self.service.request(slot));
        let mut latencies = Vec::with_capacity(1024 * 1024);
        let mut asked_at: Vec<Option<Instant>> = vec![None; self.in_flight];
        let begun = Instant::now();
        let mut out = Vec::new();
        for (slot, at) in asked_at.iter_mut().enumerate() {
            requests.append(slot, &mut out);
            *at = Some(begun);
        }
        let mut open = self.in_flight;
        while open > 0 {
            if !out.is_empty() {
                self.stream
                    .write_all(&out)
                    .context("the server closed the requester's connection")?;
                out.clear();
            }
            let mut answered = Vec::with_capacity(self.in_flight);
            let read = frames.read(&mut self.stream, |slot| {
                answered.push(slot);
                Ok(())
            })?;
            if read.is_break() {
                bail!("{open} requests were not answered in {PATIENCE:?}");
            }
            let now = Instant::now();
            let goes_on = now - begun < time;
            for slot in answered {
                let at = asked_at.get_mut(slot).and_then(Option::take);
                let at = at.with_context(|| format!("slot {slot} was answered twice"))?;
                latencies.push(u32::try_from((now - at).as_nanos()).unwrap_or(u32::MAX));
                if goes_on {
                    requests.append(slot, &mut out);
                    asked_at[slot] = Some(now);
                } else {
                    open -= 1;
                }
            }
        }
        Ok(latencies)
    }
}

/// A frame whose slot is written into it.
struct Prepared {
    frame: Vec<u8>,
    slot_at: usize,
}

impl Prepared {
    fn new(frame: impl Fn(usize) -> Vec<u8>) -> Self {
        let (zero, nine) = (frame(0), frame(IN_FLIGHT_MAX - 1));
        let differs = zero.iter().zip(&nine).position(|(a, b)| a != b);
        Self {
            slot_at: differs.expect("frames of different slots differ"),
            frame: zero,
        }
    }

    fn append(&self, slot: usize, out: &mut Vec<u8>) {
        let from = out.len() + self.slot_at;
        out.extend_from_slice(&self.frame);
        let mut rest = slot;
        for digit in out[from..from + SLOT_DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service {
            subject: "a.b".to_owned(),
            inbox: "_INBOX.x".to_owned(),
            payload: 3,
        }
    }

    #[test]
    fn prepared_frames_are_those_of_their_slots() {
        let service = service();
        let requests = Prepared::new(|slot| service.request(slot));
        let mut out = Vec::new();
        requests.append(7, &mut out);
        requests.append(9876, &mut out);
        assert_eq!(out, [service.request(7), service.request(9876)].concat());
        assert_eq!(service.request(7), b"PUB a.b _INBOX.x.0007 3\r\nxxx\r\n");
    }

    #[test]
    fn slots_are_read_however_the_stream_is_cut_and_pings_are_passed_over() {
        let service = service();
        let frame = |slot| service.delivered_reply(slot);
        let stream = [frame(1), PING.to_vec(), frame(23), frame(4567)].concat();
        for step in 1..=stream.len() {
            let mut frames = Frames::like(&frame(0), &service.inbox).unwrap();
            let mut slots = Vec::new();
            for chunk in stream.chunks(step) {
                frames.arrived.extend_from_slice(chunk);
                let mut each = |slot| {
                    slots.push(slot);
                    Ok(())
                };
                frames.take(&mut each).unwrap();
            }
            assert_eq!(slots, [1, 23, 4567], "in steps of {step}");
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let refusal = b"-ERR 'Permissions Violation'\r\n";
        let mut frames = Frames::like(&service().delivered_reply(0), "_INBOX.x").unwrap();
        frames.arrived.extend_from_slice(refusal);
        let refused = frames.take(&mut |_| Ok(()));
        assert!(refused.unwrap_err().to_string().contains("Permissions"));
        assert!(asked(refusal).unwrap_err().to_string().contains("Permissions"));
    }

    #[test]
    fn request_is_read_with_its_reply_subject_once_it_is_whole() {
        for (request, reply) in [
            (
                &b"MSG a.b 1 _INBOX.x.0007 3\r\nxxx\r\n"[..],
                Some(&b"_INBOX.x.0007"[..]),
            ),
            (
                b"HMSG a.b 1 _R_.y 12 15\r\nNATS/1.0\r\n\r\nxxx\r\n",
                Some(b"_R_.y"),
            ),
            (PING, None),
        ] {
            for arrived in 0..request.len() {
                assert_eq!(asked(&request[..arrived]).unwrap(), None, "{arrived} bytes");
            }
            let more = [request, b"MSG"].concat();
            let length = request.len();
            assert_eq!(asked(&more).unwrap(), Some(Asked { length, reply }));
        }
    }
}
