//! Strangers in a handshake: bounded in number, bytes and time, and in nobody's way.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollway_node::transport::bounds::HANDSHAKE_BYTES_MAX;
use tollway_node::transport::{Handshake, TlsSettings, WebSocketSettings};

use crate::client::{Client, dial, read_rest};
use crate::pki::{Pki, load};
use crate::support::{World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_crowd_gives_place_to_who_comes() {
    let pki = Pki::new();
    let tls = load(TlsSettings {
        handshake: Handshake::First,
        // Longer than the test: places are given up, not waited for.
        timeout: std::time::Duration::from_secs(600),
        ..pki.settings()
    });
    let world = World::with(|settings| {
        settings.tls = Some(tls);
        settings.handshakes_max = 50;
    })
    .await;
    let user = world.account().user();
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(dial(world.address).await);
    }
    let mut client = Client::immediate(world.address, &pki.client(None)).await;
    client.log_in(&user).await;
    // Those who were there first are gone.
    for socket in &mut crowd[..10] {
        assert_eq!(read_rest(socket).await, "");
    }
    drop(crowd);
    client.sync().await;
}

#[tokio::test]
async fn a_handshake_that_goes_on_and_on_is_cut() {
    let pki = Pki::new();
    let tls = load(TlsSettings {
        handshake: Handshake::First,
        timeout: std::time::Duration::from_secs(600),
        ..pki.settings()
    });
    let world = World::with(|settings| settings.tls = Some(tls)).await;
    let mut socket = dial(world.address).await;
    // A hello of 60,000 bytes in records of one byte each.
    let mut bytes = vec![0x16, 3, 1, 0, 4, 1, 0, 0xea, 0x60];
    while bytes.len() < HANDSHAKE_BYTES_MAX + 1000 {
        bytes.extend([0x16, 3, 1, 0, 1, 0]);
    }
    let _ = socket.write_all(&bytes).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    eventually("it is cut", || world.broker.stats().handshakes_failed == 1).await;
}

#[tokio::test]
async fn who_leaves_in_a_handshake_leaves_nothing() {
    let pki = Pki::new();
    let tls = load(pki.settings());
    let world = World::with(|settings| {
        settings.tls = Some(tls);
        settings.websocket = Some(WebSocketSettings::new("h", 1));
    })
    .await;
    for address in [world.address, world.websocket.expect("served")] {
        for _ in 0..20 {
            drop(dial(address).await);
        }
    }
    eventually("all are gone", || world.broker.stats().handshakes_failed == 40).await;
    assert_eq!(world.broker.stats().connections, 0);
}

#[tokio::test]
async fn a_node_that_stops_waits_for_no_handshake() {
    let pki = Pki::new();
    let tls = load(TlsSettings {
        handshake: Handshake::First,
        timeout: std::time::Duration::from_secs(600),
        ..pki.settings()
    });
    let mut world = World::with(|settings| settings.tls = Some(tls)).await;
    let mut socket = dial(world.address).await;
    world.stop.cancel();
    assert_eq!(read_rest(&mut socket).await, "");
    (&mut world.serving).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_that_come_at_once_all_get_in() {
    let pki = Pki::new();
    let tls = load(TlsSettings {
        timeout: std::time::Duration::from_secs(600),
        ..pki.settings()
    });
    let world = std::sync::Arc::new(World::with(|settings| settings.tls = Some(tls)).await);
    let user = std::sync::Arc::new(world.account().user());
    let config = pki.client(None);
    let coming: Vec<_> = (0..200)
        .map(|_| {
            let (world, user, config) = (world.clone(), user.clone(), config.clone());
            tokio::spawn(async move {
                let mut client = Client::upgraded(world.address, &config).await;
                client.log_in(&user).await;
                client
            })
        })
        .collect();
    for client in coming {
        client.await.expect("it got in").sync().await;
    }
}
