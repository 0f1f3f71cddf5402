//! From bytes to the frames for a client.

use crate::bounds::{COMPRESS_BYTES_MIN, FRAME_BYTES_BROWSER_MAX, FRAME_BYTES_MAX};
use crate::close::{self, CloseCode};
use crate::deflate::Deflater;
use crate::frame::{Opcode, write_head};

/// Makes the frames for one client.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    compress: bool,
    frame_bytes_max: usize,
}

impl Sender {
    /// For a client with which compression was agreed on, or not, in a browser or not.
    pub fn new(compress: bool, browser: bool) -> Self {
        let frame_bytes_max = if browser {
            FRAME_BYTES_BROWSER_MAX
        } else {
            FRAME_BYTES_MAX
        };
        Self {
            compress,
            frame_bytes_max,
        }
    }

    /// Appends a message with the first of `bytes`, as many as go into one. Says how many that were.
    pub fn message(&self, bytes: &[u8], deflater: &mut Deflater, out: &mut Vec<u8>) -> usize {
        let bytes = &bytes[..bytes.len().min(self.frame_bytes_max)];
        if self.compress && bytes.len() >= COMPRESS_BYTES_MIN {
            let mut compressed = Vec::new();
            if deflater.run(bytes, &mut compressed) {
                write_head(out, Opcode::Binary, true, compressed.len());
                out.extend_from_slice(&compressed);
                return bytes.len();
            }
        }
        write_head(out, Opcode::Binary, false, bytes.len());
        out.extend_from_slice(bytes);
        bytes.len()
    }
}

/// Appends the answer to a ping.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    write_head(out, Opcode::Pong, false, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a close frame: the last that may be sent.
pub fn close(code: Option<CloseCode>, reason: &str, out: &mut Vec<u8>) {
    let body = code.map_or(Vec::new(), |code| close::body(code, reason));
    write_head(out, Opcode::Close, false, body.len());
    out.extend_from_slice(&body);
}
