//! What lies between a socket and the protocol: nothing, TLS, WebSocket, or both.
//!
//! ```text
//!            handshake::open (async, bounded)              afterwards (never waits)
//!  accept ──▶ INFO first? TLS? request of a websocket? ──▶ Transport ──read──▶ connection, session
//!                                                              ▲
//!                                                              └──write── outbound: whoever delivers
//! ```
//!
//! - A plain socket is a [`Transport`] of its own kind, not a layer of nothing: its way to the kernel
//!   has one comparison more than a bare socket.
//! - Layers are shared by the reader and by whoever writes. The TLS connection is behind a lock that
//!   is never held across a system call, see `layered`.
//! - Until a client has authenticated, layers hold a few KiB for it; see [`bounds`].

pub mod bounds;
mod certificate;
mod crowd;
mod handshake;
mod layered;
mod settings;
mod tls;
mod tls_facts;
mod wire;

use std::io;
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::net::TcpStream;
use tollway_websocket::{CloseCode, ReceiveError};

pub use certificate::ClientCertificate;
pub(crate) use crowd::{Crowd, Place};
pub(crate) use handshake::{Arrival, Mapping, open};
use layered::Layered;
pub use settings::{
    CertificateFiles, ClientCertificates, Handshake, TlsSettings, TlsVersion, WebSocketSettings,
};
pub use tls::{Tls, TlsError};
pub use tls_facts::{CertificateFacts, TlsFacts};

/// The socket of a connection, with what is spoken over it.
pub(crate) enum Transport {
    Tcp(TcpStream),
    Layered(Box<Layered>),
}

/// Why nothing was read.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    /// There is nothing for the protocol at present.
    Nothing,
    /// The socket, or TLS over it, is at its end.
    Failed,
    /// The client does not speak WebSocket.
    Websocket(ReceiveError),
}

/// How a write ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WriteEnd {
    All,
    /// The socket takes no more; the runtime knows that and will say when it does.
    Full,
    /// The socket would take more, but others want their turn.
    Enough,
    Failed,
}

impl Transport {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Layered(layered) => layered.tcp(),
        }
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_write_ready(context)
    }

    /// Whether a read makes sense. An error shows again when reading.
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(context).is_ready(),
            Self::Layered(layered) => layered.has_more() || layered.tcp().poll_read_ready(context).is_ready(),
        }
    }

    /// One read. Nothing read means that the client closed its side.
    pub(crate) fn read(&self, into: &mut [u8]) -> Result<usize, ReadEnd> {
        match self {
            Self::Tcp(tcp) => read_socket(tcp, into).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => ReadEnd::Nothing,
                _ => ReadEnd::Failed,
            }),
            Self::Layered(layered) => layered.read(into),
        }
    }

    /// Whether the last read, of so many bytes into so much room, took all there was.
    pub(crate) fn is_drained(&self, arrived: usize, room: usize) -> bool {
        match self {
            Self::Tcp(_) => arrived < room,
            Self::Layered(layered) => layered.is_drained(),
        }
    }

    /// Whether a layer has something to send that is no message: the owner has to flush.
    pub(crate) fn owes(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Layered(layered) => layered.owes(),
        }
    }

    /// Bytes that layers hold for the client, when they are many.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Tcp(_) => 0,
            Self::Layered(layered) => layered.held(),
        }
    }

    /// The client has authenticated: it may send long messages, of so many bytes of payload.
    pub(crate) fn trust(&self, payload_bytes_max: usize) {
        if let Self::Layered(layered) = self {
            layered.trust(payload_bytes_max);
        }
    }

    /// Writes as much as the socket takes, about `enough` at most. Says how many of these bytes that
    /// was. What was not taken must come first the next time.
    pub(crate) fn write(&self, bytes: &[u8], enough: usize) -> (usize, WriteEnd) {
        match self {
            Self::Tcp(tcp) => write_socket(tcp, bytes, enough),
            Self::Layered(layered) => layered.write(bytes, enough),
        }
    }

    /// Ends the layers in their own words, as far as the client takes them. Nothing may be written afterwards.
    pub(crate) async fn close(&self, code: CloseCode, reason: &str) {
        if let Self::Layered(layered) = self {
            layered.close(code, reason);
            while let (_, WriteEnd::Full) = layered.write(&[], usize::MAX) {
                if layered.tcp().writable().await.is_err() {
                    return;
                }
            }
        }
    }

    /// Ends the layers in their own words if the socket takes them at once.
    pub(crate) fn close_now(&self, code: CloseCode) {
        if let Self::Layered(layered) = self {
            layered.close(code, "");
            layered.write(&[], usize::MAX);
        }
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    /// No more is sent.
    pub(crate) fn shutdown(&self) {
        let _ = rustix::net::shutdown(self.tcp(), rustix::net::Shutdown::Write);
    }

    /// Reads and forgets up to so many bytes, until the client closes its side.
    pub(crate) async fn linger(&self, bytes_max: usize) {
        let tcp = self.tcp();
        let mut left = bytes_max;
        // On the heap: in the task's state it would be carried by every idle connection.
        let mut sink = vec![0; 16 * 1024];
        while left > 0 && tcp.readable().await.is_ok() {
            match tcp.try_read(&mut sink) {
                Ok(0) => return,
                Ok(count) => left = left.saturating_sub(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// One read. A short one is reported as drained to the runtime, which saves
/// the read that would find nothing.
fn read_socket(tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    let mut arrived = 0;
    let outcome = tcp.try_io(Interest::READABLE, || {
        arrived = rustix::io::read(tcp, &mut *into)?;
        let short = 0 < arrived && arrived < into.len();
        if short {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(())
        }
    });
    match outcome {
        Ok(()) => Ok(arrived),
        Err(_) if arrived > 0 => Ok(arrived),
        // A signal interrupted it: it is still readable, so the next turn comes at once.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}

/// Writes until the socket is full, or enough is written.
fn write_socket(tcp: &TcpStream, bytes: &[u8], enough: usize) -> (usize, WriteEnd) {
    let mut sent = 0;
    while sent < bytes.len() {
        if sent >= enough {
            return (sent, WriteEnd::Enough);
        }
        match tcp.try_write(&bytes[sent..]) {
            Ok(0) => return (sent, WriteEnd::Failed),
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (sent, WriteEnd::Full),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return (sent, WriteEnd::Failed),
        }
    }
    (sent, WriteEnd::All)
}
