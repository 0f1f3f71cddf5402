//! What crosses between accounts, seen by the same clients on the node and on the real server.
//!
//! Each step says what some clients do and what each of them sees then. Reply subjects of the
//! server's own are written `_R_`, measured times are left out, and messages for several
//! subscriptions of one client come in any order.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tollway_tests::Raw;

use crate::server::{Server, both};

const FILE: &str = r#"
accounts {
  A {
    users: [ {user: a, password: p} ]
    exports: [
      {stream: "orders.>"}
      {stream: "_R_.>"}
      {service: "price.*"}
      {service: "parts", response_type: stream}
      {service: "lat", latency: {sampling: 100%, subject: "lat.told"}}
      {service: "traced", latency: {sampling: headers, subject: "lat.told"}}
      {service: "only.B", accounts: [B]}
      {service: "mine.*", account_token_position: 2}
    ]
    imports: [ {service: {account: X, subject: far}, to: "price.far"} ]
    mappings: { "old.*": "orders.$1" }
  }
  X {
    users: [ {user: x, password: p} ]
    exports: [ {service: far} ]
  }
  B {
    users: [
      {user: b, password: p}
      {user: narrow, password: p, permissions: {publish: {allow: ["in.*"]}}}
    ]
    exports: [ {stream: "shop.>"} ]
    imports: [
      {stream: {account: A, subject: "orders.>"}, prefix: shop}
      {stream: {account: A, subject: "orders.*.*"}, to: "turned.$2.$1"}
      {service: {account: A, subject: "price.*"}, to: "ask.$1"}
      {service: {account: A, subject: parts}}
      {service: {account: A, subject: lat}}
      {service: {account: A, subject: traced}}
      {service: {account: A, subject: "only.B"}}
      {service: {account: A, subject: "mine.B"}, to: own}
    ]
    mappings: {
      "in.*": "ask.$1"
      "never": [ {destination: "a", weight: 50%}, {destination: "b", weight: 50%} ]
      "cut.*": "{{left(1,2)}}.{{right(1,2)}}.{{slicefromleft(1,2)}}"
      "part.*": "bucket.{{partition(10,1)}}"
    }
  }
  C {
    users: [ {user: c, password: p} ]
    imports: [
      {stream: {account: A, subject: "_R_.>"}}
      {stream: {account: B, subject: "shop.>"}}
    ]
  }
}
"#;

/// A client that writes down what it sees.
struct Watcher(Raw);

impl Watcher {
    async fn new(server: &Server, user: &str) -> Self {
        let address: SocketAddr = format!("127.0.0.1:{}", server.port())
            .parse()
            .expect("an address");
        let mut raw = Raw::dial(address).await.expect("the server listens");
        let connect = json!({
            "user": user, "pass": "p", "verbose": false, "pedantic": false, "headers": true,
            "no_responders": true, "protocol": 0, "lang": "raw", "version": "1",
        });
        raw.send(format!("CONNECT {connect}\r\n")).await;
        let mut watcher = Self(raw);
        assert_eq!(watcher.seen().await, [] as [&str; 0]);
        watcher
    }

    async fn subscribe(&mut self, lines: &[&str]) {
        for line in lines {
            self.0.send(format!("SUB {line}\r\n")).await;
        }
        assert_eq!(self.seen().await, [] as [&str; 0]);
    }

    async fn publish(&mut self, subject: &str, payload: &str) {
        let length = payload.len();
        self.0
            .send(format!("PUB {subject} {length}\r\n{payload}\r\n"))
            .await;
    }

    /// All that has arrived.
    async fn seen(&mut self) -> Vec<String> {
        self.0.send("PING\r\n").await;
        let mut seen = Vec::new();
        loop {
            let line = self.0.line().await;
            match line.as_str() {
                "PONG" => break,
                "PING" => {}
                _ => seen.push(self.one(line).await),
            }
        }
        seen.sort();
        seen
    }

    /// The next thing that arrives, when it is sent by nobody's turn.
    async fn next(&mut self) -> String {
        loop {
            let line = self.0.line().await;
            if line != "PING" {
                return self.one(line).await;
            }
        }
    }

    async fn one(&mut self, line: String) -> String {
        let words: Vec<_> = line.split_ascii_whitespace().map(own_subject).collect();
        let (head, sizes) = match words[0] {
            "MSG" => words.split_at(words.len() - 1),
            "HMSG" => words.split_at(words.len() - 2),
            _ => return line.clone(),
        };
        let mut left: usize = sizes[sizes.len() - 1].parse().expect("a size");
        let mut seen = head.join(" ");
        // Nothing that is sent here has line ends of its own.
        loop {
            let text = self.0.line().await;
            let timeless = text
                .split_once(",\"rtt\":")
                .map_or(text.clone(), |(before, after)| {
                    let behind = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
                    format!("{before}{behind}")
                });
            seen = format!("{seen} | {timeless}");
            if left == text.len() {
                return seen;
            }
            left -= text.len() + 2;
        }
    }
}

fn own_subject(word: &str) -> &str {
    match word.starts_with("_R_.") {
        true => "_R_",
        false => word,
    }
}

/// Who asks what, with a reply subject, and who sees it and answers.
async fn answered(asker: &mut Watcher, subject: &str, responder: &mut Watcher, answers: &[&str]) {
    asker.0.send(format!("PUB {subject} _INBOX.1 1\r\nq\r\n")).await;
    assert_eq!(asker.seen().await, NOBODY, "{subject}");
    responder.0.send("PING\r\n").await;
    let mut reply = None;
    loop {
        let line = responder.0.line().await;
        match line.as_str() {
            "PONG" => break,
            _ => {
                let own = line.split(' ').find(|word| word.starts_with("_R_."));
                reply = reply.or(own.map(str::to_owned));
            }
        }
    }
    let reply = reply.unwrap_or_else(|| panic!("the request for {subject} arrives"));
    for answer in answers {
        responder.publish(&reply, answer).await;
    }
    assert_eq!(responder.seen().await, NOBODY, "{subject}");
}

const NOBODY: [&str; 0] = [];

#[tokio::test]
async fn streams_cross_as_on_the_real_server() {
    for server in both("streams", FILE, &[]) {
        let name = server.name();
        let mut a = Watcher::new(&server, "a").await;
        let mut b = Watcher::new(&server, "b").await;
        let mut c = Watcher::new(&server, "c").await;
        b.subscribe(&["shop.> 1", "turned.*.* 2", "*.orders.*.new 3", "orders.> 4"])
            .await;
        c.subscribe(&["> 1"]).await;
        for (published, sees) in [
            (
                "orders.eu.new",
                &[
                    "MSG shop.orders.eu.new 1 | x",
                    "MSG shop.orders.eu.new 3 | x",
                    "MSG turned.new.eu 2 | x",
                ][..],
            ),
            ("orders.eu", &["MSG shop.orders.eu 1 | x"]),
            ("old.eu", &["MSG shop.orders.eu 1 | x"]),
            ("orders", &[]),
            ("price.tea", &[]),
        ] {
            a.publish(published, "x").await;
            assert_eq!(a.seen().await, NOBODY, "{name}: {published}");
            assert_eq!(b.seen().await, sees, "{name}: {published}");
            assert_eq!(
                c.seen().await,
                NOBODY,
                "{name}: {published} goes on by no other stream"
            );
        }
        // What is published here under such a name leaves again, as another message does.
        b.publish("shop.own", "x").await;
        assert_eq!(b.seen().await, ["MSG shop.own 1 | x"], "{name}");
        assert_eq!(c.seen().await, ["MSG shop.own 1 | x"], "{name}");
        a.0.send("HPUB orders.h back 18 19\r\nNATS/1.0\r\nA: b\r\n\r\nx\r\n")
            .await;
        assert_eq!(a.seen().await, NOBODY, "{name}");
        let sees = ["HMSG shop.orders.h 1 back | NATS/1.0 | A: b |  | x"];
        assert_eq!(b.seen().await, sees, "{name}");
    }
}

#[tokio::test]
async fn services_are_asked_and_answer_as_on_the_real_server() {
    for server in both("services", FILE, &[]) {
        let name = server.name();
        let mut a = Watcher::new(&server, "a").await;
        let mut b = Watcher::new(&server, "b").await;
        let mut c = Watcher::new(&server, "c").await;
        let mut x = Watcher::new(&server, "x").await;
        b.subscribe(&["_INBOX.> 1"]).await;
        c.subscribe(&["shop.> 1"]).await;
        for (asked, told) in [
            ("ask.tea", "ask.tea"),
            ("own", "own"),
            ("only.B", "only.B"),
            ("in.tea", "ask.tea"),
            ("price.tea", "price.tea"),
        ] {
            b.0.send(format!("PUB {asked} _INBOX.1 0\r\n\r\n")).await;
            let no_responders = format!("HMSG _INBOX.1 1 | NATS/1.0 503 | Nats-Subject: {told} |  | ");
            assert_eq!(b.seen().await, [no_responders], "{name}: {asked}");
        }

        a.subscribe(&[
            "price.* 1",
            "only.* 2",
            "mine.* 3",
            "parts 4",
            "lat 5",
            "traced 6",
        ])
        .await;
        let who = r#"NATS/1.0 | Nats-Request-Info: {"acc":"B"} |  | x"#;
        for (asked, arrives) in [
            ("ask.tea", "price.tea 1"),
            ("in.tea", "price.tea 1"),
            ("only.B", "only.B 2"),
            ("own", "mine.B 3"),
        ] {
            b.0.send(format!("PUB {asked} _INBOX.1 1\r\nx\r\n")).await;
            assert_eq!(b.seen().await, NOBODY, "{name}: {asked}");
            assert_eq!(a.seen().await, [format!("HMSG {arrives} _R_ | {who}")], "{name}");
            b.publish(asked, "x").await;
            assert_eq!(b.seen().await, NOBODY, "{name}: {asked}");
            assert_eq!(a.seen().await, [format!("HMSG {arrives} | {who}")], "{name}");
        }
        b.0.send("HPUB ask.tea 45 46\r\nNATS/1.0\r\nNats-Request-Info: forged\r\nA: b\r\n\r\nx\r\n")
            .await;
        assert_eq!(b.seen().await, NOBODY, "{name}");
        let sees = [r#"HMSG price.tea 1 | NATS/1.0 | A: b | Nats-Request-Info: {"acc":"B"} |  | x"#];
        assert_eq!(a.seen().await, sees, "{name}");

        answered(&mut b, "ask.tea", &mut a, &["five", "six"]).await;
        assert_eq!(b.seen().await, ["MSG _INBOX.1 1 | five"], "{name}: one answer");
        answered(&mut b, "parts", &mut a, &["1", "2", "", "late"]).await;
        let parts = ["MSG _INBOX.1 1 | ", "MSG _INBOX.1 1 | 1", "MSG _INBOX.1 1 | 2"];
        assert_eq!(b.seen().await, parts, "{name}: until an empty one");

        // Through the account that exports, and back.
        x.subscribe(&["far 1"]).await;
        answered(&mut b, "ask.far", &mut x, &["from far"]).await;
        assert_eq!(b.seen().await, ["MSG _INBOX.1 1 | from far"], "{name}");
        assert_eq!(
            a.seen().await,
            [r#"HMSG price.far 1 _R_ | NATS/1.0 | Nats-Request-Info: {"acc":"B"} |  | q"#]
        );
        assert_eq!(c.seen().await, NOBODY, "{name}");

        let mut narrow = Watcher::new(&server, "narrow").await;
        narrow.publish("in.tea", "x").await;
        let violation = r#"-ERR 'Permissions Violation for Publish to "ask.tea"'"#;
        assert_eq!(narrow.seen().await, [violation], "{name}");
        b.0.send("PUB ask.tea _R_.made.up 0\r\n\r\n").await;
        let violation = r#"-ERR 'Permissions Violation for Publish with Reply of "_R_.made.up"'"#;
        assert_eq!(b.seen().await, [violation], "{name}");
        assert_eq!(a.seen().await, NOBODY, "{name}");
    }
}

#[tokio::test]
async fn response_times_are_told_as_on_the_real_server() {
    for server in both("latency", FILE, &[]) {
        let name = server.name();
        let mut a = Watcher::new(&server, "a").await;
        let mut watcher = Watcher::new(&server, "a").await;
        let mut b = Watcher::new(&server, "b").await;
        b.subscribe(&["_INBOX.> 1"]).await;
        watcher.subscribe(&["lat.told 1"]).await;
        let mut told = async |status: u16| {
            let seen = watcher.next().await;
            let json = seen.split_once(" | ").expect("a payload").1;
            let report: Value = serde_json::from_str(json).expect("JSON");
            assert_eq!(
                report["type"], "io.nats.server.metric.v1.service_latency",
                "{name}"
            );
            assert_eq!(report["status"], status, "{name}: {report}");
            assert_eq!(report["requestor"]["acc"], "B", "{name}: {report}");
            assert!(
                report["start"].is_string() && report["total"].is_u64(),
                "{name}: {report}"
            );
            report
        };
        b.0.send("PUB lat _INBOX.1 0\r\n\r\n").await;
        assert_eq!(told(503).await["description"], "Service Unavailable", "{name}");
        assert_eq!(b.seen().await.len(), 1, "{name}: nobody is there");
        a.subscribe(&["lat 1", "traced 2"]).await;
        answered(&mut b, "lat", &mut a, &["yes"]).await;
        let report = told(200).await;
        assert_eq!(report["responder"]["acc"], "A", "{name}: {report}");
        assert_eq!(report["responder"]["user"], "a", "{name}: {report}");
        assert_eq!(report.get("header"), None, "{name}: {report}");
        assert_eq!(b.seen().await.len(), 1, "{name}: the answer");
        b.publish("lat", "without a reply").await;
        assert_eq!(told(400).await["description"], "Bad Request", "{name}");
        // The first of these is not measured, or it would be told first.
        answered(&mut b, "traced", &mut a, &["yes"]).await;
        assert_eq!(b.seen().await.len(), 1, "{name}: the answer");
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = format!("NATS/1.0\r\ntraceparent: {parent}\r\n\r\n");
        let length = headers.len();
        b.0.send(format!("HPUB traced {length} {length}\r\n{headers}\r\n"))
            .await;
        let report = told(400).await;
        assert_eq!(
            report["header"],
            json!({"Traceparent": [parent]}),
            "{name}: {report}"
        );
    }
}

#[tokio::test]
async fn subjects_are_mapped_as_on_the_real_server() {
    let mut partitions = Vec::new();
    for server in both("mappings", FILE, &[]) {
        let name = server.name();
        let mut b = Watcher::new(&server, "b").await;
        b.subscribe(&["*.*.*.*.* 1", "a 2", "b 3", "never 4", "bucket.* 5"])
            .await;
        b.publish("cut.abcde", "x").await;
        assert_eq!(b.seen().await, ["MSG ab.de.ab.cd.e 1 | x"], "{name}");
        for _ in 0..20 {
            b.publish("never", "x").await;
        }
        let seen = b.seen().await;
        assert_eq!(seen.len(), 20, "{name}");
        assert!(
            seen.iter().all(|seen| !seen.contains("never")),
            "{name}: {seen:?}"
        );
        for number in 0..20 {
            b.publish(&format!("part.token{number}"), &number.to_string())
                .await;
        }
        partitions.push(b.seen().await);
    }
    if let [ours, real] = &partitions[..] {
        assert_eq!(ours, real, "partitions are the same");
    }
}
