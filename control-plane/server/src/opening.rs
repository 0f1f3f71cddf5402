//! A time limit for what a client says first.
//!
//! The server takes HTTP/1.1 and HTTP/2 on one port, so it waits for the first
//! bytes to know which it is. Its own time limits begin when it does: without
//! this one, clients that say nothing would keep all places there are.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// What every HTTP/2 client says first.
pub(crate) const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose reads fail when it took too long to show which protocol it speaks.
pub(crate) struct Opening<S> {
    stream: S,
    /// `None` when it is known.
    undecided: Option<Undecided>,
}

struct Undecided {
    /// So much of the preface was read; anything else decides.
    matched: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Opening<S> {
    pub(crate) fn new(stream: S, wait: Duration) -> Self {
        let undecided = Undecided {
            matched: 0,
            deadline: Box::pin(sleep(wait)),
        };
        Self {
            stream,
            undecided: Some(undecided),
        }
    }

    fn handle_read(&mut self, read: &[u8]) {
        let Some(undecided) = &mut self.undecided else {
            return;
        };
        let expected = &HTTP2_PREFACE[undecided.matched..];
        if read.len() < expected.len() && expected.starts_with(read) && !read.is_empty() {
            undecided.matched += read.len();
        } else {
            self.undecided = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                self.handle_read(&buf.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => match &mut self.undecided {
                Some(undecided) => undecided
                    .deadline
                    .as_mut()
                    .poll(cx)
                    .map(|()| Err(io::ErrorKind::TimedOut.into())),
                None => Poll::Pending,
            },
            failed => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
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
