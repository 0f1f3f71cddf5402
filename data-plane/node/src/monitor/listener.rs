//! A bounded number of visitors of the metrics port, none of whom may be silent for long, nor keep
//! others out by being slow: when all places are taken, the address that has most of them loses the
//! one that it has had longest.
//!
//! Nobody authenticates on this port, and each connection holds a descriptor
//! that a NATS client could have had.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::transport::{Crowd, Place};

/// Visitors at the same time.
pub(crate) const VISITORS_MAX: usize = 64;

/// How long a visitor may neither ask nor read its answer. Scrapers that keep
/// their connection between two scrapes open another one.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long to wait when the operating system cannot give us a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts visitors, each of whom has a place and holds a permit: who has lost the one may still have
/// the other, for a moment.
pub(super) struct BoundedListener {
    listener: TcpListener,
    crowd: Arc<Crowd>,
    permits: Arc<Semaphore>,
}

impl BoundedListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            crowd: Arc::new(Crowd::new(VISITORS_MAX)),
            permits: Arc::new(Semaphore::new(VISITORS_MAX)),
        }
    }
}

impl axum::serve::Listener for BoundedListener {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let place = self.crowd.enter(peer.ip());
                    let permit = self.permits.clone().acquire_owned().await;
                    let permit = permit.expect("the semaphore is never closed");
                    return (Visitor::new(stream, place, permit), peer);
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection for health and metrics");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection. Reading and writing fail when nothing moved for [`SILENCE_MAX`], and when somebody
/// else has the place.
pub(super) struct Visitor {
    stream: TcpStream,
    silent: Pin<Box<Sleep>>,
    lost: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
    _permit: OwnedSemaphorePermit,
}

impl Visitor {
    fn new(stream: TcpStream, place: Place, permit: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            silent: Box::pin(sleep(SILENCE_MAX)),
            lost: Box::pin(place.loss()),
            _place: place,
            _permit: permit,
        }
    }

    /// Passes an outcome on, unless nothing has come of trying for too long.
    fn within_silence<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if self.lost.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if outcome.is_ready() {
            self.silent.as_mut().reset(Instant::now() + SILENCE_MAX);
            return outcome;
        }
        let over = self.silent.as_mut().poll(context);
        over.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.within_silence(outcome, context)
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within_silence(outcome, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
