//! Websockets: how they are opened, what goes through them, how they are closed.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollway_node::broker::BrokerSettings;
use tollway_node::transport::WebSocketSettings;
use tollway_websocket::{CookieNames, Origin};

use crate::client::{Asked, Client, compressed, dial, frame, of_websocket, parse_info, read_rest, secured};
use crate::pki::{Pki, load};
use crate::support::World;

const DEFLATE: &[(&str, &str)] = &[(
    "Sec-WebSocket-Extensions",
    "permessage-deflate; client_max_window_bits",
)];
const BROWSER: &[(&str, &str)] = &[("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")];

async fn world() -> World {
    with(|_| {}).await
}

async fn with(adjust: impl FnOnce(&mut WebSocketSettings)) -> World {
    let mut websocket = WebSocketSettings::new("ws.test", 8080);
    adjust(&mut websocket);
    World::with(|settings: &mut BrokerSettings| settings.websocket = Some(websocket)).await
}

#[tokio::test]
async fn info_is_the_first_frame_and_names_the_listener_of_websockets() {
    let world = with(|settings| settings.connect_urls = vec!["a.test:1".into()]).await;
    let mut client = Client::over(dial(world.websocket.expect("served")).await);
    let head = client.request(Asked::default()).await;
    assert!(
        head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{head}"
    );
    // What follows is not unpacked: a head of four bytes, and INFO.
    let frame = client.line().await;
    let info = parse_info(&frame[frame.find("INFO").expect("INFO")..]);
    assert_eq!((&info["host"], &info["port"]), (&json!("ws.test"), &json!(8080)));
    assert_eq!(info["connect_urls"], json!(["a.test:1"]));
    assert_eq!(info.get("tls_required"), None);
}

#[tokio::test]
async fn messages_go_between_websockets_and_plain_sockets() {
    let world = world().await;
    let user = world.account().user();
    let mut plain = world.client(&user).await;
    let mut framed = of_websocket(&world, Asked::default()).await;
    framed.log_in(&user).await;
    framed.send("SUB a 1\r\n").await;
    framed.sync().await;
    plain.send("PUB a 5\r\nhello\r\n").await;
    framed.expect("MSG a 1 5\r\nhello\r\n").await;
    plain.send("SUB b 1\r\n").await;
    plain.sync().await;
    // A message of the protocol in many frames, and two of them in text frames.
    for (first, part) in [
        (0x82, "PU"),
        (0x81, "B b "),
        (0x02, "6\r\nw"),
        (0x00, "or"),
        (0x80, "ld!\r\n"),
    ] {
        framed.send_raw(frame(first, part.as_bytes())).await;
    }
    plain.expect("MSG b 1 6\r\nworld!\r\n").await;
}

#[tokio::test]
async fn what_came_before_a_broken_frame_is_done_first() {
    let world = world().await;
    let user = world.account().user();
    let mut plain = world.client(&user).await;
    plain.send("SUB b 1\r\n").await;
    plain.sync().await;
    let broken = frame(0xf2, b"reserved bits");
    for between in [Vec::new(), frame(0x89, b"ping"), frame(0x82, b"PUB b 4\r\nha")] {
        let mut framed = of_websocket(&world, Asked::default()).await;
        framed.log_in(&user).await;
        let whole = frame(0x82, b"PUB b 2\r\nhi\r\n");
        framed.send_raw([whole, between, broken.clone()].concat()).await;
        plain.expect("MSG b 1 2\r\nhi\r\n").await;
        framed.rest().await;
        assert_eq!(framed.closed.as_ref().map(|(code, _)| *code), Some(1002));
    }
    plain.sync().await;
}

#[tokio::test]
async fn a_websocket_over_tls_says_so() {
    let pki = Pki::new();
    let tls = load(pki.settings());
    let world = with(|settings| settings.tls = Some(tls)).await;
    let address = world.websocket.expect("served");
    let user = world.account().user();
    let stream = secured(dial(address).await, &pki.client(None))
        .await
        .expect("TLS");
    let mut client = Client::websocket(stream, Asked::default()).await;
    client.log_in(&user).await;
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n").await;
    client.expect("MSG a 1 2\r\nhi\r\n").await;
    client.send_raw(frame(0x88, &[3, 232])).await;
    client.rest().await;
    assert_eq!(client.closed, Some((1000, String::new())));
    // Without TLS there is no answer that could be read.
    let mut plain = Client::over(dial(address).await);
    assert_eq!(plain.request(Asked::default()).await.find("HTTP/1.1 101"), None);
}

#[tokio::test]
async fn compression_is_used_when_both_want_it() {
    let world = with(|settings| settings.upgrade.compression = true).await;
    let user = world.account().user();
    let mut client = of_websocket(&world, Asked { headers: DEFLATE }).await;
    assert_eq!(client.frames[0].0, 0xc2, "INFO is compressed");
    let connect = client.connect_line(&user, json!({}));
    let line = format!("{connect}SUB a 1\r\nPING\r\n");
    client.send_raw(frame(0xc2, &compressed(line.as_bytes()))).await;
    assert_eq!(client.line().await, "PONG");
    client.line().await;
    // More than a stranger may send, in parts of a frame.
    let payload = "0123456789".repeat(50_000);
    let message = format!("PUB a {}\r\n{payload}\r\n", payload.len());
    let bytes = frame(0xc2, &compressed(message.as_bytes()));
    for part in bytes.chunks(700) {
        client.send_raw(part).await;
    }
    client
        .expect(format!("MSG a 1 {}\r\n{payload}\r\n", payload.len()))
        .await;
    let arrived: usize = client.frames.iter().map(|(_, length)| length).sum();
    assert!(arrived < payload.len() / 10, "{arrived}");

    let mut without = of_websocket(&world, Asked::default()).await;
    without.log_in(&user).await;
    assert!(without.frames.iter().all(|(first, _)| *first == 0x82));
}

#[tokio::test]
async fn browsers_get_short_frames() {
    let world = world().await;
    let user = world.account().user();
    let mut client = of_websocket(&world, Asked { headers: BROWSER }).await;
    client.log_in(&user).await;
    let payload = "x".repeat(100_000);
    client
        .send(format!("SUB a 1\r\nPUB a {}\r\n{payload}\r\n", payload.len()))
        .await;
    client
        .expect(format!("MSG a 1 {}\r\n{payload}\r\n", payload.len()))
        .await;
    let longest = client.frames.iter().map(|(_, length)| *length).max();
    assert_eq!(longest, Some(4096));
}

#[tokio::test]
async fn pings_are_answered_also_in_a_flood_and_while_nothing_is_read() {
    let world = world().await;
    let user = world.account().user();
    let mut client = of_websocket(&world, Asked::default()).await;
    client.log_in(&user).await;
    client.send_raw(frame(0x89, b"one")).await;
    while client.pongs.is_empty() {
        client.sync().await;
    }
    assert_eq!(client.pongs, [b"one"]);
    // Nothing is read meanwhile: pongs that nobody reads must not pile up.
    let pings: Vec<u8> = (0..50_000_u32)
        .flat_map(|at| frame(0x89, &at.to_be_bytes()))
        .collect();
    client.send_raw(&pings).await;
    client.sync().await;
    while client.pongs.last().map(Vec::as_slice) != Some(&49_999_u32.to_be_bytes()) {
        client.sync().await;
    }
}

#[tokio::test]
async fn the_end_is_told_with_its_code() {
    let world = World::with(|settings| {
        settings.websocket = Some(WebSocketSettings::new("h", 1));
        settings.auth_timeout = Duration::from_millis(300);
    })
    .await;
    let user = world.account().user();
    let stranger = async |bytes: &[u8]| {
        let mut client = of_websocket(&world, Asked::default()).await;
        client.try_send_raw(bytes).await;
        let said = client.rest().await;
        (said, client.closed.expect("a close frame").0)
    };
    let violation = "-ERR 'Authorization Violation'\r\n".to_owned();
    assert_eq!(stranger(&frame(0x82, b"CONNECT {}\r\n")).await, (violation, 1008));
    assert_eq!(
        stranger(b"").await,
        ("-ERR 'Authentication Timeout'\r\n".into(), 1008)
    );
    assert_eq!(stranger(b"\x82\x05hello").await, (String::new(), 1002));
    assert_eq!(stranger(&frame(0xc2, b"x")).await, (String::new(), 1002));
    assert_eq!(
        stranger(&frame(0x88, &[3, 232, 0xff])).await,
        (String::new(), 1007)
    );
    assert_eq!(stranger(&frame(0x88, &[15, 160])).await, (String::new(), 4000));

    let client = async |bytes: &str| {
        let mut client = of_websocket(&world, Asked::default()).await;
        client.log_in(&user).await;
        client.try_send_raw(frame(0x82, bytes.as_bytes())).await;
        let said = client.rest().await;
        (said, client.closed.expect("a close frame").0)
    };
    let too_big = "-ERR 'Maximum Payload Violation'\r\n".to_owned();
    assert_eq!(client("PUB a 99999999\r\n").await, (too_big, 1009));
    let unknown = "-ERR 'Unknown Protocol Operation'\r\n".to_owned();
    assert_eq!(client("HELLO\r\n").await, (unknown, 1002));

    let mut last = of_websocket(&world, Asked::default()).await;
    last.log_in(&user).await;
    world.stop.cancel();
    last.rest().await;
    assert_eq!(last.closed.expect("a close frame").0, 1001);
}

/// Frames that hold nothing never become an operation, and whoever sends them without a pause always has
/// more of them waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_sends_frames_without_end_has_no_longer_to_log_in() {
    let world = World::with(|settings| {
        settings.websocket = Some(WebSocketSettings::new("h", 1));
        settings.auth_timeout = Duration::from_millis(300);
    })
    .await;
    let address = world.websocket.expect("websockets are served");
    let mut floods = Vec::new();
    for kind in [0x00, 0x89].repeat(4) {
        let mut stranger = dial(address).await;
        stranger
            .write_all(
                b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            .await
            .expect("it is open");
        // Behind the answer: nothing may be sent before it.
        stranger.read_u8().await.expect("an answer");
        stranger.write_all(&frame(0x02, b"")).await.expect("it is open");
        let stranger = stranger.into_std().expect("a socket");
        stranger.set_nonblocking(false).expect("a socket");
        floods.push(tokio::task::spawn_blocking(move || {
            let many = frame(kind, b"").repeat(200_000);
            // Ends when the node closes the connection.
            while std::io::Write::write_all(&mut &stranger, &many).is_ok() {}
        }));
    }
    for flood in floods {
        let ended = tokio::time::timeout(Duration::from_secs(20), flood).await;
        ended.expect("who floods is sent away, too").expect("a thread");
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let world = with(|settings| {
        settings.upgrade.origins.allowed = Origin::parse("https://app.test").into_iter().collect();
    })
    .await;
    let address = world.websocket.expect("served");
    for (origin, wanted) in [
        ("https://app.test", "101"),
        ("https://evil.test", "403"),
        ("null", "403"),
    ] {
        let mut client = Client::over(dial(address).await);
        let headers = [("Origin", origin)];
        let head = client.request(Asked { headers: &headers }).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {wanted} ")),
            "{origin}: {head}"
        );
    }
}

#[tokio::test]
async fn a_cookie_stands_for_the_jwt_of_connect() {
    let world = with(|settings| {
        settings.upgrade.cookies = CookieNames {
            jwt: Some("creds".into()),
            ..CookieNames::default()
        };
    })
    .await;
    let account = world.account();
    let (user, bearer) = (
        account.user(),
        account.user_with(|claims| claims.limits.bearer_token = true),
    );
    for (user, signs) in [(&user, true), (&bearer, false)] {
        let cookie = format!("other=1; creds={}", user.jwt);
        let headers = [("Cookie", cookie.as_str())];
        let mut client = of_websocket(&world, Asked { headers: &headers }).await;
        let mut options = json!({ "jwt": "" });
        if !signs {
            options["sig"] = "".into();
        }
        client.log_in_with(user, options).await;
    }
}

#[tokio::test]
async fn users_connect_in_the_ways_that_they_may() {
    let world = world().await;
    let account = world.account();
    let of = |kind: &str| {
        let kind = kind.to_owned();
        account.user_with(|claims| claims.limits.allowed_connection_types = vec![kind])
    };
    let (websocket, standard) = (of("WEBSOCKET"), of("STANDARD"));
    let mut allowed = of_websocket(&world, Asked::default()).await;
    allowed.log_in(&websocket).await;
    world.client(&standard).await;
    let mut refused = of_websocket(&world, Asked::default()).await;
    let line = refused.connect_line(&standard, json!({}));
    refused.send(line).await;
    assert_eq!(refused.rest().await, "-ERR 'Authorization Violation'\r\n");
    let mut plain = world.greeted().await;
    plain.connect(&websocket, json!({})).await;
    plain.expect_end("-ERR 'Authorization Violation'\r\n").await;
    assert_eq!(
        world.broker.stats().auth_failures.get("connection_type"),
        Some(&2)
    );
}

#[tokio::test]
async fn other_programs_on_the_port_are_answered_and_sent_away() {
    let world = with(|settings| settings.timeout = Duration::from_millis(300)).await;
    let address = world.websocket.expect("served");
    for (says, wanted) in [
        ("GET /mqtt HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 "),
        ("POST / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 "),
        ("CONNECT {}\r\nPING\r\n", "HTTP/1.1 400 "),
        ("\x16\x03\x01", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\nHost: h\r\n", ""),
        ("", ""),
    ] {
        let mut socket = dial(address).await;
        socket.write_all(says.as_bytes()).await.expect("it is open");
        let heard = read_rest(&mut socket).await;
        assert!(
            heard.starts_with(wanted) && heard.is_empty() == wanted.is_empty(),
            "{says:?}: {heard}"
        );
    }
}

#[tokio::test]
async fn a_forwarded_address_is_shown_and_opens_no_network() {
    let world = world().await;
    let account = world.account();
    let (anywhere, inside) = (
        account.user(),
        account.user_with(|claims| claims.limits.src = vec!["192.0.2.0/24".parse().expect("a network")]),
    );
    let asked = Asked {
        headers: &[("X-Forwarded-For", "192.0.2.7, 198.51.100.1")],
    };
    let mut client = of_websocket(&world, asked).await;
    client.log_in(&anywhere).await;
    let mut shown = Vec::new();
    world
        .broker
        .connections_visit(&mut |view| shown.push(view.peer.ip().to_string()));
    assert_eq!(shown, ["192.0.2.7"]);
    let mut liar = of_websocket(&world, asked).await;
    let line = liar.connect_line(&inside, json!({}));
    liar.send(line).await;
    assert_eq!(liar.rest().await, "-ERR 'Authorization Violation'\r\n");
}
