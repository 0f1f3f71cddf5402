//! A connection that shows every byte.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tollway_claims::{Signer, encode_signature};

use crate::node::PATIENCE;

/// What is told to everybody who is not let in.
pub(crate) const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

pub(crate) struct Client {
    socket: TcpStream,
    /// The first INFO.
    pub(crate) info: Value,
    arrived: String,
}

impl Client {
    pub(crate) fn dial(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the node listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut client = Self {
            socket,
            info: Value::Null,
            arrived: String::new(),
        };
        let line = client.until("\r\n");
        let text = line.strip_prefix("INFO ").expect("INFO comes first");
        client.info = serde_json::from_str(text).expect("INFO is JSON");
        client
    }

    /// Sends bytes, which the node may already refuse to read.
    pub(crate) fn send(&mut self, text: &str) {
        let _ = self.socket.write_all(text.as_bytes());
    }

    /// CONNECT with these options beside those of a modern, quiet client, and PING.
    pub(crate) fn connect(&mut self, options: Value) {
        let mut all = json!({"verbose": false, "pedantic": false, "protocol": 1, "headers": true});
        for (key, value) in options.as_object().expect("options are an object") {
            all[key] = value.clone();
        }
        self.send(&format!("CONNECT {all}\r\nPING\r\n"));
    }

    /// CONNECT with a key, and a signature of it over the nonce.
    pub(crate) fn connect_signed(&mut self, key: &Signer, mut options: Value) {
        let nonce = self.info["nonce"].as_str().expect("INFO has a nonce").to_owned();
        options["sig"] = encode_signature(&key.sign(nonce.as_bytes())).into();
        self.connect(options);
    }

    /// The INFO that follows the first PONG: the client is in.
    pub(crate) fn introduced(&mut self) -> Value {
        let line = self.until("PONG\r\n");
        assert_eq!(line, "PONG\r\n");
        let line = self.until("\r\n");
        let text = line.strip_prefix("INFO ").expect("INFO comes behind PONG");
        serde_json::from_str(text).expect("INFO is JSON")
    }

    /// What arrives up to this text, with it.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.arrived.find(text) {
                let rest = self.arrived.split_off(at + text.len());
                return std::mem::replace(&mut self.arrived, rest);
            }
            assert!(self.more(), "the connection ended behind {:?}", self.arrived);
        }
    }

    /// What arrives until the node closes the connection.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        std::mem::take(&mut self.arrived)
    }

    /// Everything that was sent is done; what that was answered with.
    pub(crate) fn sync(&mut self) -> String {
        self.send("PING\r\n");
        let answers = self.until("PONG\r\n");
        answers.strip_suffix("PONG\r\n").expect("it ends so").to_owned()
    }

    fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.arrived.push_str(&String::from_utf8_lossy(&bytes[..count]));
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}; so far: {:?}", self.arrived),
        }
    }
}
