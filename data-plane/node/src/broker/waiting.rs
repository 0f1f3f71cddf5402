//! Bytes that wait until a receiver's socket takes them, and which of them are messages.
//!
//! A message is billed when the socket took the last byte of it. Nobody wants to look at each
//! message for that, so messages are counted by parts: what one publisher brought, or several
//! together while that is little. A part is billed when it was sent to its end. Only when a
//! connection ends in the middle of one, the messages of that part are looked at.

use std::collections::VecDeque;

use tollway_accounts::Amount;

use super::bounds::PART_BYTES;
use super::meters::Tally;

/// Where messages come from, for whom they count when they are delivered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The receiver's own account.
    #[default]
    Home,
    /// Another account, which the receiver listens to or has asked.
    Abroad,
    /// Another account, which asks.
    Request,
}

impl Source {
    pub(crate) fn is_home(self) -> bool {
        self == Self::Home
    }
}

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
    home: bool,
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
            parts: [Part {
                end,
                tally,
                home: true,
            }]
            .into(),
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

    /// All messages that wait, and those of them that came from other accounts.
    pub(crate) fn tallies(&self) -> (Tally, Tally) {
        let (mut all, mut abroad) = (Tally::default(), Tally::default());
        for part in &self.parts {
            all.add(part.tally);
            if !part.home {
                abroad.add(part.tally);
            }
        }
        (all, abroad)
    }

    /// Whether what is first came from the receiver's own account, if there is anything.
    pub(crate) fn is_front_home(&self) -> Option<bool> {
        self.parts.front().map(|part| part.home)
    }

    /// Takes what is first over to `taken`: as many messages of one source as are allowed, at least
    /// one; or, when none are, what is no message and in front of all of them. Gives the messages, if
    /// anything was taken. Only for what was not sent in part.
    pub(crate) fn take_front(&mut self, allowed: Option<Amount>, taken: &mut Self) -> Option<Tally> {
        debug_assert_eq!(self.begin, self.sent, "messages are taken whole");
        let part = self.parts.front_mut()?;
        let bytes = &self.bytes[self.sent..part.end];
        let whole = Amount::from(part.tally).fits(allowed.unwrap_or_default());
        let (length, tally) = match whole {
            true => (bytes.len(), part.tally),
            false => front_of(bytes, allowed),
        };
        if length == 0 && !whole {
            return None;
        }
        // What is counted elsewhere (see `take_tally`) is not counted here.
        let tally = tally.at_most(part.tally);
        taken.append(&bytes[..length], tally, part.home);
        part.tally.subtract(tally);
        self.sent += length;
        self.begin = self.sent;
        if self.sent == part.end {
            self.parts.pop_front();
        }
        self.compact();
        Some(tally)
    }

    /// Moves what waits to the front of its room, when what was taken is the larger part of that.
    fn compact(&mut self) {
        if self.sent == self.bytes.len() {
            self.bytes.clear();
        } else if self.sent < PART_BYTES || self.sent < self.bytes.len() / 2 {
            return;
        } else {
            self.bytes.drain(..self.sent);
        }
        for part in &mut self.parts {
            part.end -= self.sent;
        }
        (self.sent, self.begin) = (0, 0);
    }

    pub(crate) fn append(&mut self, bytes: &[u8], tally: Tally, home: bool) {
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len();
        let begin = match self.parts.len() {
            0 | 1 => self.begin,
            count => self.parts[count - 2].end,
        };
        match self.parts.back_mut() {
            Some(last) if end - begin <= PART_BYTES && last.home == home => {
                last.end = end;
                last.tally.add(tally);
            }
            _ => self.parts.push_back(Part { end, tally, home }),
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
fn messages_in(bytes: &[u8]) -> Tally {
    front_of(bytes, Some(Amount::UNLIMITED)).1
}

/// How long the front of such bytes is with as many messages as are allowed, but at least one, or
/// without any; and the messages in it.
fn front_of(bytes: &[u8], allowed: Option<Amount>) -> (usize, Tally) {
    let mut found = Tally::default();
    let mut length = 0;
    loop {
        let rest = &bytes[length..];
        let Some(line_end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
            break;
        };
        let line = &rest[..line_end];
        let mut end = line_end + 2;
        if line.starts_with(b"MSG ") || line.starts_with(b"HMSG ") {
            let (Some((body, metered)), Some(allowed)) = (sizes(line), allowed) else {
                break;
            };
            end += body + 2;
            let mut with_it = found;
            with_it.count(metered);
            let fits = Amount::from(with_it).fits(allowed) || found.messages == 0;
            if end > rest.len() || !fits {
                break;
            }
            found = with_it;
        }
        length += end;
    }
    (length, found)
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
                .for_each(|(bytes, tally)| waiting.append(bytes, *tally, true));
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
            waiting.append(&[b'y'; PART_BYTES / 4], tally(1, 10), true);
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

    #[test]
    fn messages_are_taken_one_by_one_or_many_and_none_is_lost_or_cut() {
        let parts: Vec<_> = (0..40).map(part).collect();
        let all: Vec<u8> = parts.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        for allowed in [0, 1, 2, 7, 1000] {
            let allowed = Amount {
                messages: allowed,
                bytes: 500 * allowed,
            };
            let (mut waiting, mut sent) = (Waiting::default(), Vec::new());
            let mut tally = Tally::default();
            for (number, (bytes, of_part)) in parts.iter().enumerate() {
                waiting.append(bytes, *of_part, number % 5 < 2);
                // Some of it is taken while more comes.
                let mut taken = Waiting::default();
                let messages = waiting
                    .take_front(Some(allowed), &mut taken)
                    .expect("there is some");
                assert!(messages.messages == 1 || Amount::from(messages).fits(allowed));
                assert_eq!(messages_in(taken.unsent()), messages);
                tally.add(messages);
                sent.extend_from_slice(taken.unsent());
            }
            while !waiting.is_empty() {
                let mut taken = Waiting::default();
                let (before, home) = (waiting.tallies(), waiting.is_front_home());
                let messages = waiting
                    .take_front(Some(allowed), &mut taken)
                    .expect("there is some");
                let (mut all, mut abroad) = waiting.tallies();
                all.add(messages);
                if home == Some(false) {
                    abroad.add(messages);
                }
                assert_eq!((all, abroad), before);
                tally.add(messages);
                sent.extend_from_slice(taken.unsent());
            }
            assert_eq!(waiting.take_front(Some(allowed), &mut Waiting::default()), None);
            assert!(sent == all, "every byte in its order");
            assert_eq!(tally, messages_in(&all));
        }
    }

    #[test]
    fn without_leave_only_what_is_in_front_of_all_messages_is_taken() {
        let (mut waiting, mut taken) = (Waiting::default(), Waiting::default());
        let (bytes, of_part) = part(3);
        waiting.append(b"PONG\r\n", Tally::default(), true);
        waiting.append(b"+OK\r\n", Tally::default(), true);
        waiting.append(&bytes, of_part, true);
        assert_eq!(waiting.take_front(None, &mut taken), Some(tally(0, 0)));
        assert_eq!(taken.unsent(), b"PONG\r\n+OK\r\n");
        assert_eq!(waiting.take_front(None, &mut taken), None);
        assert_eq!(waiting.tallies().0, of_part);
    }
}
