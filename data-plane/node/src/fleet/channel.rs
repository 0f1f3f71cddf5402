//! One connection to the control plane.

use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use super::bounds::{DIAL_WAIT, FLEET_SERVER_NAME, KEEP_ALIVE};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody listens there, or the network is away.
    #[error("cannot reach the control plane at {address}")]
    Connect {
        /// What was dialled.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The two sides do not believe each other.
    #[error("the TLS handshake with the control plane failed")]
    Handshake(#[source] io::Error),
    /// It does not speak HTTP/2, or went away again.
    #[error("the control plane does not speak HTTP/2")]
    Http2(#[source] tonic::transport::Error),
    /// It listens but does not answer.
    #[error("the control plane at {0} did not answer within {DIAL_WAIT:?}")]
    TimedOut(String),
}

impl DialError {
    /// What TLS says, when it was TLS that failed.
    pub(super) fn tls(&self) -> Option<&rustls::Error> {
        match self {
            Self::Handshake(error) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}

/// Connects. The channel is this one connection: when it ends, calls fail, and
/// whoever dialled decides when to dial again.
pub(super) async fn dial(address: &str, tls: Arc<ClientConfig>) -> Result<Channel, DialError> {
    timeout(DIAL_WAIT, connect(address, tls))
        .await
        .unwrap_or_else(|_| Err(DialError::TimedOut(address.to_owned())))
}

async fn connect(address: &str, tls: Arc<ClientConfig>) -> Result<Channel, DialError> {
    let failed = |source| DialError::Connect {
        address: address.to_owned(),
        source,
    };
    let socket = TcpStream::connect(address).await.map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    let name = ServerName::try_from(FLEET_SERVER_NAME).expect("the name is a DNS name");
    let stream = TlsConnector::from(tls)
        .connect(name, socket)
        .await
        .map_err(DialError::Handshake)?;
    let mut stream = Some(TokioIo::new(stream));
    let this_one_only = tower::service_fn(move |_| {
        let stream = stream.take();
        async move {
            stream.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the connection has ended"))
        }
    });
    // The scheme is http because the stream is encrypted already.
    Endpoint::from_static("http://fleet.tollway.internal")
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .connect_with_connector(this_one_only)
        .await
        .map_err(DialError::Http2)
}
