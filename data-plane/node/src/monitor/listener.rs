//! A bounded number of visitors of the metrics port, none of whom may be silent for long.
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

/// Visitors at the same time; more wait in the listen queue.
pub(crate) const VISITORS_MAX: usize = 64;

/// How long a visitor may neither ask nor read its answer. Scrapers that keep
/// their connection between two scrapes open another one.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long to wait when the operating system cannot give us a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts visitors as long as there is a place.
pub(super) struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl BoundedListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(VISITORS_MAX)),
        }
    }
}

impl axum::serve::Listener for BoundedListener {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        let place = self.places.clone().acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (Visitor::new(stream, place), peer),
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

/// One connection. Reading and writing fail when nothing moved for [`SILENCE_MAX`].
pub(super) struct Visitor {
    stream: TcpStream,
    silent: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Visitor {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            silent: Box::pin(sleep(SILENCE_MAX)),
            _place: place,
        }
    }

    /// Passes an outcome on, unless nothing has come of trying for too long.
    fn within_silence<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
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
