//! TLS and websockets, from the file and from flags.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::node::{Node, PATIENCE};

/// A certificate for localhost that signs itself, and its key, in files of a folder.
struct Certificate {
    folder: tempfile::TempDir,
    der: rustls::pki_types::CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("a file");
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
        let der = made.cert.der().clone();
        Self { folder, der }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn block(&self) -> String {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\" }}")
    }

    /// What a client is told over TLS, which trusts this certificate alone.
    fn info(&self, node: &Node) -> String {
        let mut socket = TcpStream::connect(node.clients).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut first = [0; 4096];
        let count = socket.read(&mut first).expect("INFO comes in the clear");
        assert!(String::from_utf8_lossy(&first[..count]).contains("\"tls_required\":true"));
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        let mut secure = StreamOwned::new(connection, socket);
        secure
            .write_all(b"CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n")
            .expect("it reads");
        let mut told = String::new();
        while !told.contains("INFO ") || !told.ends_with("\r\n") {
            let mut bytes = [0; 4096];
            let count = secure.read(&mut bytes).expect("it answers");
            assert!(count > 0, "{told}");
            told.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        told
    }
}

#[test]
fn tls_comes_from_the_file_or_from_flags() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.path("cert.pem"), certificate.path("key.pem"));
    let flags = ["--tls", "--tlscert", &cert, "--tlskey", &key];
    for node in [
        Node::start(&certificate.block(), &[]),
        Node::start("debug: false", &flags),
    ] {
        node.wait_for_log("TLS required for client connections", 1);
        assert!(certificate.info(&node).starts_with("PONG\r\n"));
    }
}

#[test]
fn a_new_certificate_counts_after_a_reload() {
    let (before, after) = (Certificate::new(), Certificate::new());
    let node = Node::start(&before.block(), &[]);
    before.info(&node);
    for name in ["cert.pem", "key.pem"] {
        fs::copy(after.path(name), before.path(name)).expect("files");
    }
    node.reload(&before.block(), "Reloaded server configuration");
    after.info(&node);
    // Another file may be named too.
    node.reload(&after.block(), "Reloaded server configuration");
    after.info(&node);
}

#[test]
fn websockets_listen_beside_clients() {
    let node = Node::start("websocket { host: \"127.0.0.1\", port: -1, no_tls: true }", &[]);
    let url = node.websocket.as_ref().expect("it is told");
    let address = url.strip_prefix("ws://").expect("in the clear");
    node.wait_for_log(&format!("Listening for websocket clients on ws://{address}"), 1);
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).expect("it reads");
    let mut told = Vec::new();
    while !told.windows(5).any(|part| part == b"INFO ") {
        let mut bytes = [0; 4096];
        let count = socket.read(&mut bytes).expect("it answers");
        assert!(count > 0);
        told.extend_from_slice(&bytes[..count]);
    }
    assert!(told.starts_with(b"HTTP/1.1 101 "));
}
