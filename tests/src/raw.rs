//! A NATS client of raw bytes: it says exactly what a test wants, and sees exactly what comes back.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tollway_claims::{Signer, encode_signature};

use crate::{Creds, in_time};

/// One connection. It never reconnects.
#[derive(Debug)]
pub struct Raw {
    socket: BufReader<TcpStream>,
    nonce: String,
}

impl Raw {
    /// Dials and reads INFO; an error when nobody is there.
    pub async fn dial(address: SocketAddr) -> io::Result<Self> {
        let mut raw = Self {
            socket: BufReader::new(TcpStream::connect(address).await?),
            nonce: String::new(),
        };
        let info = raw.line().await;
        let Some(info) = info.strip_prefix("INFO ") else {
            return Err(io::Error::other(format!("no INFO but {info:?}")));
        };
        let info: Value = serde_json::from_str(info)?;
        raw.nonce = info["nonce"].as_str().unwrap_or_default().to_owned();
        Ok(raw)
    }

    /// Dials and logs in; the server's words when it refuses.
    pub async fn connect(address: SocketAddr, creds: &Creds) -> Result<Self, String> {
        let mut raw = Self::dial(address).await.map_err(|error| error.to_string())?;
        let line = raw.connect_line(creds, json!({}));
        raw.try_send(format!("{line}PING\r\n")).await;
        match raw.line().await.as_str() {
            "PONG" => Ok(raw),
            refused => Err(refused.to_owned()),
        }
    }

    /// CONNECT with creds; `options` are added to what is usual.
    pub fn connect_line(&self, creds: &Creds, options: Value) -> String {
        let signer = Signer::from_seed(creds.seed()).expect("creds have a seed");
        let mut connect = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 0,
            "lang": "raw", "version": "1",
            "jwt": creds.jwt(), "sig": encode_signature(&signer.sign(self.nonce.as_bytes())),
        });
        if let (Value::Object(usual), Value::Object(more)) = (&mut connect, options) {
            usual.extend(more);
        }
        format!("CONNECT {connect}\r\n")
    }

    /// Says something.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_send(bytes).await, "the connection is open");
    }

    /// Says something; false when the connection is gone.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let writing = self.socket.get_mut().write_all(bytes.as_ref());
        in_time("the server reads", writing).await.is_ok()
    }

    /// The next line without its end; empty when the connection is gone.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = in_time("the server says a line", self.socket.read_until(b'\n', &mut line)).await;
        // A reset is an end as well.
        read.unwrap_or(0);
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// The next message: its control line, and its headers and payload.
    pub async fn message(&mut self) -> (String, Vec<u8>) {
        let line = self.line().await;
        let length: usize = line
            .rsplit(' ')
            .next()
            .and_then(|length| length.parse().ok())
            .filter(|_| line.starts_with("MSG ") || line.starts_with("HMSG "))
            .unwrap_or_else(|| panic!("no message but {line:?}"));
        let mut body = vec![0; length + 2];
        in_time("the whole message", self.socket.read_exact(&mut body))
            .await
            .expect("the whole message");
        body.truncate(length);
        (line, body)
    }

    /// Everything that was said is done, and nothing else came back.
    pub async fn sync(&mut self) {
        self.send("PING\r\n").await;
        assert_eq!(self.line().await, "PONG");
    }

    /// The socket alone, for a test that reads itself or not at all. What was read ahead is lost.
    pub fn into_stream(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// Waits until the server closes the connection; what it said before.
    pub async fn closed(&mut self) -> String {
        let mut rest = Vec::new();
        let read = in_time("the server closes", self.socket.read_to_end(&mut rest)).await;
        read.unwrap_or(0);
        String::from_utf8_lossy(&rest).into_owned()
    }
}
