//! A client over any of the layers, which shows what it gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tollway_claims::encode_signature;

use crate::support::{User, World};

/// Longer than anything takes here, shorter than anybody waits for a hung test.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One connection. Over a websocket it packs and unpacks frames.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    framed: bool,
    /// Bytes of frames that are not whole yet.
    raw: Vec<u8>,
    arrived: Vec<u8>,
    /// First bits and length of each frame that arrived.
    pub(crate) frames: Vec<(u8, usize)>,
    pub(crate) pongs: Vec<Vec<u8>>,
    /// The code and reason of the close frame.
    pub(crate) closed: Option<(u16, String)>,
    pub(crate) nonce: String,
}

/// What a request of a websocket asks for beside the usual.
#[derive(Default, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

pub(crate) async fn dial(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).await.expect("somebody listens");
    socket.set_nodelay(true).expect("a TCP option");
    socket
}

/// TLS over a socket, as a client of `localhost`.
pub(crate) async fn secured(
    socket: TcpStream,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(config.clone());
    connector
        .connect(ServerName::try_from("localhost").expect("a name"), socket)
        .await
}

impl Client {
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            framed: false,
            raw: Vec::new(),
            arrived: Vec::new(),
            frames: Vec::new(),
            pongs: Vec::new(),
            closed: None,
            nonce: String::new(),
        }
    }

    /// Reads INFO in the clear and begins TLS then.
    pub(crate) async fn upgraded(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut plain = dial(address).await;
        let info = read_line(&mut plain).await;
        let mut client = Self::over(secured(plain, config).await.expect("TLS"));
        client.remember(&info);
        client
    }

    /// Begins TLS at once and reads INFO over it.
    pub(crate) async fn immediate(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut client = Self::over(secured(dial(address).await, config).await.expect("TLS"));
        client.greeted().await;
        client
    }

    /// A websocket over a stream; INFO is read.
    pub(crate) async fn websocket(stream: impl Stream + 'static, asked: Asked<'_>) -> Self {
        let mut client = Self::over(stream);
        let head = client.request(asked).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client.framed = true;
        client.greeted().await;
        client
    }

    /// Sends a request for a websocket and gives the head of the answer.
    pub(crate) async fn request(&mut self, asked: Asked<'_>) -> String {
        let more: String = asked
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
        );
        self.send_raw(request).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    async fn greeted(&mut self) {
        let line = self.line().await;
        self.remember(&line);
    }

    fn remember(&mut self, line: &str) {
        let info = parse_info(line);
        self.nonce = info["nonce"].as_str().unwrap_or_default().to_owned();
    }

    /// Logs in and waits until that is done.
    pub(crate) async fn log_in(&mut self, user: &User) {
        self.log_in_with(user, serde_json::json!({})).await;
    }

    pub(crate) async fn log_in_with(&mut self, user: &User, options: serde_json::Value) {
        let line = self.connect_line(user, options);
        self.send(line).await;
        self.send("PING\r\n").await;
        assert_eq!(self.line().await, "PONG");
        let info = self.line().await;
        assert_eq!(parse_info(&info)["connect_info"], true);
    }

    pub(crate) fn connect_line(&self, user: &User, options: serde_json::Value) -> String {
        let mut all = serde_json::json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 1,
            "jwt": user.jwt, "sig": encode_signature(&user.signer.sign(self.nonce.as_bytes())),
        });
        for (key, value) in options.as_object().expect("options are an object") {
            all[key] = value.clone();
        }
        format!("CONNECT {all}\r\n")
    }

    /// Sends bytes of the protocol, in one frame where there are frames.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        match self.framed {
            true => self.send_raw(frame(0x82, bytes)).await,
            false => self.send_raw(bytes).await,
        }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .await
            .expect("the broker reads");
        self.stream.flush().await.expect("the broker reads");
    }

    /// Sends what the broker may refuse to read.
    pub(crate) async fn try_send_raw(&mut self, bytes: impl AsRef<[u8]>) {
        let send = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        let _ = tokio::time::timeout(PATIENCE, send).await;
    }

    /// Reads more. False when there is no more.
    async fn more(&mut self) -> bool {
        let into = if self.framed {
            &mut self.raw
        } else {
            &mut self.arrived
        };
        into.reserve(64 * 1024);
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(into)).await;
        let read =
            read.unwrap_or_else(|_| panic!("nothing more arrived; so far: {}", self.arrived.escape_ascii()));
        let more = read.is_ok_and(|count| count > 0);
        while self.framed && self.unpack() {}
        more
    }

    /// Takes one frame out of the raw bytes, if there is a whole one.
    fn unpack(&mut self) -> bool {
        let [first, length, ..] = self.raw[..] else {
            return false;
        };
        let (head, length) = match length {
            126 if self.raw.len() >= 4 => (4, usize::from(u16::from_be_bytes([self.raw[2], self.raw[3]]))),
            127 if self.raw.len() >= 10 => {
                let length = self.raw[2..10]
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (10, length)
            }
            126 | 127 => return false,
            short => (2, usize::from(short)),
        };
        if self.raw.len() < head + length {
            return false;
        }
        let payload: Vec<u8> = self.raw.drain(..head + length).skip(head).collect();
        self.frames.push((first, payload.len()));
        match first {
            0x82 => self.arrived.extend(payload),
            0xc2 => {
                let whole = [&payload[..], &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
                let plain =
                    miniz_oxide::inflate::decompress_to_vec(&whole).expect("the broker compressed it");
                self.arrived.extend(plain);
            }
            0x8a => self.pongs.push(payload),
            0x88 => {
                let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                self.closed = Some((code, reason.into_owned()));
            }
            other => panic!("a frame with {other:x} at its beginning"),
        }
        true
    }

    pub(crate) async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.arrived.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.arrived.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(self.more().await, "the connection ended: {:?}", self.closed);
        }
    }

    /// Exactly these bytes come next.
    pub(crate) async fn expect(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        while self.arrived.len() < wanted.len() {
            assert!(self.more().await, "the connection ended: {:?}", self.closed);
        }
        let got: Vec<u8> = self.arrived.drain(..wanted.len()).collect();
        assert!(
            got == wanted,
            "wanted {}, got {}",
            wanted.escape_ascii(),
            got.escape_ascii()
        );
    }

    /// Everything that comes until the connection ends.
    pub(crate) async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.arrived)).into_owned()
    }

    /// Everything the client said so far was done, and nothing else had arrived.
    pub(crate) async fn sync(&mut self) {
        self.send("PING\r\n").await;
        self.expect("PONG\r\n").await;
    }

    /// Ends the client's side.
    pub(crate) async fn shut(&mut self) {
        self.stream.shutdown().await.expect("an open connection");
    }
}

/// A frame with these first eight bits, masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    out
}

/// A compressed message, as it is sent.
pub(crate) fn compressed(message: &[u8]) -> Vec<u8> {
    let mut state = Box::<miniz_oxide::deflate::core::CompressorOxide>::default();
    state.set_format_and_level(miniz_oxide::DataFormat::Raw, 6);
    let mut out = vec![0; message.len() + 1024];
    let step =
        miniz_oxide::deflate::stream::deflate(&mut state, message, &mut out, miniz_oxide::MZFlush::Sync);
    assert_eq!(step.bytes_consumed, message.len());
    out.truncate(step.bytes_written - 4);
    out
}

pub(crate) fn parse_info(line: &str) -> serde_json::Value {
    let json = line
        .strip_prefix("INFO ")
        .unwrap_or_else(|| panic!("no INFO: {line}"));
    serde_json::from_str(json).expect("INFO is JSON")
}

pub(crate) async fn read_line(socket: &mut TcpStream) -> String {
    let reading = async {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(socket.read_u8().await.expect("a line"));
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("a line comes")
}

/// All that comes on a socket until it ends.
pub(crate) async fn read_rest(socket: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let reading = socket.read_to_end(&mut rest);
    // A reset after the last words is an end too.
    let _ = tokio::time::timeout(PATIENCE, reading).await.expect("it ends");
    String::from_utf8_lossy(&rest).into_owned()
}

/// A client of each kind that a world has, logged in, with a word for messages.
pub(crate) async fn of_websocket(world: &World, asked: Asked<'_>) -> Client {
    let address = world.websocket.expect("websockets are served");
    Client::websocket(dial(address).await, asked).await
}
