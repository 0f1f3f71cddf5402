//! The port for nodes, which strangers can reach as well.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollway_tests::{Random, Raw, System, in_time};

use crate::http_request::KINDS;
use crate::process::Process;
use crate::stranger::Shows;

const GROWTH_KIB_MAX: u64 = 48 * 1024;

/// HTTP/2 as gRPC begins it, and a call of a method of the fleet service with some bytes for a message.
fn call(method: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let mut headers = vec![0x83, 0x87];
    let mut literal = |name: &[u8], value: &[u8]| {
        // Literal header field without indexing, new name, no Huffman code.
        headers.extend_from_slice(&[0, name.len() as u8]);
        headers.extend_from_slice(name);
        headers.push(value.len() as u8);
        headers.extend_from_slice(value);
    };
    literal(
        b":path",
        format!("/tollway.fleet.v1.FleetService/{method}").as_bytes(),
    );
    literal(b":authority", b"fleet.tollway.internal");
    literal(b"content-type", b"application/grpc");
    literal(b"te", b"trailers");
    let mut frame = |kind: u8, flags: u8, body: &[u8]| {
        bytes.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
        bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        bytes.extend_from_slice(body);
    };
    frame(1, 4, &headers);
    frame(0, 1, message);
    bytes
}

async fn say(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let talking = async {
        if stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok() {
            let _ = stream.read_buf(&mut answer).await;
            let _ = tokio::time::timeout(Duration::from_millis(20), stream.read_to_end(&mut answer)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(300), talking).await;
    answer
}

async fn every_kind(address: SocketAddr, times: usize, random: &mut Random) {
    for _ in 0..times {
        for (_, make) in KINDS {
            let bytes = make(random, "no token");
            // In plain text, where a TLS handshake is expected.
            let stream = TcpStream::connect(address).await.expect("the port is open");
            say(stream, &bytes).await;
            for shows in [Shows::NoCertificate, Shows::ForeignCertificate] {
                if let Ok(stream) = shows.connect(address).await {
                    say(stream, &bytes).await;
                }
            }
        }
        // A handshake with wrong bytes.
        let mut bytes = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
        let count = random.below(3_000);
        bytes.extend(random.bytes(count));
        say(
            TcpStream::connect(address).await.expect("the port is open"),
            &bytes,
        )
        .await;
        // Calls of every method, with messages that are none.
        for method in ["Enrol", "RenewCertificate", "Attach", "NoSuchMethod"] {
            let announced = *random.choose(&[0_u32, 5, 1_000, 4_194_305, u32::MAX]);
            let mut message = vec![random.below(2) as u8];
            message.extend_from_slice(&announced.to_be_bytes());
            let count = random.below(1_500);
            message.extend(random.bytes(count));
            for shows in [Shows::NoCertificate, Shows::ForeignCertificate] {
                if let Ok(stream) = shows.connect(address).await {
                    say(stream, &call(method, &message)).await;
                }
            }
        }
    }
}

fn fleet_address(system: &System) -> SocketAddr {
    system.control_plane.fleet_address().parse().expect("an address")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_every_kind_leave_the_fleet_port_and_its_nodes_as_they_were() {
    let mut system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let mut random = Random::new();
    let address = fleet_address(&system);

    every_kind(address, 2, &mut random).await;
    let process = Process::now("the control plane", system.control_plane.process_id());
    for round in 0..5 {
        every_kind(address, 1, &mut random).await;
        // The node's stream is not disturbed: a change is applied while the caller waits.
        let limits = json!({ "connections": 20 + round });
        in_time(
            "the change is applied",
            system.api().limits(&tenant.account, limits),
        )
        .await;
    }
    process.is_the_same(system.control_plane.process_id(), GROWTH_KIB_MAX);
    assert!(system.control_plane.is_running() && node.is_running());
    for log in [system.control_plane.log(), node.log()] {
        assert!(!log.contains("panicked"), "nothing panics inside");
    }
    let attached = node.log().matches("connected to the control plane").count();
    assert_eq!(attached, 1, "the node had one stream all the time");
    // A new node enrols beside all that.
    let other = system.start_node("cell-b").await;
    let later = system.api().tenant("cell-b").await;
    Raw::connect(other.address(), &later.creds).await.unwrap();
}

/// Kind and flags of the HTTP/2 frames in an answer.
fn frames(mut answer: &[u8]) -> Vec<(u8, u8)> {
    let mut frames = Vec::new();
    while let [high, middle, low, kind, flags, _, _, _, _, rest @ ..] = answer {
        frames.push((*kind, *flags));
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        answer = rest.get(length..).unwrap_or_default();
    }
    frames
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

#[tokio::test]
async fn strangers_are_refused_whatever_they_show() {
    let system = System::start().await;
    let _node = system.start_node("cell-a").await;
    let address = fleet_address(&system);
    let empty = [0, 0, 0, 0, 0];

    // Who shows nothing gets a status and no message: neither a Welcome nor a certificate.
    for method in ["Attach", "RenewCertificate", "Enrol"] {
        let stream = Shows::NoCertificate.connect(address).await.unwrap();
        let answer = frames(&say(stream, &call(method, &empty)).await);
        assert!(
            answer
                .iter()
                .any(|(kind, flags)| *kind == HEADERS && flags & END_STREAM != 0),
            "{method}: {answer:?}"
        );
        assert!(
            !answer.iter().any(|(kind, _)| *kind == DATA),
            "{method}: {answer:?}"
        );
    }
    // With a certificate of another authority there is no connection at all, or it ends at once.
    if let Ok(stream) = Shows::ForeignCertificate.connect(address).await {
        let answer = say(stream, &call("Attach", &empty)).await;
        assert!(answer.is_empty(), "{answer:?}");
    }
    // Nothing but TLS is spoken.
    let stream = TcpStream::connect(address).await.unwrap();
    let answer = say(stream, &call("Attach", &empty)).await;
    assert!(
        frames(&answer).iter().all(|(kind, _)| *kind != DATA),
        "{answer:?}"
    );
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}
