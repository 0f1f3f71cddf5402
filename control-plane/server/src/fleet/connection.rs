//! Connections of nodes: accepted, through the TLS handshake, and known by their certificate.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::FleetTls;
use crate::{
    bounds::{FLEET_STRANGER_WAIT, FLEET_STRANGERS_MAX, TLS_HANDSHAKE_WAIT, TLS_HANDSHAKES_MAX},
    listen::accept,
    pki::NodeCertificate,
};

/// Who is at the other end, as far as TLS can say. In the extensions of every fleet call.
#[derive(Debug, Clone, Copy)]
pub struct FleetPeer {
    /// The node's certificate, signed by our authority; absent when none was shown.
    pub certificate: Option<NodeCertificate>,
}

/// One connection after its handshake.
pub struct FleetConnection {
    stream: TlsStream<TcpStream>,
    peer: FleetPeer,
    /// Somebody without a certificate, who may be anybody: bounded in number and time.
    stranger: Option<Stranger>,
}

struct Stranger {
    until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

/// Accepts until `stop`. Handshakes run beside each other, each with a deadline,
/// so that a silent client holds up nobody.
pub fn connections(
    listener: TcpListener,
    tls: Arc<FleetTls>,
    stop: CancellationToken,
) -> mpsc::Receiver<io::Result<FleetConnection>> {
    let (ready, connections) = mpsc::channel(TLS_HANDSHAKES_MAX);
    let handshakes = Arc::new(Semaphore::new(TLS_HANDSHAKES_MAX));
    let strangers = Arc::new(Semaphore::new(FLEET_STRANGERS_MAX));
    tokio::spawn(async move {
        loop {
            let accepted = async {
                let permit = Arc::clone(&handshakes)
                    .acquire_owned()
                    .await
                    .expect("the semaphore is never closed");
                (permit, accept(&listener).await)
            };
            let (permit, stream) = tokio::select! {
                accepted = accepted => accepted,
                () = stop.cancelled() => return,
            };
            let (acceptor, ready) = (TlsAcceptor::from(tls.current()), ready.clone());
            let strangers = Arc::clone(&strangers);
            tokio::spawn(async move {
                match timeout(TLS_HANDSHAKE_WAIT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => match FleetConnection::new(stream, strangers) {
                        // The receiver is gone when the server stops; the connection goes with it.
                        Some(connection) => drop(ready.send(Ok(connection)).await),
                        None => {
                            tracing::info!("too many connections to the fleet port without a certificate")
                        }
                    },
                    Ok(Err(error)) => tracing::info!(%error, "a TLS handshake on the fleet port failed"),
                    Err(_) => tracing::info!("a TLS handshake on the fleet port took too long"),
                }
                drop(permit);
            });
        }
    });
    connections
}

impl FleetConnection {
    /// `None` for a stranger when there are enough of them.
    fn new(stream: TlsStream<TcpStream>, strangers: Arc<Semaphore>) -> Option<Self> {
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .and_then(|certificate| NodeCertificate::read(certificate).ok());
        let stranger = match certificate {
            Some(_) => None,
            None => Some(Stranger {
                until: Box::pin(sleep(FLEET_STRANGER_WAIT)),
                _place: strangers.try_acquire_owned().ok()?,
            }),
        };
        Some(Self {
            stream,
            peer: FleetPeer { certificate },
            stranger,
        })
    }
}

impl Connected for FleetConnection {
    type ConnectInfo = FleetPeer;

    fn connect_info(&self) -> FleetPeer {
        self.peer
    }
}

impl AsyncRead for FleetConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(stranger) = &mut self.stranger
            && stranger.until.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for FleetConnection {
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
