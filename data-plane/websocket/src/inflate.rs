//! Undoing compression, message by message, with what a message may become bounded by the caller.

use std::fmt;

use miniz_oxide::inflate::stream::{InflateState, ZeroReset, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use crate::bounds::INFLATERS_KEPT_MAX;

/// What every compressed message ends with and nobody sends: the end of an empty block.
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// That, and an empty block that is the last one: a message that was cut off does not get to its end.
pub(crate) const ENDING: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// What is undone of one message. Every message begins with an empty window
/// (`client_no_context_takeover`), so nothing has to be kept between two.
pub(crate) struct Inflater {
    state: Box<InflateState>,
    /// The data said that it is over; nothing but the end of the message may follow.
    over: bool,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Inflater")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// The bytes are no compressed data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotCompressed;

impl Inflater {
    /// The data said that it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Takes some of `input` and writes some of what it stands for: so many bytes taken and written.
    /// When it writes less than there is room for, it has taken everything.
    pub(crate) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), NotCompressed> {
        let (mut taken, mut written) = (0, 0);
        while written < output.len() {
            if self.over {
                // A client may say itself which block is the last; a zero byte may stand behind that.
                let rest = &input[taken..];
                let nothing = rest.iter().all(|byte| *byte == 0) || rest == ENDING;
                return if nothing {
                    Ok((input.len(), written))
                } else {
                    Err(NotCompressed)
                };
            }
            let step = inflate(
                &mut self.state,
                &input[taken..],
                &mut output[written..],
                MZFlush::None,
            );
            taken += step.bytes_consumed;
            written += step.bytes_written;
            match step.status {
                Ok(MZStatus::StreamEnd) => self.over = true,
                Ok(_) if step.bytes_consumed > 0 || step.bytes_written > 0 => {}
                // It wants more than there is.
                Ok(_) | Err(MZError::Buf) => return Ok((taken, written)),
                Err(_) => return Err(NotCompressed),
            }
        }
        Ok((taken, written))
    }
}

/// Inflaters for the messages of a thread's connections.
///
/// They are reset when they are taken, window included: a message that points to what was before
/// its beginning must find zeros, and not what another tenant received.
#[derive(Debug, Default)]
pub struct Inflaters {
    idle: Vec<Inflater>,
}

impl Inflaters {
    pub(crate) fn take(&mut self) -> Inflater {
        match self.idle.pop() {
            Some(mut inflater) => {
                inflater.state.reset_as(ZeroReset);
                inflater.over = false;
                inflater
            }
            None => Inflater {
                state: InflateState::new_boxed(DataFormat::Raw),
                over: false,
            },
        }
    }

    pub(crate) fn give(&mut self, inflater: Inflater) {
        if self.idle.len() < INFLATERS_KEPT_MAX {
            self.idle.push(inflater);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inflater_takes_what_the_bounds_say() {
        assert!(size_of::<InflateState>() <= crate::bounds::INFLATER_BYTES);
    }

    /// A block of fixed codes: a reference 32,768 bytes back as the first thing it says.
    #[test]
    fn what_another_message_was_cannot_be_pointed_at() {
        let mut inflaters = Inflaters::default();
        let mut first = inflaters.take();
        let secret: Vec<u8> = std::iter::repeat_n(*b"secret! ", 5000).flatten().collect();
        let mut stored = vec![0];
        stored.extend_from_slice(&(secret.len() as u16).to_le_bytes());
        stored.extend_from_slice(&(!(secret.len() as u16)).to_le_bytes());
        stored.extend_from_slice(&secret);
        let mut out = vec![0; 64 * 1024];
        assert_eq!(first.run(&stored, &mut out), Ok((stored.len(), secret.len())));
        inflaters.give(first);

        let mut second = inflaters.take();
        // Bits, lowest first: not the last block, fixed codes; length 258 (11000101),
        // distance code 29 (11101) with 13 further bits, all set.
        let bits = "0 10 11000101 11101 1111111111111 0000000".replace(' ', "");
        let bytes: Vec<u8> = bits
            .as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().rev().fold(0, |value, bit| value << 1 | (bit - b'0')))
            .collect();
        out.fill(7);
        if let Ok((_, written)) = second.run(&bytes, &mut out) {
            assert!(
                out[..written].iter().all(|byte| *byte == 0),
                "{:?}",
                &out[..written]
            );
        }
    }
}
