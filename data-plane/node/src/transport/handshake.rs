//! What happens between accept and the protocol: INFO in the clear, TLS, the request of a websocket.
//!
//! Nothing here outlives it but what it found out; it runs with a bound on time and bytes for each
//! step, and the caller bounds how many of it there are.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tollway_websocket::bounds::REQUEST_BYTES_MAX;
use tollway_websocket::{Upgrade, UpgradeError, read_request};
use tollway_wire::{ConnectOptions, ProtocolError, encoder};

use super::Transport;
use super::bounds::{HANDSHAKE_BYTES_MAX, HANDSHAKE_WITH_CERTIFICATE_BYTES_MAX};
use super::certificate::ClientCertificate;
use super::crowd::Place;
use super::layered::Layered;
use super::settings::{ClientCertificates, Handshake, WebSocketSettings};
use super::tls::{InForce, Tls};
use super::tls_facts::TlsFacts;

/// How a client came, for who decides whether it may stay.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// It came over TLS.
    pub(crate) secure: bool,
    /// What there is to tell of that.
    pub(crate) tls: Option<Box<TlsFacts>>,
    /// It showed this.
    pub(crate) certificate: Option<ClientCertificate>,
    /// The certificate says which user it is.
    pub(crate) mapped: bool,
    /// It came over a websocket.
    pub(crate) upgrade: Option<Upgrade>,
    /// It has read the first INFO already.
    pub(crate) greeted: bool,
}

impl Arrival {
    /// Where a proxy says that the client is. Anybody can say so: it is shown, and decides nothing.
    pub(crate) fn forwarded_for(&self) -> Option<IpAddr> {
        self.upgrade.as_ref()?.forwarded_for
    }

    /// Whether the certificate decides who the client is.
    pub(crate) fn mapping(&self) -> Mapping<'_> {
        match self.mapped {
            true => Mapping::By(self.certificate.as_ref()),
            false => Mapping::No,
        }
    }

    /// Puts what the cookies say where CONNECT says nothing.
    pub(crate) fn show_cookies(&self, options: &mut ConnectOptions) {
        let Some(Upgrade { cookies, .. }) = &self.upgrade else {
            return;
        };
        for (option, cookie) in [
            (&mut options.jwt, &cookies.jwt),
            (&mut options.user, &cookies.user),
            (&mut options.pass, &cookies.password),
            (&mut options.auth_token, &cookies.token),
        ] {
            if option.as_deref().is_none_or(str::is_empty) {
                option.clone_from(cookie);
            }
        }
    }
}

/// Whether certificates say who clients are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mapping<'a> {
    /// They do not.
    No,
    /// They do, and this client showed this one, or none.
    By(Option<&'a ClientCertificate>),
}

/// Writes the first INFO.
pub(crate) type Greet<'a> = &'a (dyn Fn() -> Vec<u8> + Sync);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("socket error")]
    Io(#[from] io::Error),
    #[error("TLS handshake error: {0}")]
    Tls(io::Error),
    #[error("TLS handshake timeout")]
    TlsTimeout,
    #[error("TLS is required")]
    TlsRequired,
    #[error("more TLS handshakes began in this second than may")]
    Throttled,
    #[error("the certificate is not one of those that are let in")]
    Certificate,
    #[error("websocket handshake error: {0}")]
    Websocket(UpgradeError),
    #[error("websocket handshake timeout")]
    WebsocketTimeout,
    #[error("the client left")]
    Left,
}

impl OpenError {
    /// Whether it ended in TLS, and not in what is spoken over it.
    pub(crate) fn is_of_tls(&self) -> bool {
        matches!(
            self,
            Self::Tls(_) | Self::TlsTimeout | Self::TlsRequired | Self::Throttled | Self::Certificate
        )
    }
}

/// Opens a connection on a listener with TLS, with websockets, or both.
pub(crate) async fn open(
    tcp: TcpStream,
    tls: Option<&Arc<Tls>>,
    websocket: Option<&WebSocketSettings>,
    greet: Greet<'_>,
    place: &Place,
) -> Result<(Transport, Arrival), OpenError> {
    match websocket {
        Some(settings) => open_websocket(tcp, settings, place).await,
        None => {
            let tls = tls.expect("a listener with neither opens nothing");
            open_tls(tcp, tls, greet, place).await
        }
    }
}

async fn open_tls(
    mut tcp: TcpStream,
    tls: &Arc<Tls>,
    greet: Greet<'_>,
    place: &Place,
) -> Result<(Transport, Arrival), OpenError> {
    let in_force = tls.in_force();
    let settings = &in_force.settings;
    let at_once = match settings.handshake {
        Handshake::AfterInfo => false,
        Handshake::First => true,
        Handshake::FirstWithin(wait) => begins(&tcp, wait).await?.is_some(),
    };
    let mut arrival = Arrival {
        mapped: settings.client_certificates == ClientCertificates::Mapped,
        ..Arrival::default()
    };
    if !at_once {
        tcp.write_all(&greet()).await?;
        arrival.greeted = true;
        if !settings.allow_plain && !tls.may_begin(Instant::now()) {
            tell(&mut tcp, &ProtocolError::ConnectionThrottling).await;
            return Err(OpenError::Throttled);
        }
        let first = match begins(&tcp, settings.timeout).await {
            Ok(first) => first,
            Err(error) => return Err(error.into()),
        };
        let wants_tls = first == Some(TLS_HANDSHAKE);
        if !wants_tls && settings.allow_plain {
            return Ok((Transport::Tcp(tcp), arrival));
        }
        if !wants_tls {
            tell(&mut tcp, &ProtocolError::TlsRequired).await;
            return Err(OpenError::TlsRequired);
        }
        if settings.allow_plain && !tls.may_begin(Instant::now()) {
            tell(&mut tcp, &ProtocolError::ConnectionThrottling).await;
            return Err(OpenError::Throttled);
        }
    } else if !tls.may_begin(Instant::now()) {
        return Err(OpenError::Throttled);
    }
    let (tcp, session, certificate) = handshake(tcp, &in_force, place).await?.into_parts()?;
    arrival.secure = true;
    arrival.tls = Some(Box::new(TlsFacts::of(&session, certificate.as_ref(), at_once)));
    arrival.certificate = certificate;
    let layered = Layered::new(tcp, Some(session), None);
    Ok((Transport::Layered(Box::new(layered)), arrival))
}

async fn open_websocket(
    tcp: TcpStream,
    settings: &WebSocketSettings,
    place: &Place,
) -> Result<(Transport, Arrival), OpenError> {
    let mut arrival = Arrival::default();
    let Some(tls) = &settings.tls else {
        let mut tcp = tcp;
        let upgrade = upgrade(&mut tcp, settings, false).await?;
        let layered = Layered::new(tcp, None, Some(&upgrade));
        arrival.upgrade = Some(upgrade);
        return Ok((Transport::Layered(Box::new(layered)), arrival));
    };
    let in_force = tls.in_force();
    if !tls.may_begin(Instant::now()) {
        return Err(OpenError::Throttled);
    }
    let mut secured = handshake(tcp, &in_force, place).await?;
    // From here on the request has a bound of its own.
    secured.stream.get_mut().0.left = usize::MAX;
    let upgrade = upgrade(&mut secured.stream, settings, true).await?;
    let (tcp, session, certificate) = secured.into_parts()?;
    arrival.tls = Some(Box::new(TlsFacts::of(&session, certificate.as_ref(), true)));
    let layered = Layered::new(tcp, Some(session), Some(&upgrade));
    arrival.secure = true;
    arrival.mapped = in_force.settings.client_certificates == ClientCertificates::Mapped;
    arrival.certificate = certificate;
    arrival.upgrade = Some(upgrade);
    Ok((Transport::Layered(Box::new(layered)), arrival))
}

/// What a TLS handshake begins with.
const TLS_HANDSHAKE: u8 = 0x16;

/// The first byte of the client, which stays where it is; none when there is none in time.
async fn begins(tcp: &TcpStream, wait: Duration) -> io::Result<Option<u8>> {
    let mut first = [0];
    match timeout(wait, tcp.peek(&mut first)).await {
        Err(_) => Ok(None),
        Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(_)) => Ok(Some(first[0])),
        Ok(Err(error)) => Err(error),
    }
}

/// Tells a client in the clear why it is sent away, if it can be told at once.
async fn tell(tcp: &mut TcpStream, error: &ProtocolError) {
    let mut text = Vec::new();
    encoder::error(&mut text, error);
    let _ = tcp.try_write(&text);
    let _ = tcp.shutdown().await;
    // What it sent and nobody read would make the kernel take the words back.
    let mut sink = [0; 512];
    let read = async { while tcp.read(&mut sink).await.is_ok_and(|count| count > 0) {} };
    let _ = timeout(crate::broker::bounds::CLOSE_LINGER, read).await;
}

/// A connection over which TLS is spoken.
struct Secured {
    stream: TlsStream<Counted>,
    pinned: Arc<InForce>,
}

async fn handshake(tcp: TcpStream, in_force: &Arc<InForce>, place: &Place) -> Result<Secured, OpenError> {
    let settings = &in_force.settings;
    let left = match settings.client_certificates {
        ClientCertificates::NotAsked => HANDSHAKE_BYTES_MAX,
        _ => HANDSHAKE_WITH_CERTIFICATE_BYTES_MAX,
    };
    let acceptor = TlsAcceptor::from(in_force.config.clone());
    let accepting = acceptor.accept_with(Counted { tcp, left }, |session| {
        // What waits to be encrypted is bounded by who hands it in.
        session.set_buffer_limit(None);
    });
    match timeout(settings.timeout, place.in_turns(accepting)).await {
        Err(_) => Err(OpenError::TlsTimeout),
        Ok(Err(error)) => Err(OpenError::Tls(error)),
        Ok(Ok(stream)) => Ok(Secured {
            stream,
            pinned: in_force.clone(),
        }),
    }
}

type Parts = (TcpStream, rustls::ServerConnection, Option<ClientCertificate>);

impl Secured {
    fn into_parts(self) -> Result<Parts, OpenError> {
        let (counted, session) = self.stream.into_inner();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        // Verified, so it can be read.
        let certificate = shown.map(|shown| ClientCertificate::read(shown).ok_or(OpenError::Certificate));
        let certificate = certificate.transpose()?;
        let pinned = &self.pinned.settings.pinned_certs;
        let is_pinned = |certificate: &ClientCertificate| pinned.contains(&certificate.key_digest);
        if !pinned.is_empty() && !certificate.as_ref().is_some_and(is_pinned) {
            return Err(OpenError::Certificate);
        }
        Ok((counted.tcp, session, certificate))
    }
}

/// Reads the request and answers it.
async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    settings: &WebSocketSettings,
    secure: bool,
) -> Result<Upgrade, OpenError> {
    let reading = async {
        let mut request = Vec::new();
        loop {
            match read_request(&request, &settings.upgrade, secure) {
                Ok(Some(upgrade)) => {
                    stream.write_all(&upgrade.response(&settings.upgrade)).await?;
                    stream.flush().await?;
                    return Ok(upgrade);
                }
                Ok(None) => {}
                Err(error) => {
                    stream.write_all(&error.response()).await?;
                    stream.shutdown().await?;
                    return Err(OpenError::Websocket(error));
                }
            }
            let room = (REQUEST_BYTES_MAX - request.len()) as u64;
            if (&mut *stream).take(room).read_buf(&mut request).await? == 0 {
                return Err(OpenError::Left);
            }
        }
    };
    timeout(settings.timeout, reading)
        .await
        .unwrap_or(Err(OpenError::WebsocketTimeout))
}

/// A socket of which a handshake may read so many bytes.
struct Counted {
    tcp: TcpStream,
    left: usize,
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(Err(io::Error::other("the handshake is longer than it may be")));
        }
        let mut chunk = [0; 2048];
        let room = chunk.len().min(this.left).min(buffer.remaining());
        let mut part = ReadBuf::new(&mut chunk[..room]);
        ready!(Pin::new(&mut this.tcp).poll_read(context, &mut part))?;
        buffer.put_slice(part.filled());
        this.left -= part.filled().len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
