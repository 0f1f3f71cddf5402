//! Bytes that wait until a receiver's socket takes them, and which of them are messages.
//!
//! A message is billed when the socket took the last byte of it. Nobody wants to look at each
//! message for that, so messages are counted by parts: what one publisher brought, or several
//! together while that is little. A part is billed when it was sent to its end. Only when a
//! connection ends in the middle of one, the messages of that part are looked at.

use std::collections::VecDeque;

use super::bounds::PART_BYTES;
use super::meters::Tally;

/// Whole protocol messages in their order, some of them sent.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    bytes: Vec<u8>,
    /// Those before are sent.
    sent: usize,
    /// Where the first part begins. Parts lie one behind the other up to the end of `bytes`.
    begin: usize,
    parts: VecDeque<Part>,
}

#[derive(Debug)]
struct Part {
    end: usize,
    tally: Tally,
}

impl Waiting {
    /// What nobody has sent yet, in this room.
    pub(crate) fn new(mut room: Vec<u8>) -> Self {
        room.clear();
        Self {
            bytes: room,
            ..Self::default()
        }
    }

    /// One part, of which so many bytes are sent.
    pub(crate) fn begun(bytes: Vec<u8>, sent: usize, tally: Tally) -> Self {
        let end = bytes.len();
        Self {
            bytes,
            sent,
            begin: 0,
            parts: [Part { end, tally }].into(),
        }
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// How much memory it takes.
    pub(crate) fn room(&self) -> usize {
        self.bytes.capacity() + self.parts.capacity() * size_of::<Part>()
    }

    pub(crate) fn append(&mut self, bytes: &[u8], tally: Tally) {
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len();
        let begin = match self.parts.len() {
            0 | 1 => self.begin,
            count => self.parts[count - 2].end,
        };
        match self.parts.back_mut() {
            Some(last) if end - begin <= PART_BYTES => {
                last.end = end;
                last.tally.add(tally);
            }
            _ => self.parts.push_back(Part { end, tally }),
        }
    }

    /// So many more bytes are sent. Gives the messages that are to be billed for that.
    pub(crate) fn advance(&mut self, count: usize) -> Tally {
        self.sent += count;
        let mut sent = Tally::default();
        while let Some(part) = self.parts.front().filter(|part| part.end <= self.sent) {
            self.begin = part.end;
            sent.add(part.tally);
            self.parts.pop_front();
        }
        sent
    }

    /// All messages that are not billed, sent or not.
    pub(crate) fn take_tally(&mut self) -> Tally {
        let mut all = Tally::default();
        for part in &mut self.parts {
            all.add(std::mem::take(&mut part.tally));
        }
        all
    }

    /// No more will be sent. Gives the messages that were sent and are not billed.
    pub(crate) fn abandon(self) -> Tally {
        let Some(part) = self.parts.front().filter(|_| self.begin < self.sent) else {
            return Tally::default();
        };
        messages_in(&self.bytes[self.begin..self.sent]).at_most(part.tally)
    }

    /// The room, for other bytes.
    pub(crate) fn into_room(self) -> Vec<u8> {
        let mut room = self.bytes;
        room.clear();
        room
    }

    /// Gives room back that is more than `room_max`. Only for when nothing waits.
    pub(crate) fn shrink(&mut self, room_max: usize) {
        if self.room() > room_max {
            *self = Self::default();
        }
    }
}

/// The whole messages in bytes that our own encoder made, the last of which may be cut off.
fn messages_in(mut bytes: &[u8]) -> Tally {
    let mut found = Tally::default();
    while let Some(line_end) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let line = &bytes[..line_end];
        let mut rest = &bytes[line_end + 2..];
        if line.starts_with(b"MSG ") || line.starts_with(b"HMSG ") {
            let Some((body, metered)) = sizes(line) else {
                break;
            };
            let Some(behind) = rest.get(body + 2..) else { break };
            found.count(metered);
            rest = behind;
        }
        bytes = rest;
    }
    found
}

/// How long the body behind a control line is, and what the message counts in the meters.
fn sizes(line: &[u8]) -> Option<(usize, usize)> {
    let mut words = line.split(|&byte| byte == b' ');
    let headers = usize::from(words.next()? == b"HMSG");
    let subject = words.next()?.len();
    let _sid = words.next()?;
    let mut rest = words.clone();
    let reply = match words.count() - headers {
        1 => 0,
        _ => rest.next()?.len(),
    };
    let body = std::str::from_utf8(rest.next_back()?).ok()?.parse().ok()?;
    Some((body, subject + reply + body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollway_wire::{Message, encoder};

    fn tally(messages: u64, bytes: u64) -> Tally {
        Tally { messages, bytes }
    }

    /// A part as publishers bring them: messages with everything that a message can have, and
    /// answers between them.
    fn part(number: usize) -> (Vec<u8>, Tally) {
        let (mut out, mut tally) = (Vec::new(), Tally::default());
        for turn in 0..number % 4 + 1 {
            let body = vec![b'\r'; number * 7 + turn];
            let reply = (turn % 2 == 0).then_some(&b"in.box"[..]);
            let message = if number.is_multiple_of(3) {
                let with_headers = [b"NATS/1.0\r\nA: b\r\n\r\n", &body[..]].concat();
                encoder::message(
                    &mut out,
                    &Message::with_headers(b"a.b.c", reply, &with_headers, 18).expect("the head is whole"),
                    b"17",
                    true,
                );
                5 + reply.map_or(0, <[u8]>::len) + with_headers.len()
            } else {
                encoder::message(&mut out, &Message::new(b"a.b.c", reply, &body), b"17", true);
                5 + reply.map_or(0, <[u8]>::len) + body.len()
            };
            tally.count(message);
            encoder::pong(&mut out);
        }
        (out, tally)
    }

    /// Where messages end, by the slow way: those that end within so many bytes are sent.
    fn sent_of(parts: &[(Vec<u8>, Tally)], sent: usize) -> Tally {
        let all: Vec<u8> = parts.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        messages_in(&all[..sent])
    }

    #[test]
    fn wherever_a_connection_ends_exactly_the_messages_that_were_sent_are_billed() {
        let parts: Vec<_> = (0..12).map(part).collect();
        let mut all = Tally::default();
        parts.iter().for_each(|(_, tally)| all.add(*tally));
        let total: usize = parts.iter().map(|(bytes, _)| bytes.len()).sum();
        assert_eq!(sent_of(&parts, total), all, "the slow way finds what was put in");
        for end in 0..=total {
            let mut waiting = Waiting::new(Vec::new());
            parts
                .iter()
                .for_each(|(bytes, tally)| waiting.append(bytes, *tally));
            let mut billed = Tally::default();
            let mut left = end;
            while left > 0 {
                let step = left.min(101);
                billed.add(waiting.advance(step));
                left -= step;
            }
            assert_eq!(waiting.is_empty(), end == total);
            billed.add(waiting.abandon());
            assert_eq!(billed, sent_of(&parts, end), "the first {end} bytes");
        }
    }

    #[test]
    fn parts_are_billed_when_they_are_sent_and_little_ones_together() {
        let mut waiting = Waiting::begun(vec![b'x'; 100], 40, tally(3, 30));
        for _ in 0..10 {
            waiting.append(&[b'y'; PART_BYTES / 4], tally(1, 10));
        }
        assert!(waiting.parts.len() <= 4, "{}", waiting.parts.len());
        assert_eq!(waiting.advance(59), tally(0, 0));
        let mut billed = Tally::default();
        while !waiting.is_empty() {
            billed.add(waiting.advance(1));
        }
        assert_eq!(billed, tally(13, 130));
    }

    #[test]
    fn what_is_taken_is_not_billed_again() {
        let (bytes, of_part) = part(3);
        let mut waiting = Waiting::begun(bytes.clone(), 0, of_part);
        assert_eq!(waiting.take_tally(), of_part);
        assert_eq!(waiting.advance(bytes.len() - 1), tally(0, 0));
        assert_eq!(waiting.abandon(), tally(0, 0));
    }
}
