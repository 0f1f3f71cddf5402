//! The port for NATS clients.
#![allow(
    clippy::print_stderr,
    reason = "measurements are for whoever runs the tests with --no-capture"
)]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollway_tests::{Creds, Node, Random, Raw, Steady, System, eventually};

use crate::conversation::KINDS;
use crate::process::Process;

/// Growth that is not counted as such: buffers of the allocator, and what the kernel rounds.
const GROWTH_KIB_MAX: u64 = 48 * 1024;

/// A connection that reads nothing by itself, before or after login.
async fn connection(address: SocketAddr, creds: Option<&Creds>) -> TcpStream {
    let mut raw = match creds {
        None => return TcpStream::connect(address).await.expect("the node listens"),
        Some(_) => Raw::dial(address).await.expect("the node listens"),
    };
    if let Some(creds) = creds {
        let line = raw.connect_line(creds, json!({}));
        raw.send(line).await;
    }
    raw.into_stream()
}

/// Says something in two pieces, reads a little or nothing, and goes in one of three ways.
async fn say(mut stream: TcpStream, bytes: &[u8], random: &mut Random) {
    let cut = random.below(bytes.len() + 1);
    let patience = Duration::from_secs(2);
    for piece in [&bytes[..cut], &bytes[cut..]] {
        // The node may have closed it, or not read it because nobody reads what it says.
        if !matches!(
            tokio::time::timeout(patience, stream.write_all(piece)).await,
            Ok(Ok(()))
        ) {
            break;
        }
        tokio::task::yield_now().await;
    }
    match random.below(3) {
        0 => {
            // Gone without a word.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        1 => {
            let mut answer = [0; 1024];
            let _ = tokio::time::timeout(Duration::from_millis(5), stream.read(&mut answer)).await;
        }
        _ => drop(stream.shutdown().await),
    }
}

/// Every kind of nonsense, before and after login, `times` over.
async fn every_kind(node: &Node, creds: &Creds, times: usize, random: &mut Random) {
    for _ in 0..times {
        for (kind, make) in KINDS {
            for creds in [None, Some(creds)] {
                let bytes = make(random);
                let stream = connection(node.address(), creds).await;
                say(stream, &bytes, random).await;
            }
            // Said with the panic that comes next, should one come.
            let _ = kind;
        }
    }
}

async fn all_gone(node: &Node, steady: usize) {
    let url = node.metrics_url();
    eventually("all who attacked are gone", async || {
        let metrics = reqwest::get(format!("{url}/metrics"))
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        let line = format!("tollway_node_connections {steady}\n");
        metrics.contains(&line).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_every_kind_leave_the_node_and_its_clients_as_they_were() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let api = system.api();
    let (honest, attacker) = (api.tenant("cell-a").await, api.tenant("cell-a").await);
    let steady = Steady::start(&node, &honest.creds).await;
    let mut random = Random::new();

    every_kind(&node, &attacker.creds, 4, &mut random).await;
    all_gone(&node, 2).await;
    let process = Process::now("the node", node.process_id());
    every_kind(&node, &attacker.creds, 25, &mut random).await;
    all_gone(&node, 2).await;

    steady.goes_on(50).await;
    assert_eq!(steady.failed(), 0, "another account's clients notice nothing");
    eprintln!("MEASURED slowest answer beside it: {:?}", steady.slowest());
    assert!(node.is_running());
    process.is_the_same(node.process_id(), GROWTH_KIB_MAX);
    assert!(!node.log().contains("panicked"), "nothing panics inside");
    // The attacker itself is served as soon as it behaves.
    Raw::connect(node.address(), &attacker.creds)
        .await
        .expect("the account is in order")
        .sync()
        .await;
}

/// Subscribes to as much as it may, and beyond; publishes to all of it; goes.
async fn subscribe_to_thousands(node: &Node, creds: &Creds, random: &mut Random) {
    let mut raw = Raw::connect(node.address(), creds)
        .await
        .expect("the creds are good");
    let mut all = String::new();
    for number in 0..12_000 {
        let depth = 1 + random.below(12);
        let mut filter = String::new();
        for _ in 0..depth {
            let token = random.choose(&["a.", "b.", "*.", "long-token-of-a-tenant."]);
            filter.push_str(token);
        }
        let last = random.choose(&["a", ">", "*"]);
        filter.push_str(last);
        let queue = *random.choose(&["", "q ", "r "]);
        all.push_str(&format!("SUB {filter} {queue}{number}\r\n"));
    }
    all.push_str("PUB a.b.a 2\r\nhi\r\nPUB a 2\r\nhi\r\n");
    raw.try_send(&all).await;
    // Whatever comes back is read until it is quiet or over.
    let mut stream = raw.into_stream();
    let mut answer = vec![0; 64 * 1024];
    while let Ok(Ok(1..)) = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut answer)).await {
    }
}

/// Subscribes and never reads, while somebody publishes to it.
async fn never_read(node: &Node, creds: &Creds) {
    let mut deaf = Raw::connect(node.address(), creds)
        .await
        .expect("the creds are good");
    deaf.send("SUB flood 1\r\n").await;
    deaf.sync().await;
    let deaf = deaf.into_stream();
    let mut loud = Raw::connect(node.address(), creds)
        .await
        .expect("the creds are good");
    let message = format!("PUB flood 1000000\r\n{}\r\n", "x".repeat(1_000_000));
    for _ in 0..100 {
        loud.send(&message).await;
    }
    loud.sync().await;
    drop(deaf);
}

/// Asks and asks, and never reads an answer.
async fn never_read_pongs(node: &Node, creds: &Creds) {
    let mut stream = connection(node.address(), Some(creds)).await;
    let pings = "PING\r\n".repeat(100_000);
    for _ in 0..30 {
        let writing = stream.write_all(pings.as_bytes());
        if !matches!(
            tokio::time::timeout(Duration::from_millis(500), writing).await,
            Ok(Ok(()))
        ) {
            return;
        }
    }
}

/// One byte after the other, on many connections at once.
async fn trickle(node: &Node, creds: &Creds) {
    let mut slow = Vec::new();
    for number in 0..200 {
        let creds = (number % 2 == 0).then_some(creds);
        slow.push(connection(node.address(), creds).await);
    }
    let sentence = b"PUB a 1000000\r\nx";
    let before_login = b"CONNECT {\"verb";
    for at in 0..before_login.len() {
        for (number, stream) in slow.iter_mut().enumerate() {
            let byte = if number % 2 == 0 {
                sentence[at]
            } else {
                before_login[at]
            };
            // Those without a login may be cut by now, which is what should happen.
            let _ = stream.write_all(&[byte]).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn every_excess(node: &Node, creds: &Creds, random: &mut Random) {
    subscribe_to_thousands(node, creds, random).await;
    never_read(node, creds).await;
    never_read_pongs(node, creds).await;
    trickle(node, creds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excess_of_one_account_is_bounded_and_nobody_elses_trouble() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let api = system.api();
    let (honest, attacker) = (api.tenant("cell-a").await, api.tenant("cell-a").await);
    api.limits(&attacker.account, json!({ "subscriptions": 10_000 }))
        .await;
    let steady = Steady::start(&node, &honest.creds).await;
    let mut random = Random::new();

    // What was taken once is kept for the next time, in several places; it must not go on growing.
    for _ in 0..3 {
        every_excess(&node, &attacker.creds, &mut random).await;
    }
    all_gone(&node, 2).await;
    let process = Process::now("the node", node.process_id());
    for _ in 0..3 {
        every_excess(&node, &attacker.creds, &mut random).await;
    }
    all_gone(&node, 2).await;

    steady.goes_on(50).await;
    assert_eq!(steady.failed(), 0, "another account's clients notice nothing");
    eprintln!("MEASURED slowest answer beside it: {:?}", steady.slowest());
    assert!(node.is_running());
    process.is_the_same(node.process_id(), GROWTH_KIB_MAX);
    assert!(!node.log().contains("panicked"), "nothing panics inside");
}
