//! A client that speaks raw bytes: it logs in as real clients do, and leaves the socket to the load.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use tollway_claims::encode_signature;

use crate::tenancy::Creds;

/// Longer than any answer takes on a machine that works at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that is logged in. What has arrived and was not asked for yet is in `arrived`.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    arrived: Vec<u8>,
}

impl Client {
    /// Connects and logs in with a signature over the server's nonce.
    pub(crate) fn connect(server: SocketAddr, creds: &Creds) -> anyhow::Result<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, server, creds)
    }

    /// Connects from a certain address of this machine: one address has ports for 28,000 connections
    /// to a server, and each is kept for a minute after its end.
    pub(crate) fn connect_from(from: Ipv4Addr, server: SocketAddr, creds: &Creds) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if from != Ipv4Addr::LOCALHOST {
            socket.bind(&SocketAddr::from((from, 0)).into())?;
        }
        socket.connect(&server.into()).context("cannot connect")?;
        socket.set_tcp_nodelay(true)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self {
            stream,
            arrived: Vec::new(),
        };
        let info = client.line()?;
        let info = info
            .strip_prefix("INFO ")
            .context("the server did not begin with INFO")?;
        let info: serde_json::Value = serde_json::from_str(info)?;
        let nonce = info["nonce"]
            .as_str()
            .context("the server asks for no signature")?;
        let connect = serde_json::json!({
            "verbose": false,
            "pedantic": false,
            "jwt": creds.jwt,
            "sig": encode_signature(&creds.signer.sign(nonce.as_bytes())),
            "name": "bench",
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": 1,
            "headers": true,
            "no_responders": true,
        });
        client.send(format!("CONNECT {connect}\r\nPING\r\n"))?;
        client.expect_pong()?;
        Ok(client)
    }

    /// Sends as it is.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.stream
            .write_all(bytes.as_ref())
            .context("the server closed the connection")
    }

    /// Waits until the server did all that was said so far. Nothing else may arrive meanwhile.
    pub(crate) fn sync(&mut self) -> anyhow::Result<()> {
        self.send("PING\r\n")?;
        self.expect_pong()
    }

    fn expect_pong(&mut self) -> anyhow::Result<()> {
        loop {
            let line = self.line()?;
            match line.as_str() {
                "PONG" => return Ok(()),
                // Servers ask too, and send a second INFO behind the first PONG.
                "PING" => self.send("PONG\r\n")?,
                _ if line.starts_with("INFO ") => {}
                _ => bail!("the server said {line:?}"),
            }
        }
    }

    fn line(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(end) = self.arrived.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.arrived.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let mut chunk = [0; 4096];
            let read = self
                .stream
                .read(&mut chunk)
                .context("the server did not answer")?;
            ensure!(
                read > 0,
                "the server closed the connection; it had said {:?}",
                String::from_utf8_lossy(&self.arrived)
            );
            self.arrived.extend_from_slice(&chunk[..read]);
        }
    }

    /// The socket for the load. Synced before, so that nothing is lost that had arrived.
    pub(crate) fn into_stream(mut self) -> anyhow::Result<TcpStream> {
        self.sync()?;
        ensure!(self.arrived.is_empty(), "more than the answer had arrived");
        Ok(self.stream)
    }
}
