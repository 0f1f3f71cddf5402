//! Counts messages in what a receiver reads, without looking at most of the bytes.

use anyhow::{bail, ensure};

/// Follows one connection on which every message has the same length.
///
/// A chunk is a part of the stream of any size. Only the beginnings of the first and the last
/// message in it are looked at: anything that stood between the messages would have moved the last
/// one. Then the chunk is walked through message by message, and what is no message is an error,
/// but for the server's own PING.
#[derive(Debug)]
pub(crate) struct Counter {
    frame: usize,
    /// Bytes of the present message that are still to come; 0 at its beginning.
    rest: usize,
    /// Whether the present message is one, and not the server's PING.
    counts: bool,
    frames: u64,
}

const MESSAGE: u8 = b'M';
const PING: &[u8] = b"PING\r\n";

impl Counter {
    pub(crate) fn new(frame: usize) -> Self {
        assert!(frame > PING.len(), "a message is longer than a PING");
        Self {
            frame,
            rest: 0,
            counts: false,
            frames: 0,
        }
    }

    /// Messages that were read to their end.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Takes what was read.
    pub(crate) fn read(&mut self, chunk: &[u8]) -> anyhow::Result<()> {
        let Some(rest) = chunk.get(self.rest..) else {
            self.rest -= chunk.len();
            return Ok(());
        };
        self.end_frame();
        let whole = rest.len() / self.frame;
        let tail = rest.len() % self.frame;
        let begins = |at: usize| rest.get(at).is_none_or(|&byte| byte == MESSAGE);
        let last = (whole * self.frame).saturating_sub(self.frame);
        if begins(0) && begins(last) && begins(whole * self.frame) {
            self.frames += whole as u64;
            if tail > 0 {
                self.begin(self.frame - tail, true);
            }
            return Ok(());
        }
        self.walk(rest)
    }

    /// As [`Self::read`] at the beginning of a message, looking at each.
    fn walk(&mut self, mut chunk: &[u8]) -> anyhow::Result<()> {
        while let Some(&first) = chunk.first() {
            let (length, counts) = match first {
                MESSAGE => (self.frame, true),
                b'P' => (PING.len(), false),
                _ => bail!("a receiver was sent {:?}", beginning(chunk)),
            };
            ensure!(
                counts || PING.starts_with(&chunk[..chunk.len().min(PING.len())]),
                "a receiver was sent {:?}",
                beginning(chunk)
            );
            self.begin(length, counts);
            let here = length.min(chunk.len());
            self.rest -= here;
            chunk = &chunk[here..];
            if self.rest == 0 {
                self.end_frame();
            }
        }
        Ok(())
    }

    fn begin(&mut self, rest: usize, counts: bool) {
        self.rest = rest;
        self.counts = counts;
    }

    fn end_frame(&mut self) {
        self.frames += u64::from(self.counts);
        self.begin(0, false);
    }
}

fn beginning(chunk: &[u8]) -> String {
    String::from_utf8_lossy(&chunk[..chunk.len().min(80)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &[u8] = b"MSG a 1 3\r\nxxx\r\n";

    fn counted(stream: &[u8], step: usize) -> anyhow::Result<u64> {
        let mut counter = Counter::new(FRAME.len());
        for chunk in stream.chunks(step) {
            counter.read(chunk)?;
        }
        Ok(counter.frames())
    }

    #[test]
    fn messages_are_counted_however_the_stream_is_cut() {
        let stream = FRAME.repeat(7);
        for step in 1..=stream.len() {
            assert_eq!(counted(&stream, step).unwrap(), 7, "in steps of {step}");
            assert_eq!(
                counted(&stream[..stream.len() - 1], step).unwrap(),
                6,
                "in steps of {step}"
            );
        }
    }

    #[test]
    fn ping_of_the_server_is_no_message_wherever_it_comes() {
        for place in 0..=5 {
            let stream = [&FRAME.repeat(place), PING, &FRAME.repeat(5 - place)].concat();
            for step in 1..=stream.len() {
                assert_eq!(
                    counted(&stream, step).unwrap(),
                    5,
                    "behind {place}, in steps of {step}"
                );
            }
        }
    }

    #[test]
    fn anything_else_is_an_error_that_tells_it() {
        for place in 0..=3 {
            let refusal = b"-ERR 'Slow Consumer'\r\n";
            let stream = [&FRAME.repeat(place), &refusal[..], &FRAME.repeat(3 - place)].concat();
            for step in 1..=stream.len() {
                let mut error = counted(&stream, step)
                    .map(|_| String::new())
                    .unwrap_or_else(|e| e.to_string());
                if error.is_empty() {
                    // The middle of a chunk is looked at when the next messages begin elsewhere than they should.
                    let more = [&stream[..], &FRAME.repeat(3)].concat();
                    error = counted(&more, step).unwrap_err().to_string();
                }
                assert!(error.contains('-'), "behind {place}, in steps of {step}: {error}");
            }
        }
    }
}
