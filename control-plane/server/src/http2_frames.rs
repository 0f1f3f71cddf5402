//! HTTP/2 frames that are no calls: each costs us something, and a client may send them without end.
//!
//! Settings, pings and the like are answered below any handler. A client that makes calls sends some with each;
//! who sends many more than that is cut off.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{
    bounds::{
        HTTP2_FRAMES_BESIDE_CALLS_MAX, HTTP2_FRAMES_PER_CALL, HTTP2_FRAMES_PER_SECOND, HTTP2_SMALL_DATA_BYTES,
    },
    opening::HTTP2_PREFACE,
};

const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// A stream whose reads fail when there were too many frames beside those of calls.
pub(crate) struct FrameGuard<S> {
    stream: S,
    frames: Frames,
}

/// What was read so far.
enum Frames {
    /// So much of the preface.
    Preface(usize),
    /// HTTP/1, which has no frames.
    None,
    Http2(Count),
}

struct Count {
    head: [u8; HEAD_BYTES],
    head_read: usize,
    /// What is left of the frame's payload.
    payload: usize,
    /// How many more may come now.
    left: usize,
    /// Until when those were counted that come with time.
    since: Instant,
}

impl<S> FrameGuard<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            frames: Frames::Preface(0),
        }
    }
}

impl Frames {
    fn handle_read(&mut self, mut read: &[u8], now: Instant) -> io::Result<()> {
        if let Self::Preface(matched) = self {
            let expected = &HTTP2_PREFACE[*matched..];
            let length = expected.len().min(read.len());
            if read[..length] != expected[..length] {
                *self = Self::None;
            } else if length < expected.len() {
                *matched += length;
                return Ok(());
            } else {
                read = &read[length..];
                *self = Self::Http2(Count {
                    head: [0; HEAD_BYTES],
                    head_read: 0,
                    payload: 0,
                    left: HTTP2_FRAMES_BESIDE_CALLS_MAX,
                    since: now,
                });
            }
        }
        match self {
            Self::Http2(count) => count.handle_read(read, now),
            Self::Preface(_) | Self::None => Ok(()),
        }
    }
}

impl Count {
    fn handle_read(&mut self, mut read: &[u8], now: Instant) -> io::Result<()> {
        while !read.is_empty() {
            let skipped = self.payload.min(read.len());
            self.payload -= skipped;
            read = &read[skipped..];
            let taken = (HEAD_BYTES - self.head_read).min(read.len());
            self.head[self.head_read..self.head_read + taken].copy_from_slice(&read[..taken]);
            self.head_read += taken;
            read = &read[taken..];
            if self.head_read == HEAD_BYTES {
                self.head_read = 0;
                self.handle_frame(now)?;
            }
        }
        Ok(())
    }

    fn handle_frame(&mut self, now: Instant) -> io::Result<()> {
        let [a, b, c, kind, ..] = self.head;
        let bytes = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.payload = bytes;
        match kind {
            HEADERS => self.gain(HTTP2_FRAMES_PER_CALL),
            DATA if bytes >= HTTP2_SMALL_DATA_BYTES => {}
            _ => {
                let seconds = now.saturating_duration_since(self.since).as_secs();
                if seconds > 0 {
                    self.since = now;
                    self.gain(HTTP2_FRAMES_PER_SECOND.saturating_mul(seconds as usize));
                }
                self.left = self.left.checked_sub(1).ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "too many frames beside those of calls",
                    )
                })?;
            }
        }
        Ok(())
    }

    fn gain(&mut self, frames: usize) {
        self.left = self
            .left
            .saturating_add(frames)
            .min(HTTP2_FRAMES_BESIDE_CALLS_MAX);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                Poll::Ready(self.frames.handle_read(&buf.filled()[before..], Instant::now()))
            }
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameGuard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, bytes: usize) -> Vec<u8> {
        let mut frame = vec![
            (bytes >> 16) as u8,
            (bytes >> 8) as u8,
            bytes as u8,
            kind,
            0,
            0,
            0,
            0,
            0,
        ];
        frame.resize(HEAD_BYTES + bytes, 0);
        frame
    }

    fn opened(now: Instant) -> Frames {
        let mut frames = Frames::Preface(0);
        frames.handle_read(HTTP2_PREFACE, now).unwrap();
        frames
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_calls_come_to_an_end_and_some_with_each_call_do_not() {
        let now = Instant::now();
        let mut frames = opened(now);
        for _ in 0..HTTP2_FRAMES_BESIDE_CALLS_MAX {
            frames.handle_read(&frame(PING, 8), now).unwrap();
        }
        assert!(frames.handle_read(&frame(PING, 8), now).is_err());
        // A few in each second are nothing.
        let later = now + Duration::from_secs(1);
        frames.handle_read(&frame(PING, 8), later).unwrap();

        let mut busy = opened(now);
        for _ in 0..10 * HTTP2_FRAMES_BESIDE_CALLS_MAX {
            busy.handle_read(&frame(HEADERS, 40), now).unwrap();
            busy.handle_read(&frame(DATA, HTTP2_SMALL_DATA_BYTES), now)
                .unwrap();
            for _ in 0..HTTP2_FRAMES_PER_CALL {
                busy.handle_read(&frame(PING, 8), now).unwrap();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_counted_alike_wherever_the_bytes_are_cut() {
        let now = Instant::now();
        let bytes = [frame(PING, 8), frame(HEADERS, 300), frame(DATA, 0), frame(4, 6)].concat();
        for cut in 1..bytes.len() {
            let mut frames = opened(now);
            for piece in bytes.chunks(cut) {
                frames.handle_read(piece, now).unwrap();
            }
            let Frames::Http2(count) = frames else {
                panic!("it began with the preface")
            };
            // The ping was made up for by the call behind it.
            assert_eq!(
                count.left,
                HTTP2_FRAMES_BESIDE_CALLS_MAX - 2,
                "cut every {cut} bytes"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_http2_has_no_frames() {
        let now = Instant::now();
        let mut frames = Frames::Preface(0);
        for _ in 0..10 * HTTP2_FRAMES_BESIDE_CALLS_MAX {
            frames.handle_read(b"PRI me\r\n", now).unwrap();
        }
    }
}
