//! The same bytes, said to the node and to the real server: both answer the same and close, or stay.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tollway_tests::{Raw, in_time};

use crate::server::{Server, both};

const OPEN: &str = "max_payload: 1024, max_control_line: 200";
const CLOSED: &str = "authorization { users: [ {user: a, password: b} ] }";
const SOMEBODY: &str = "authorization { users: [ {user: a, password: b} ] }, no_auth_user: a";

const QUIET: &str =
    r#"CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":0}"#;
const VERBOSE: &str = r#"CONNECT {"verbose":true,"pedantic":false,"headers":true,"protocol":0}"#;
const PEDANTIC: &str = r#"CONNECT {"verbose":true,"pedantic":true,"headers":true,"protocol":0}"#;

/// What comes back until everything was done or the connection is over.
async fn answer(server: &Server, said: &[u8]) -> String {
    let address: SocketAddr = format!("127.0.0.1:{}", server.port())
        .parse()
        .expect("an address");
    let mut stream = Raw::dial(address)
        .await
        .expect("the server listens")
        .into_stream();
    let said = [said, b"PING\r\n"].concat();
    let writing = stream.write_all(&said);
    in_time("the server reads", writing)
        .await
        .expect("it is read or in the kernel");
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(b"PONG\r\n") {
        match in_time("an answer", stream.read(&mut part)).await {
            Ok(count) if count > 0 => answer.extend_from_slice(&part[..count]),
            _ => {
                answer.extend_from_slice(b"(closed)");
                break;
            }
        }
    }
    // The real server asks by itself after two seconds, the node after two minutes.
    let answer = String::from_utf8_lossy(&answer).replace("\r\nPING\r\n", "\r\n");
    answer.strip_prefix("PING\r\n").unwrap_or(&answer).to_owned()
}

async fn same(test: &str, file: &str, said: &[Vec<u8>]) {
    let servers = both(test, file, &[]);
    let (node, real) = servers.split_first().expect("the node at least");
    for bytes in said {
        let ours = answer(node, bytes).await;
        for real in real {
            let theirs = answer(real, bytes).await;
            assert_eq!(ours, theirs, "to {:?}", bytes.escape_ascii().to_string());
        }
    }
}

fn lines(first: &str, rest: &[&str]) -> Vec<u8> {
    format!("{first}\r\n{}", rest.concat()).into_bytes()
}

#[tokio::test]
async fn operations_are_answered_alike() {
    let long = |length: usize| "a".repeat(length);
    let mut said = Vec::new();
    // Each behind a message in the same piece, which has to arrive before anything ends.
    let lead = "SUB lead 9\r\nPUB lead 2\r\nhi\r\n";
    for operation in [
        "FOO\r\n",
        "\r\n",
        "\n",
        " PING\r\n",
        "PINGX\r\n",
        "PING x\r\n",
        "PONG x\r\n",
        "ping\r\n",
        "MSG a 1 1\r\nx\r\n",
        "+OK\r\n",
        "+O\r\n",
        "-ERR 'x'\r\n",
        "INFO {}\r\n",
        "INFO\r\n",
        "INFO x\r\n",
        "RS+ a b\r\n",
        "PUB\r\n",
        "PUB a\r\n",
        "PUB a 1 2 3\r\n",
        "PUB a -1\r\n",
        "PUB a x\r\n",
        "PUB a +1\r\nx\r\n",
        "PUB a 01\r\nx\r\n",
        "PUB a 1\r\nxy\r\n",
        "PUB a 1\r\nx\n",
        "PUB a 1\nx\r\n",
        "PUB\ta\t1\r\nx\r\n",
        "PUB a 1025\r\n",
        "PUB a 2147483648\r\n",
        "PUB a 99999999999999999999\r\n",
        "HPUB a 12\r\n",
        "HPUB a 20 13\r\n",
        "HPUB a x 13\r\n",
        "HPUB a 0 1\r\nx\r\n",
        "HPUB a 12 1025\r\n",
        "SUB\r\n",
        "SUB a\r\n",
        "SUB a b c d\r\n",
        "SUB a. 1\r\n",
        "SUB .a 1\r\n",
        "SUB a..b 1\r\n",
        "SUB a* 1\r\n",
        "SUB a.>.b 1\r\n",
        "SUB a.>.b 9\r\n",
        "SUB a _sys_ 1\r\n",
        "UNSUB\r\n",
        "UNSUB 1 2 3\r\n",
        "UNSUB 1 x\r\n",
        "UNSUB 1 0\r\n",
        "UNSUB 77\r\n",
        "CONNECT\r\n",
        "CONNECT{}\r\n",
        "CONNECTX{}\r\n",
        "CONNECT {\"protocol\":7}\r\n",
    ] {
        said.push(lines(QUIET, &[lead, operation]));
    }
    for subject in [
        "_GR_",
        "_GR_.",
        "_GR_.x",
        "$GR",
        "$GR.",
        "$GR.x",
        "$NRG",
        "$NRG.",
        "$NRG.x",
        "_R_",
        "_R_.",
        "_R_.x",
        "$JS.ACK",
        "$JS.ACK.",
        "$JS.ACK.x",
        "$JS.ACK.s.c.1.2.3.4.5",
        "$SYS.x",
    ] {
        said.push(lines(QUIET, &[&format!("PUB {subject} 1\r\nx\r\n")]));
        said.push(lines(QUIET, &[&format!("PUB a {subject} 1\r\nx\r\n")]));
    }
    for length in [196, 197, 198, 199, 200, 201] {
        said.push(lines(QUIET, &[&format!("SUB {} 1\r\n", long(length))]));
        said.push(lines(QUIET, &[&format!("PUB {} 0\r\n\r\n", long(length))]));
    }
    said.push(lines(
        VERBOSE,
        &[
            "SUB a 1\r\n",
            "PUB a 1\r\nx\r\n",
            "UNSUB 1\r\n",
            "SUB a..b 1\r\n",
            "PONG\r\n",
        ],
    ));
    for subject in ["a..b", "a.*", "a.>", ".a", "a.", "a*b", "*a", "a"] {
        said.push(lines(PEDANTIC, &[&format!("PUB {subject} 1\r\nx\r\n")]));
        said.push(lines(PEDANTIC, &[&format!("SUB {subject} 1\r\n")]));
    }
    said.push(lines(
        r#"CONNECT {"verbose":false}"#,
        &["HPUB a 12 13\r\nNATS/1.0\r\n\r\nx\r\n"],
    ));
    said.push(lines(r#"CONNECT {"verbose":false,"no_responders":true}"#, &[]));
    same("operations", OPEN, &said).await;
}

#[tokio::test]
async fn the_json_of_connect_is_read_alike() {
    let mut said: Vec<Vec<u8>> = [
        "{}",
        "null",
        "[]",
        "7",
        "\"x\"",
        "",
        "{} x",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"x\":01}",
        "{\"x\":NaN}",
        "{\"verbose\":\"x\"}",
        "{\"protocol\":1.0}",
        "{\"protocol\":1e0}",
        "{\"protocol\":2}",
        "{\"protocol\":99999999999999999999}",
        "{\"verbose\":true,\"verbose\":false}",
        "{\"VERBOSE\":false}",
        "{\"name\":\"\\u0000\\n\"}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"\\x\"}",
        "{\"account\":\"x\"}",
        "{\"new_account\":true}",
        "{\t\"verbose\"\t:\tfalse\t}",
    ]
    .iter()
    .map(|json| lines(&format!("CONNECT {json}"), &[]))
    .collect();
    // A line feed ends the line.
    for byte in (0..b' ').filter(|byte| *byte != b'\n').chain([0x7f, 0xff]) {
        for (before, behind) in [
            ("{\"name\":\"a", "b\"}"),
            ("{\"k", "\":1}"),
            ("{\"x\":[\"", "\"]}"),
            ("{", "}"),
        ] {
            let json = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
            said.push([b"CONNECT ", &json[..], b"\r\n"].concat());
        }
    }
    same("connect", OPEN, &said).await;
}

#[tokio::test]
async fn strangers_are_answered_alike() {
    let shown = [
        "{}",
        r#"{"user":"a","pass":"b","verbose":false}"#,
        r#"{"user":"a","pass":"c"}"#,
        r#"{"user":"z","pass":"b"}"#,
        r#"{"user":"a"}"#,
        r#"{"pass":"b"}"#,
        r#"{"auth_token":"b"}"#,
        r#"{"jwt":"b"}"#,
        r#"{"sig":"b"}"#,
        r#"{"nkey":"UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"}"#,
        r#"{"nkey":"UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4","user":"a","pass":"b"}"#,
        r#"{"user":"a","pass":"b","protocol":7}"#,
        r#"{"user":"a","pass":"c","protocol":7}"#,
        r#"{"user":"a","pass":"c","account":"x"}"#,
        r#"{"user":"a","pass":"c","no_responders":true}"#,
    ];
    let connects = shown.map(|json| lines(&format!("CONNECT {json}"), &[]));
    let begins = ["PING\r\n", "SUB a 1\r\n", "FOO\r\n", "C\r\n"].map(|bytes| bytes.as_bytes().to_vec());
    let said: Vec<_> = connects.into_iter().chain(begins).collect();
    same("closed", CLOSED, &said).await;
    same("somebody", SOMEBODY, &said).await;
}
