//! Much goes through layers: nothing is lost, nothing is billed that was not sent, and who does not
//! read is sent away.

use std::sync::Arc;

use rustls::ClientConfig;
use tollway_node::transport::{Handshake, TlsSettings, WebSocketSettings};

use crate::client::{Asked, Client, dial, secured};
use crate::pki::{Pki, load};
use crate::support::{User, World, eventually};

const LAYERS: [&str; 3] = ["tls", "ws", "wss"];

/// A world that serves `tls` and one of `ws` and `wss`.
async fn world(pki: &Pki, layer: &str, max_pending: usize) -> World {
    let tls = load(TlsSettings {
        handshake: Handshake::First,
        ..pki.settings()
    });
    let mut websocket = WebSocketSettings::new("h", 1);
    websocket.upgrade.compression = true;
    if layer == "wss" {
        websocket.tls = Some(tls.clone());
    }
    World::with(|settings| {
        if layer == "tls" {
            settings.tls = Some(tls);
        }
        settings.websocket = Some(websocket);
        settings.max_pending = max_pending;
    })
    .await
}

async fn connect(world: &World, layer: &str, config: &Arc<ClientConfig>, user: &User) -> Client {
    let mut client = match layer {
        "tls" => Client::immediate(world.address, config).await,
        _ => {
            let socket = dial(world.websocket.expect("served")).await;
            let asked = Asked {
                headers: &[("Sec-WebSocket-Extensions", "permessage-deflate")],
            };
            match layer {
                "ws" => Client::websocket(socket, asked).await,
                _ => Client::websocket(secured(socket, config).await.expect("TLS"), asked).await,
            }
        }
    };
    client.log_in(user).await;
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_several_publish_at_once_arrives_whole_and_is_billed_once() {
    const PUBLISHERS: usize = 4;
    const MESSAGES: usize = 1500;
    let pki = Pki::new();
    let config = pki.client(None);
    for layer in LAYERS {
        let world = world(&pki, layer, 64 * 1024 * 1024).await;
        let account = world.account();
        let user = account.user();
        let mut receiver = connect(&world, layer, &config, &user).await;
        receiver.send("SUB a.* 1\r\n").await;
        receiver.sync().await;
        let mut publishing = Vec::new();
        for publisher in 0..PUBLISHERS {
            let mut client = connect(&world, layer, &config, &user).await;
            publishing.push(tokio::spawn(async move {
                for number in 0..MESSAGES {
                    let text = format!("{number}:").repeat(1 + number % 200);
                    client
                        .send(format!("PUB a.{publisher} {}\r\n{text}\r\n", text.len()))
                        .await;
                }
                client.sync().await;
            }));
        }
        let mut next = [0; PUBLISHERS];
        let mut bytes = 0;
        while next.iter().sum::<usize>() < PUBLISHERS * MESSAGES {
            let line = receiver.line().await;
            let words: Vec<&str> = line.split(' ').collect();
            let publisher: usize = words[1]
                .strip_prefix("a.")
                .and_then(|at| at.parse().ok())
                .expect(layer);
            let number = next[publisher];
            let text = format!("{number}:").repeat(1 + number % 200);
            assert_eq!(words[3], text.len().to_string(), "{layer}: {line}");
            receiver.expect(format!("{text}\r\n")).await;
            next[publisher] += 1;
            bytes += 3 + text.len() as u64;
        }
        for publisher in publishing {
            publisher.await.expect("it published all");
        }
        let used = world.meters(&account);
        let messages = (PUBLISHERS * MESSAGES) as u64;
        assert_eq!((used.messages_in, used.bytes_in), (messages, bytes), "{layer}");
        eventually("all is billed", || {
            world.meters(&account).messages_out == messages
        })
        .await;
        assert_eq!(world.meters(&account).bytes_out, bytes, "{layer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_does_not_read_is_closed_and_pays_for_what_was_sent_alone() {
    const PAYLOAD: usize = 32 * 1024;
    let pki = Pki::new();
    let config = pki.client(None);
    for layer in LAYERS {
        let world = world(&pki, layer, 1024 * 1024).await;
        let account = world.account();
        let user = account.user();
        let mut slow = connect(&world, layer, &config, &user).await;
        slow.send("SUB flood 1\r\n").await;
        slow.sync().await;
        let mut publisher = connect(&world, layer, &config, &user).await;
        // Compression must not make the flood a trickle.
        let noise: Vec<u8> = (0..PAYLOAD as u32)
            .map(|at| (at.wrapping_mul(2_654_435_761).rotate_left(at % 31) >> 24) as u8)
            .collect();
        let message = [format!("PUB flood {PAYLOAD}\r\n").as_bytes(), &noise, b"\r\n"].concat();
        let mut sent = 0_u64;
        while world.broker.stats().slow_consumers == 0 {
            publisher.send(&message).await;
            sent += 1;
            assert!(sent < 20_000, "{layer}: it is never closed");
        }
        publisher.sync().await;
        eventually("it is gone", || world.live(&account).connections == 1).await;
        let billed = world.meters(&account).messages_out;
        let got = slow.rest().await.matches("MSG flood 1").count() as u64;
        assert!(got < sent, "{layer}: something was thrown away");
        // A record of which the socket took a part cannot be read, and is not billed.
        assert!(
            billed <= got && got <= billed + 1,
            "{layer}: {billed} billed, {got} arrived"
        );
    }
}

#[tokio::test]
async fn a_client_that_ends_its_side_ends_the_connection() {
    let pki = Pki::new();
    let config = pki.client(None);
    for layer in LAYERS {
        let world = world(&pki, layer, 1024 * 1024).await;
        let account = world.account();
        let mut client = connect(&world, layer, &config, &account.user()).await;
        client.shut().await;
        assert_eq!(client.rest().await, "");
        eventually("it is gone", || world.live(&account).connections == 0).await;
        assert_eq!(world.broker.stats().protocol_errors, 0, "{layer}");
    }
}
