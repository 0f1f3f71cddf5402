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
    sync::mpsc,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::{
    FleetTls,
    place::{Place, Places},
};
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
    /// Somebody else took the place.
    lost: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
}

/// Accepts until `stop`. Handshakes run beside each other, each with a deadline, and when there are too
/// many the oldest ends: silent clients hold up nobody.
pub fn connections(
    listener: TcpListener,
    tls: Arc<FleetTls>,
    stop: CancellationToken,
) -> mpsc::Receiver<io::Result<FleetConnection>> {
    let (ready, connections) = mpsc::channel(TLS_HANDSHAKES_MAX);
    let handshakes = Places::new(TLS_HANDSHAKES_MAX);
    let strangers = Places::new(FLEET_STRANGERS_MAX);
    tokio::spawn(async move {
        loop {
            let stream = tokio::select! {
                (stream, _) = accept(&listener) => stream,
                () = stop.cancelled() => return,
            };
            let place = handshakes.take();
            let (acceptor, ready) = (TlsAcceptor::from(tls.current()), ready.clone());
            let strangers = strangers.clone();
            tokio::spawn(async move {
                let handshake = tokio::select! {
                    handshake = timeout(TLS_HANDSHAKE_WAIT, acceptor.accept(stream)) => handshake,
                    () = place.lost() => return,
                };
                drop(place);
                // Anybody can make these lines, so nobody reads them who does not ask for them.
                match handshake {
                    Ok(Ok(stream)) => {
                        // The receiver is gone when the server stops; the connection goes with it.
                        let _ = ready.send(Ok(FleetConnection::new(stream, &strangers))).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake on the fleet port failed"),
                    Err(_) => tracing::debug!("a TLS handshake on the fleet port took too long"),
                }
            });
        }
    });
    connections
}

impl FleetConnection {
    fn new(stream: TlsStream<TcpStream>, strangers: &Places) -> Self {
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .and_then(|certificate| NodeCertificate::read(certificate).ok());
        let stranger = certificate.is_none().then(|| {
            let place = strangers.take();
            Stranger {
                until: Box::pin(sleep(FLEET_STRANGER_WAIT)),
                lost: Box::pin(place.lost()),
                _place: place,
            }
        });
        Self {
            stream,
            peer: FleetPeer { certificate },
            stranger,
        }
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
            && (stranger.until.as_mut().poll(cx).is_ready() || stranger.lost.as_mut().poll(cx).is_ready())
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
