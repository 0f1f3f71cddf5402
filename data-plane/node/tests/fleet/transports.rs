//! TLS and websockets of a node that its flags ask for, and certificates that are replaced.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::control_plane::ControlPlane;
use crate::eventually;
use crate::node::Node;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signs itself")
}

/// Writes a certificate of this authority, and its key, where the node reads them.
fn write(folder: &Path, authority: &CertifiedIssuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, authority).expect("signs");
    fs::write(folder.join("node.pem"), certificate.pem()).expect("written");
    fs::write(folder.join("node.key"), key.serialize_pem()).expect("written");
}

fn trusting(authority: &CertifiedIssuer<'static, KeyPair>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_make_clients_use_tls_and_a_hangup_brings_the_next_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = tempfile::tempdir().expect("a folder");
    let (first, second) = (authority(), authority());
    write(files.path(), &first);
    let mut control_plane = ControlPlane::start().await;
    let mut command = Node::command(folder.path(), control_plane.address);
    command
        .env("TOLLWAY_ENROL_TOKEN", &control_plane.token)
        .arg("--tls-cert")
        .arg(files.path().join("node.pem"))
        .arg("--tls-key")
        .arg(files.path().join("node.key"))
        .args(["--websocket-listen", "127.0.0.1:0"])
        .args(["--websocket-origin", "https://app.test"]);
    let mut node = Node::spawn(command, folder.path());
    control_plane.welcomed().await;
    let ports = node.ports().await;

    // INFO in the clear, then TLS.
    let upgraded = async |connector: &TlsConnector| {
        let mut socket = BufReader::new(TcpStream::connect(ports.client).await?);
        let mut info = String::new();
        socket.read_line(&mut info).await?;
        assert!(info.contains("\"tls_required\":true"), "{info}");
        connector.connect(localhost(), socket.into_inner()).await
    };
    assert!(upgraded(&trusting(&first)).await.is_ok());
    assert!(upgraded(&trusting(&second)).await.is_err());

    // The page that was named may connect over TLS, another one not.
    for (origin, wanted) in [
        ("https://app.test", "HTTP/1.1 101 "),
        ("https://evil.test", "HTTP/1.1 403 "),
    ] {
        let websocket = ports.websocket.expect("it is served");
        let socket = TcpStream::connect(websocket).await.expect("it listens");
        let mut stream = trusting(&first).connect(localhost(), socket).await.expect("TLS");
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: {origin}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("it is open");
        let mut answer = vec![0; wanted.len()];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer), wanted, "{origin}");
    }

    write(files.path(), &second);
    node.hang_up();
    eventually("the next certificate is shown", async || {
        upgraded(&trusting(&second)).await.ok()
    })
    .await;
    fs::write(files.path().join("node.pem"), "nothing").expect("written");
    node.hang_up();
    eventually("the damaged file is in the log", async || {
        node.log()
            .contains("the certificate stays as it was")
            .then_some(())
    })
    .await;
    assert!(upgraded(&trusting(&second)).await.is_ok());
}
