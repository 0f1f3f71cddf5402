//! Compressing what goes to clients, message by message.

use std::fmt;

use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::{DataFormat, MZFlush};

use crate::inflate::TAIL;

/// How hard to try: messages are small, and someone waits for them.
const LEVEL: u8 = 1;

/// One compressor for all messages of a thread: each begins with nothing (`server_no_context_takeover`),
/// so that connections need none of their own, which would be hundreds of KiB each.
pub struct Deflater {
    state: Box<CompressorOxide>,
}

impl fmt::Debug for Deflater {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Deflater").finish_non_exhaustive()
    }
}

impl Default for Deflater {
    fn default() -> Self {
        let mut state = Box::<CompressorOxide>::default();
        state.set_format_and_level(DataFormat::Raw, LEVEL);
        Self { state }
    }
}

impl Deflater {
    /// Appends the compressed message when it is shorter than the message; otherwise `out` is as it
    /// was, and the answer is no.
    pub(crate) fn run(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        // Longer is not wanted, so there is no room for it.
        out.resize(begin + message.len() + TAIL.len(), 0);
        self.state.reset();
        let (mut taken, mut written) = (0, begin);
        loop {
            let step = deflate(
                &mut self.state,
                &message[taken..],
                &mut out[written..],
                MZFlush::Sync,
            );
            taken += step.bytes_consumed;
            written += step.bytes_written;
            let stuck = step.bytes_consumed == 0 && step.bytes_written == 0;
            if step.status.is_err() || written == out.len() || stuck {
                out.truncate(begin);
                return false;
            }
            // There is room left, so what was taken is written to its end.
            if taken == message.len() && out[begin..written].ends_with(&TAIL) {
                break;
            }
        }
        out.truncate(written - TAIL.len());
        if out.len() - begin < message.len() {
            return true;
        }
        out.truncate(begin);
        false
    }
}
