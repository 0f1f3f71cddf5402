//! When TLS begins, and what is told to those who do not begin it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollway_node::transport::{Handshake, Tls, TlsError, TlsSettings, TlsVersion};

use crate::client::{Client, dial, parse_info, read_line, read_rest, secured};
use crate::pki::{Pki, load};
use crate::support::{World, eventually};

async fn world(settings: TlsSettings) -> World {
    let tls = load(settings);
    World::with(|settings| settings.tls = Some(tls)).await
}

#[tokio::test]
async fn info_comes_first_in_the_clear_and_says_that_tls_is_required() {
    let pki = Pki::new();
    let world = world(pki.settings()).await;
    let user = world.account().user();
    let info = parse_info(&read_line(&mut dial(world.address).await).await);
    assert_eq!(info["tls_required"], true);
    assert_eq!((info.get("tls_available"), info.get("tls_verify")), (None, None));

    let mut client = Client::upgraded(world.address, &pki.client(None)).await;
    client.log_in(&user).await;
    client.send("SUB a 1\r\nPUB a 5\r\nhello\r\n").await;
    client.expect("MSG a 1 5\r\nhello\r\n").await;
}

#[tokio::test]
async fn a_client_that_begins_no_tls_is_told_so_and_sent_away() {
    let pki = Pki::new();
    let world = world(TlsSettings {
        timeout: Duration::from_millis(300),
        ..pki.settings()
    })
    .await;
    for says in ["CONNECT {}\r\nPING\r\n", ""] {
        let mut socket = dial(world.address).await;
        read_line(&mut socket).await;
        socket.write_all(says.as_bytes()).await.expect("it is open");
        assert_eq!(
            read_rest(&mut socket).await,
            "-ERR 'Secure Connection - TLS Required'\r\n"
        );
    }
    // In the middle of a handshake nothing in the clear would be understood.
    let mut socket = dial(world.address).await;
    read_line(&mut socket).await;
    socket.write_all(&[0x16, 3, 1]).await.expect("it is open");
    assert_eq!(read_rest(&mut socket).await, "");
    eventually("all are counted", || world.broker.stats().handshakes_failed == 3).await;
    assert_eq!(world.broker.stats().connections, 0);
}

#[tokio::test]
async fn what_came_before_a_broken_record_is_done_first() {
    let pki = Pki::new();
    let world = world(pki.settings()).await;
    let user = world.account().user();
    let mut hears = Client::upgraded(world.address, &pki.client(None)).await;
    hears.log_in(&user).await;
    hears.send("SUB b 1\r\n").await;
    hears.sync().await;

    let mut plain = dial(world.address).await;
    let info = parse_info(&read_line(&mut plain).await);
    let stream = secured(plain, &pki.client(None)).await.expect("TLS");
    let mut says = Client::over(tokio::io::empty());
    says.nonce = info["nonce"].as_str().expect("a nonce").to_owned();
    let connect = says.connect_line(&user, serde_json::json!({}));
    let (mut socket, mut tls) = stream.into_inner();
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    // Who has logged in may send more at a time.
    std::io::Write::write_all(&mut tls.writer(), format!("{connect}PING\r\n").as_bytes()).expect("room");
    tls.write_tls(&mut first).expect("it is there");
    socket.write_all(&first).await.expect("it is read");
    while !answered(&mut tls, &mut socket).await {}
    std::io::Write::write_all(&mut tls.writer(), b"PUB b 2\r\nhi\r\n").expect("room");
    tls.write_tls(&mut rest).expect("it is there");
    // A record that nobody can have made.
    rest.extend([23, 3, 3, 0, 32]);
    rest.extend([7; 32]);
    socket.write_all(&rest).await.expect("it is read");
    hears.expect("MSG b 1 2\r\nhi\r\n").await;
}

/// Reads what comes over TLS; whether anything did.
async fn answered(tls: &mut rustls::ClientConnection, socket: &mut tokio::net::TcpStream) -> bool {
    let mut arrived = [0; 4096];
    let count = socket.read(&mut arrived).await.expect("an answer");
    let mut read = &arrived[..count];
    while !read.is_empty() {
        tls.read_tls(&mut read).expect("records");
    }
    let state = tls.process_new_packets().expect("sound records");
    state.plaintext_bytes_to_read() > 0
}

#[tokio::test]
async fn a_handshake_may_come_first_and_info_over_it() {
    let pki = Pki::new();
    let world = world(TlsSettings {
        handshake: Handshake::First,
        timeout: Duration::from_millis(300),
        ..pki.settings()
    })
    .await;
    let user = world.account().user();
    let mut client = Client::immediate(world.address, &pki.client(None)).await;
    client.log_in(&user).await;
    // Nothing is ever said in the clear.
    for says in ["CONNECT {}\r\n", ""] {
        let mut socket = dial(world.address).await;
        socket.write_all(says.as_bytes()).await.expect("it is open");
        let heard = read_rest(&mut socket).await;
        assert!(!heard.contains("INFO") && !heard.contains("-ERR"), "{heard}");
    }
}

#[tokio::test]
async fn a_listener_may_wait_for_the_handshake_and_greet_first_when_none_comes() {
    let pki = Pki::new();
    let world = world(TlsSettings {
        handshake: Handshake::FirstWithin(Duration::from_secs(2)),
        ..pki.settings()
    })
    .await;
    let user = world.account().user();
    let mut at_once = Client::immediate(world.address, &pki.client(None)).await;
    at_once.log_in(&user).await;
    let mut patient = Client::upgraded(world.address, &pki.client(None)).await;
    patient.log_in(&user).await;
}

#[tokio::test]
async fn clients_without_tls_are_served_beside_others_when_that_is_allowed() {
    let pki = Pki::new();
    let world = world(TlsSettings {
        allow_plain: true,
        timeout: Duration::from_millis(200),
        ..pki.settings()
    })
    .await;
    let user = world.account().user();
    let info = parse_info(&read_line(&mut dial(world.address).await).await);
    assert_eq!(
        (info["tls_available"].as_bool(), info.get("tls_required")),
        (Some(true), None)
    );
    let mut plain = world.client(&user).await;
    let mut secure = Client::upgraded(world.address, &pki.client(None)).await;
    secure.log_in(&user).await;
    plain.send("SUB a 1\r\n").await;
    plain.sync().await;
    secure.send("PUB a 2\r\nhi\r\n").await;
    plain.expect("MSG a 1 2\r\nhi\r\n").await;
    // Who says nothing has as long as other clients to log in, not as long as a handshake.
    let mut late = world.greeted().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    late.connect(&user, serde_json::json!({})).await;
    late.send("PING\r\n").await;
    late.expect("PONG\r\n").await;
}

#[tokio::test]
async fn versions_and_suites_are_those_that_were_chosen() {
    let pki = Pki::new();
    let spoken = async |settings: TlsSettings, version: &'static rustls::SupportedProtocolVersion| {
        let world = world(TlsSettings {
            handshake: Handshake::First,
            ..settings
        })
        .await;
        let mut roots = rustls::RootCertStore::empty();
        let authority = std::fs::read(pki.file("ca.pem")).expect("the authority's file");
        use rustls::pki_types::pem::PemObject as _;
        let authority = rustls::pki_types::CertificateDer::from_pem_slice(&authority).expect("PEM");
        roots.add(authority).expect("an authority");
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        secured(dial(world.address).await, &config.into()).await.is_ok()
    };
    let (old, new) = (&rustls::version::TLS12, &rustls::version::TLS13);
    assert!(spoken(pki.settings(), old).await && spoken(pki.settings(), new).await);
    let only_new = TlsSettings {
        min_version: TlsVersion::V1_3,
        ..pki.settings()
    };
    assert!(!spoken(only_new.clone(), old).await && spoken(only_new, new).await);
    // A suite that a certificate of this kind cannot use leaves nothing to agree on.
    let of_rsa = TlsSettings {
        cipher_suites: vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into()],
        ..pki.settings()
    };
    assert!(!spoken(of_rsa, old).await);
    let fitting = TlsSettings {
        cipher_suites: vec!["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".into()],
        curves: vec!["CurveP384".into()],
        ..pki.settings()
    };
    assert!(spoken(fitting, old).await);
    let unknown = TlsSettings {
        cipher_suites: vec!["TLS_RSA_WITH_RC4_128_SHA".into()],
        ..pki.settings()
    };
    assert!(matches!(Tls::load(unknown), Err(TlsError::Name { .. })));
}

#[tokio::test]
async fn files_are_read_again_while_connections_stay() {
    let pki = Pki::new();
    let settings = TlsSettings {
        handshake: Handshake::First,
        ..pki.settings()
    };
    let tls = load(settings);
    let world = World::with(|settings| settings.tls = Some(tls.clone())).await;
    let user = world.account().user();
    let config = pki.client(None);
    let mut before = Client::immediate(world.address, &config).await;
    before.log_in(&user).await;

    pki.write_server("server", &["elsewhere"]);
    tls.reload().expect("the files are there");
    assert!(
        secured(dial(world.address).await, &config).await.is_err(),
        "another name"
    );

    std::fs::write(pki.file("server.pem"), "nothing").expect("written");
    let error = tls.reload().expect_err("no certificate").to_string();
    assert!(error.contains("server.pem"), "{error}");
    pki.write_server("server", &["localhost"]);
    tls.reload().expect("the files are there");
    let mut after = Client::immediate(world.address, &config).await;
    after.log_in(&user).await;
    before.sync().await;
}

#[tokio::test]
async fn the_certificate_is_chosen_by_the_name_that_the_client_asks_for() {
    let pki = Pki::new();
    let (first_pem, first_key) = pki.write_server("first", &["other.test"]);
    let (second_pem, second_key) = pki.write_server("second", &["localhost"]);
    let mut settings = TlsSettings::new(first_pem, first_key);
    settings.handshake = Handshake::First;
    settings
        .certificates
        .push(tollway_node::transport::CertificateFiles {
            certificate: second_pem,
            key: second_key,
        });
    let world = world(settings).await;
    assert!(
        secured(dial(world.address).await, &pki.client(None))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn more_handshakes_in_a_second_than_allowed_are_put_off() {
    let pki = Pki::new();
    let world = world(TlsSettings {
        connection_rate_limit: Some(0),
        ..pki.settings()
    })
    .await;
    let mut socket = dial(world.address).await;
    read_line(&mut socket).await;
    socket.write_all(&[0x16, 3, 1]).await.expect("it is open");
    assert_eq!(
        read_rest(&mut socket).await,
        "-ERR 'Connection throttling is active. Please try again later.'\r\n"
    );
}

#[tokio::test]
async fn mistakes_in_files_are_told_with_the_file() {
    let pki = Pki::new();
    let good = pki.settings();
    let (_, other_key) = pki.write_server("other", &["localhost"]);
    let mut swapped = good.clone();
    swapped.certificates[0].key = other_key;
    let mut missing = good.clone();
    missing.certificates[0].certificate = pki.file("absent.pem");
    let mut unsigned = good.clone();
    unsigned.client_certificates = tollway_node::transport::ClientCertificates::Required;
    for (settings, wanted) in [
        (swapped, "other.key"),
        (missing, "absent.pem"),
        (unsigned, "has to be named"),
    ] {
        let error = Tls::load(settings).expect_err("a mistake").to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
