//! What the pages of both servers say of the same clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};
use tollway_tests::PATIENCE;

use crate::server::{Server, both};

const FILE: &str = "
  http: \"127.0.0.1:-1\"
  accounts {
    A { users: [ {user: a, password: a} ] }
    B { users: [ {user: b, password: b} ] }
  }";

/// A client that has read INFO and sent this.
fn client(server: &Server, sends: &str) -> TcpStream {
    let mut socket = TcpStream::connect(format!("127.0.0.1:{}", server.port())).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    until(&mut socket, "\r\n");
    socket.write_all(sends.as_bytes()).expect("it reads");
    socket
}

fn until(socket: &mut TcpStream, text: &str) -> String {
    let mut arrived = String::new();
    let mut bytes = [0; 4096];
    while !arrived.contains(text) {
        let count = socket.read(&mut bytes).expect("it answers");
        assert!(count > 0, "it ended behind {arrived:?}");
        arrived.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    arrived
}

fn connect(user: &str, more: &str) -> String {
    format!(
        "CONNECT {{\"user\":\"{user}\",\"pass\":\"{user}\",\"name\":\"{user}\",\"verbose\":false{more}}}\r\n"
    )
}

#[tokio::test]
async fn ended_connections_are_told_with_the_same_reasons() {
    let long = "a".repeat(5000);
    let cases = [
        (connect("a", "") + "nonsense\r\n", "Protocol Violation"),
        ("nonsense\r\n".to_owned(), "Authentication Failure"),
        ("CONNECT {\"user\r\n".to_owned(), "Protocol Violation"),
        (connect("x", ""), "Authentication Failure"),
        ("PUB a 1\r\na\r\n".to_owned(), "Authentication Failure"),
        (
            connect("a", "") + &format!("SUB {long} 1\r\n"),
            "Maximum Control Line Exceeded",
        ),
        (
            connect("a", "") + "PUB a 2000000\r\n",
            "Maximum Message Payload Exceeded",
        ),
        (connect("a", "") + "PUB a b c d e\r\n", "Protocol Violation"),
        (connect("a", "") + "PUB a -1\r\n", "Protocol Violation"),
        (connect("a", ",\"protocol\":7"), "Bad Client Protocol Version"),
        (
            connect("a", ",\"no_responders\":true,\"headers\":false"),
            "No Responders Requires Headers",
        ),
        (connect("a", "") + "-ERR 'x'\r\n", "Parse Error"),
        (connect("a", "") + "PUB a 1\r\nabc\r\n", "Protocol Violation"),
    ];
    for server in both("reasons", FILE, &[]) {
        for (number, (sends, reason)) in cases.iter().enumerate() {
            let mut socket = client(&server, sends);
            // Until it is closed, however.
            let _ = socket.read_to_end(&mut Vec::new());
            let start = Instant::now();
            let page = loop {
                let page = server.page("connz?state=closed&sort=cid").await;
                if page["total"] == number + 1 {
                    break page;
                }
                assert!(start.elapsed() < PATIENCE, "{page:#}");
            };
            let told = &page["connections"][number]["reason"];
            assert_eq!(told, reason, "{}: {sends:?}", server.name());
        }
    }
}

#[tokio::test]
async fn connections_come_in_the_same_order() {
    for server in both("orders", FILE, &[]) {
        let mut open = Vec::new();
        for (user, sends) in [
            ("a", "SUB x 1\r\nSUB y 2\r\n"),
            ("b", "SUB z 1\r\nPUB z 9\r\nlong text\r\nPUB z 1\r\na\r\n"),
            ("a", "PUB x 2\r\nhi\r\n"),
        ] {
            let mut socket = client(&server, &(connect(user, "") + sends + "PING\r\n"));
            until(&mut socket, "PONG");
            open.push(socket);
        }
        let first = server.page("connz").await["connections"][0]["cid"]
            .as_u64()
            .expect("a number");
        for (query, places) in [
            ("sort=cid", vec![0, 1, 2]),
            ("sort=start", vec![0, 1, 2]),
            ("sort=uptime", vec![2, 1, 0]),
            ("sort=subs", vec![0, 1, 2]),
            ("sort=bytes_from", vec![1, 2, 0]),
            ("sort=msgs_to", vec![1, 0, 2]),
            ("acc=B", vec![1]),
            ("user=b", vec![1]),
            ("limit=1&offset=1", vec![1]),
            ("limit=-1&offset=-7", vec![0, 1, 2]),
            ("state=any&sort=subs", vec![0, 1, 2]),
            ("mqtt_client=x", vec![]),
        ] {
            let page = server.page(&format!("connz?{query}")).await;
            let cids = page["connections"].as_array().expect("a list").iter();
            let found: Vec<_> = cids
                .map(|one| one["cid"].as_u64().expect("a number") - first)
                .collect();
            assert_eq!(found, places, "{}: {query}", server.name());
        }
        let one = server.page(&format!("connz?cid={}", first + 1)).await;
        let counts = ["total", "num_connections", "limit", "offset"].map(|field| one[field].clone());
        assert_eq!(
            counts,
            [json!(3), json!(1), json!(1), json!(0)],
            "{}",
            server.name()
        );
        let unused = server.page("accstatz?unused=1").await;
        let names: Vec<_> = unused["account_statz"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| &one["acc"])
            .collect();
        for name in ["A", "B", "$SYS"] {
            assert!(
                names.contains(&&Value::from(name)),
                "{}: {names:?}",
                server.name()
            );
        }
    }
}
