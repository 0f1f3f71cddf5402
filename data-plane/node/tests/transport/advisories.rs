//! Advisories about the stock server's websockets and TLS, each by its name: what happened there
//! does not happen here.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tollway_node::transport::{ClientCertificates, Handshake, TlsSettings, WebSocketSettings};

use crate::client::{Asked, Client, compressed, dial, frame, of_websocket, read_rest};
use crate::pki::{Pki, load};
use crate::support::World;

async fn world() -> World {
    let mut websocket = WebSocketSettings::new("h", 1);
    websocket.upgrade.compression = true;
    World::with(|settings| {
        settings.websocket = Some(websocket);
        settings.auth_timeout = Duration::from_secs(10);
    })
    .await
}

const DEFLATE: Asked<'static> = Asked {
    headers: &[("Sec-WebSocket-Extensions", "permessage-deflate")],
};

#[tokio::test]
async fn cve_2026_27571_a_compression_bomb_before_login_is_refused() {
    let world = world().await;
    let bomb = compressed(&vec![0; 32 * 1024 * 1024]);
    for message in [&bomb[..], &bomb[..4000]] {
        let mut stranger = of_websocket(&world, DEFLATE).await;
        stranger.try_send_raw(frame(0xc2, message)).await;
        stranger.rest().await;
        assert_eq!(stranger.closed.map(|(code, _)| code), Some(1009));
    }
    // A client that is known may not blow up more than messages can need.
    let user = world.account().user();
    let mut client = of_websocket(&world, DEFLATE).await;
    client.log_in(&user).await;
    let huge = compressed(
        &b"PUB a 1000\r\n"
            .iter()
            .copied()
            .chain([b'x'; 1000])
            .chain(*b"\r\n")
            .collect::<Vec<_>>()
            .repeat(10_000),
    );
    client.try_send_raw(frame(0xc2, &huge)).await;
    client.rest().await;
    assert_eq!(client.closed.map(|(code, _)| code), Some(1009));
}

#[tokio::test]
async fn cve_2026_27889_a_bad_frame_before_login_ends_that_connection_alone() {
    let world = world().await;
    let user = world.account().user();
    let mut bystander = of_websocket(&world, Asked::default()).await;
    bystander.log_in(&user).await;
    // Lengths with the highest bit, lengths that are never reached, and heads of all kinds.
    let mut heads: Vec<Vec<u8>> = vec![b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".into()];
    heads.extend((0..=255).map(|first| vec![first, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 5]));
    heads.extend((0..=255).map(|second| vec![0x82, second, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    for head in heads {
        let mut stranger = of_websocket(&world, DEFLATE).await;
        stranger.try_send_raw(&head).await;
    }
    bystander.sync().await;
}

#[tokio::test]
async fn cve_2026_33219_nothing_before_login_makes_the_node_hold_much() {
    let world = world().await;
    let before = resident();
    let mut strangers = Vec::new();
    // A message that declares 8 EiB, a compressed one that never ends, a ping that never ends.
    let endless: Vec<u8> = [
        &b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0CONNECT "[..],
        &[b'a'; 4000],
    ]
    .concat();
    let noise: Vec<u8> = (0..4000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 20) as u8)
        .collect();
    let unfinished = frame(0x42, &noise);
    let ping = frame(0x89, &[b'x'; 125])[..100].to_vec();
    for at in 0..600 {
        let mut stranger = of_websocket(&world, DEFLATE).await;
        stranger
            .try_send_raw(match at % 3 {
                0 => &endless,
                1 => &unfinished,
                _ => &ping,
            })
            .await;
        strangers.push(stranger);
    }
    let each = resident().saturating_sub(before) / strangers.len();
    // The clients of this test are in the same process and have buffers of their own.
    assert!(each < 160 * 1024, "{each} bytes for each");
    // A line of a stranger is bounded whatever the frame says.
    let mut stranger = of_websocket(&world, Asked::default()).await;
    stranger
        .try_send_raw([endless.clone(), vec![b'a'; 10_000]].concat())
        .await;
    let said = stranger.rest().await;
    assert!(said.contains("maximum control line exceeded"), "{said}");
}

#[tokio::test]
async fn advisory_2026_27_mqtt_and_leaf_paths_are_refused_and_nothing_else_happens() {
    let world = world().await;
    for path in ["/mqtt", "/leafnode"] {
        let mut socket = dial(world.websocket.expect("served")).await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.expect("it is open");
        let heard = read_rest(&mut socket).await;
        assert!(heard.starts_with("HTTP/1.1 404 "), "{heard}");
    }
    of_websocket(&world, Asked::default()).await;
}

#[tokio::test]
async fn cve_2025_68121_a_session_of_one_authority_is_not_resumed_under_another() {
    let (pki, other) = (Pki::new(), Pki::new());
    let mine = pki.issue(&[(rcgen::DnType::CommonName, "me")], &[], &[]);
    let settings = TlsSettings {
        handshake: Handshake::First,
        ..pki.asking(ClientCertificates::Required)
    };
    let tls = load(settings.clone());
    let world = World::with(|settings| settings.tls = Some(tls.clone())).await;
    // One configuration is one store of sessions of the client.
    let config = pki.client(Some(&mine));
    let user = world.account().user();
    for _ in 0..2 {
        let mut client = Client::immediate(world.address, &config).await;
        client.log_in(&user).await;
    }
    tls.replace(TlsSettings {
        client_ca: Some(other.file("ca.pem")),
        ..settings
    })
    .expect("the files are there");
    let stream = crate::client::secured(dial(world.address).await, &config).await;
    if let Ok(stream) = stream {
        assert_eq!(
            Client::over(stream).rest().await,
            "",
            "the certificate is looked at again"
        );
    }
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    pages * 4096
}
