//! A NATS client of raw bytes, as far as these tests need one.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tollway_claims::encode_signature;

use crate::PATIENCE;
use crate::operator::User;

#[derive(Debug)]
pub(crate) struct Client {
    socket: BufReader<TcpStream>,
}

impl Client {
    /// Logs in; or the error that the node tells.
    pub(crate) async fn connect(address: SocketAddr, user: &User) -> Result<Self, String> {
        let socket = TcpStream::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        let mut client = Self {
            socket: BufReader::new(socket),
        };
        let info = client.line().await;
        let info: serde_json::Value =
            serde_json::from_str(info.strip_prefix("INFO ").expect("INFO first")).expect("INFO is JSON");
        let nonce = info["nonce"].as_str().expect("a nonce");
        let connect = serde_json::json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 0,
            "lang": "raw", "version": "1",
            "jwt": user.jwt, "sig": encode_signature(&user.signer.sign(nonce.as_bytes())),
        });
        client.send(&format!("CONNECT {connect}\r\nPING\r\n")).await;
        match client.line().await.as_str() {
            "PONG" => Ok(client),
            refused => Err(refused.to_owned()),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        // A connection that the node closed is seen when reading.
        let _ = self.socket.get_mut().write_all(text.as_bytes()).await;
    }

    /// Everything sent so far was done.
    pub(crate) async fn sync(&mut self) {
        self.send("PING\r\n").await;
        assert_eq!(self.line().await, "PONG");
    }

    /// The same, when that many messages come before the answer.
    pub(crate) async fn sync_after_messages(&mut self, count: usize) {
        self.send("PING\r\n").await;
        for _ in 0..count {
            let line = self.line().await;
            let length = line.rsplit(' ').next().and_then(|length| length.parse().ok());
            self.payload(length.unwrap_or_else(|| panic!("no message: {line}")))
                .await;
        }
        assert_eq!(self.line().await, "PONG");
    }

    /// The next line, empty at the end of the connection.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.socket.read_line(&mut line))
            .await
            .expect("the node answers")
            .unwrap_or(0);
        line.trim_end().to_owned()
    }

    /// The next bytes, with a line end behind them.
    pub(crate) async fn payload(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length + 2];
        timeout(PATIENCE, self.socket.read_exact(&mut bytes))
            .await
            .expect("the node answers")
            .expect("the whole payload");
        bytes.truncate(length);
        bytes
    }
}
