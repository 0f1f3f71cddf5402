//! The pages that tools of nats-server read.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::node::Node;

const FILE: &str = "
  http: \"127.0.0.1:-1\"
  server_tags: [red, \"zone:a\"]
  accounts {
    A { users: [ {user: a, password: a} ], limits { max_conn: 7 } }
    B { users: [ {user: b, password: b} ] }
  }";

async fn get(node: &Node, path: &str) -> (u16, String) {
    let url = format!("{}{path}", node.monitoring.as_ref().expect("it is served"));
    let answer = reqwest::get(url).await.expect("it answers");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

async fn page(node: &Node, path: &str) -> Value {
    let (status, text) = get(node, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Has a client in each account: the first is busy.
fn inhabit(node: &Node) -> Vec<crate::client::Client> {
    ["a", "b"]
        .map(|name| {
            let mut client = node.dial();
            let options = json!({"user": name, "pass": name, "name": format!("{name}-app"), "lang": "raw", "version": "9"});
            client.connect(options);
            client.introduced();
            if name == "a" {
                client.send("SUB x.> 1\r\nSUB y q 2\r\nPUB x.1 5\r\nhello\r\n");
                assert_eq!(client.sync(), "MSG x.1 1 5\r\nhello\r\n");
            }
            client
        })
        .into()
}

#[tokio::test]
async fn varz_tells_the_server_and_its_totals() {
    let node = Node::start(FILE, &["-n", "watched"]);
    let _clients = inhabit(&node);
    page(&node, "/varz").await;
    let varz = page(&node, "/varz").await;
    for (field, value) in [
        ("server_name", json!("watched")),
        ("host", json!("127.0.0.1")),
        ("port", json!(node.clients.port())),
        ("auth_required", json!(true)),
        ("max_payload", json!(1_048_576)),
        ("ping_interval", json!(120_000_000_000_u64)),
        ("connections", json!(2)),
        ("total_connections", json!(2)),
        ("subscriptions", json!(2)),
        ("in_msgs", json!(1)),
        ("out_msgs", json!(1)),
        ("slow_consumers", json!(0)),
        ("tags", json!(["red", "zone:a"])),
        ("system_account", json!("$SYS")),
        ("http_req_stats", json!({"/varz": 2})),
        ("cluster", json!({})),
    ] {
        assert_eq!(varz[field], value, "{field}");
    }
    assert!(varz["mem"].as_u64().is_some_and(|bytes| bytes > 1_000_000));
    assert!(
        varz["config_digest"]
            .as_str()
            .is_some_and(|text| text.starts_with("sha256:"))
    );
    assert!(varz["uptime"].as_str().is_some_and(|text| text.ends_with('s')));
    assert!(
        varz["server_id"]
            .as_str()
            .is_some_and(|text| text.starts_with('N'))
    );
}

#[tokio::test]
async fn connz_lists_connections_as_they_are_asked_for() {
    let node = Node::start(FILE, &[]);
    let _clients = inhabit(&node);
    let connz = page(&node, "/connz").await;
    assert_eq!(
        (&connz["num_connections"], &connz["total"]),
        (&json!(2), &json!(2))
    );
    assert_eq!((&connz["offset"], &connz["limit"]), (&json!(0), &json!(1024)));
    let first = &connz["connections"][0];
    for (field, value) in [
        ("kind", json!("Client")),
        ("type", json!("nats")),
        ("ip", json!("127.0.0.1")),
        ("in_msgs", json!(1)),
        ("out_msgs", json!(1)),
        ("subscriptions", json!(2)),
        ("pending_bytes", json!(0)),
        ("name", json!("a-app")),
        ("lang", json!("raw")),
        ("version", json!("9")),
        ("account", Value::Null),
        ("subscriptions_list", Value::Null),
    ] {
        assert_eq!(first[field], value, "{field}");
    }

    let named = page(&node, "/connz?auth=1&subs=1&acc=A").await;
    assert_eq!(named["num_connections"], 1);
    let only = &named["connections"][0];
    assert_eq!(
        (&only["account"], &only["authorized_user"]),
        (&json!("A"), &json!("a"))
    );
    assert_eq!(only["subscriptions_list"], json!(["x.>", "y"]));
    let detail = page(&node, "/connz?subs=detail&user=a").await;
    let list = detail["connections"][0]["subscriptions_list_detail"]
        .as_array()
        .expect("a list")
        .clone();
    let queue = list.iter().find(|entry| entry["sid"] == "2").expect("the second");
    assert_eq!((&queue["subject"], &queue["qgroup"]), (&json!("y"), &json!("q")));

    let busiest = page(&node, "/connz?sort=msgs_from&limit=1").await;
    assert_eq!(
        (&busiest["num_connections"], &busiest["total"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(busiest["connections"][0]["name"], "a-app");
    let second = page(&node, "/connz?offset=1").await;
    assert_eq!(second["connections"][0]["name"], "b-app");
    let cid = second["connections"][0]["cid"].as_u64().expect("a number");
    let one = page(&node, &format!("/connz?cid={cid}")).await;
    assert_eq!(one["connections"][0]["name"], "b-app");

    for (query, text) in [
        ("sort=nope", "invalid sorting option: nope"),
        ("limit=x", "Error decoding int for 'limit': \"x\""),
        ("auth=maybe", "Error decoding boolean for 'auth': \"maybe\""),
        ("state=shut", "Error decoding state for shut"),
        ("sort=stop", "sort by stop only valid on closed connections"),
        (
            "sort=reason&state=any",
            "sort by reason only valid on closed connections",
        ),
        (
            "filter_subject=x",
            "filter by subject only valid with account filtering",
        ),
        ("filter_subject=x..y&acc=A", "invalid filter subject: x..y"),
        (
            "sort=%1b%5b31m%3cb%3e%e2%80%ae",
            "invalid sorting option: \\u{1b}[31m<b>\\u{202e}",
        ),
    ] {
        assert_eq!(
            get(&node, &format!("/connz?{query}")).await,
            (400, text.to_owned())
        );
    }
}

#[tokio::test]
async fn connz_remembers_connections_that_ended_and_why() {
    let node = Node::start(FILE, &[]);
    let mut clients = inhabit(&node);
    drop(clients.remove(0));
    let mut stranger = node.dial();
    stranger.send("CONNECT {\"user\":\"a\",\"pass\":\"wrong\"}\r\n");
    stranger.rest();
    let closed = loop {
        let closed = page(&node, "/connz?state=closed&auth=1&subs=1").await;
        if closed["total"] == 2 {
            break closed;
        }
    };
    let [gone, refused] = closed["connections"].as_array().expect("a list").as_slice() else {
        panic!("{closed}")
    };
    for (field, value) in [
        ("reason", json!("Client Closed")),
        ("name", json!("a-app")),
        ("account", json!("A")),
        ("authorized_user", json!("a")),
        ("in_msgs", json!(1)),
        ("out_msgs", json!(1)),
        ("subscriptions", json!(2)),
    ] {
        assert_eq!(gone[field], value, "{field}");
    }
    let mut filters = gone["subscriptions_list"].as_array().expect("a list").clone();
    filters.sort_by_key(|filter| filter.to_string());
    assert_eq!(filters, [json!("x.>"), json!("y")]);
    assert!(gone["stop"].as_str() >= gone["start"].as_str());
    assert_eq!(refused["reason"], "Authentication Failure");
    assert_eq!(refused["account"], Value::Null);

    for (query, names) in [
        (
            "state=any",
            json!([
                ["a-app", "Client Closed"],
                ["b-app", null],
                [null, "Authentication Failure"]
            ]),
        ),
        ("state=any&acc=A", json!([["a-app", "Client Closed"]])),
        ("state=closed&acc=B", json!([])),
        ("state=open", json!([["b-app", null]])),
        (
            "state=closed&sort=stop&limit=1",
            json!([[null, "Authentication Failure"]]),
        ),
        (
            "state=closed&sort=reason",
            json!([[null, "Authentication Failure"], ["a-app", "Client Closed"]]),
        ),
        (
            "state=closed&acc=A&filter_subject=x.9",
            json!([["a-app", "Client Closed"]]),
        ),
        ("state=any&acc=A&filter_subject=z", json!([])),
    ] {
        let page = page(&node, &format!("/connz?{query}")).await;
        let found: Vec<_> = page["connections"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| json!([one["name"], one["reason"]]))
            .collect();
        assert_eq!(json!(found), names, "{query}");
    }
}

#[tokio::test]
async fn connections_that_ended_are_as_many_as_the_file_says() {
    let node = Node::start(&format!("max_closed_clients: 3\n{FILE}"), &[]);
    for number in 0..6 {
        let mut client = node.dial();
        client.connect(json!({"user": "a", "pass": "a", "name": format!("n{number}")}));
        client.introduced();
        drop(client);
        // One after the other, so that it is known which are the last.
        while page(&node, "/connz").await["total"] != 0 {}
    }
    let closed = page(&node, "/connz?state=closed").await;
    let names: Vec<_> = closed["connections"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["n3", "n4", "n5"]);
}

#[tokio::test]
async fn the_way_to_a_client_and_back_is_measured_when_somebody_looks() {
    let node = Node::start(FILE, &[]);
    let mut client = node.dial();
    // As long as a client takes to answer INFO, that is what is known.
    client.connect(json!({"user": "a", "pass": "a"}));
    client.introduced();
    let first = page(&node, "/connz").await["connections"][0]["rtt"].clone();
    assert!(first.is_string(), "{first}");
    // The look had a PING sent; until its PONG nothing changes, and no other is sent.
    assert_eq!(client.until("\r\n"), "PING\r\n");
    assert_eq!(page(&node, "/connz").await["connections"][0]["rtt"], first);
    client.send("PONG\r\n");
    assert_eq!(client.sync(), "");
    let second = page(&node, "/connz").await["connections"][0]["rtt"].clone();
    assert!(second.is_string() && second != first, "{first} {second}");
    assert_eq!(client.sync(), "", "it was measured lately");
}

#[tokio::test]
async fn what_clients_call_themselves_is_only_text_on_every_page() {
    let node = Node::start(FILE, &[]);
    let mut client = node.dial();
    let name = "\u{1b}[2J</script>\r\n\u{202e}\u{9b}31m\"&".repeat(15);
    client.connect(json!({"user": "a", "pass": "a", "name": name, "lang": name, "version": name}));
    client.introduced();
    client.send("SUB a.\u{9b}<b> 1\r\n");
    client.sync();
    for path in ["/connz?subs=1", "/connz?subs=detail&auth=1", "/subsz?subs=1"] {
        let (status, text) = get(&node, path).await;
        let harmless = |found: char| {
            found == '\n' || !found.is_control() && !['<', '>', '&', '\u{202e}'].contains(&found)
        };
        assert!(status == 200 && text.chars().all(harmless), "{path}: {text}");
    }
    let shown = page(&node, "/connz").await["connections"][0]["name"].clone();
    let shown = shown.as_str().expect("a text");
    let name = name.replace(char::is_control, "\u{fffd}");
    assert!(
        name.starts_with(shown) && shown.chars().count() == 256.min(name.chars().count()),
        "its beginning is told"
    );
}

#[tokio::test]
async fn subsz_counts_and_lists_subscriptions() {
    let node = Node::start(FILE, &[]);
    let _clients = inhabit(&node);
    let subsz = page(&node, "/subsz").await;
    assert_eq!(
        (&subsz["num_subscriptions"], &subsz["subscriptions_list"]),
        (&json!(2), &Value::Null)
    );
    let listed = page(&node, "/subsz?subs=1&test=x.7").await;
    assert_eq!(listed["total"], 1);
    let only = &listed["subscriptions_list"][0];
    assert_eq!(
        (&only["subject"], &only["account"], &only["msgs"]),
        (&json!("x.>"), &json!("A"), &json!(1))
    );
    assert_eq!(get(&node, "/subsz?test=x.*").await.0, 400);
}

#[tokio::test]
async fn health_and_metrics_are_beside_them_under_the_same_path() {
    let node = Node::start(&format!("http_base_path: watch\n{FILE}"), &[]);
    let _clients = inhabit(&node);
    assert_eq!(
        get(&node, "/watch/healthz").await,
        (200, "{\"status\":\"ok\"}".to_owned())
    );
    assert_eq!(get(&node, "/watch/readyz").await.0, 200);
    assert_eq!(get(&node, "/healthz").await.0, 404);
    let (status, metrics) = get(&node, "/watch/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "tollway_node_connections 2",
        "tollway_node_account_messages_in_total{account=\"A\"} 1",
        "tollway_node_account_connections{account=\"A\"} 1",
        "tollway_node_account_connections_limit{account=\"A\"} 7",
        "tollway_node_account_subscriptions{account=\"A\"} 2",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    assert!(
        !metrics.contains("account_connections_limit{account=\"B\"}"),
        "there is none"
    );
    assert!(!metrics.contains("fleet_connected"), "there is no fleet");
}

/// Each of them says something now and then, so that none of them is silent for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_that_never_come_to_the_point_keep_nobody_out() {
    let node = Node::start(FILE, &[]);
    let url = node.monitoring.as_ref().expect("it is served");
    let address = url.trim_start_matches("http://");
    let mut slow = Vec::new();
    for _ in 0..80 {
        let mut visitor = TcpStream::connect(address).await.expect("somebody listens");
        visitor
            .write_all(b"GET /healthz HTTP/1.1\r\nX: ")
            .await
            .expect("it is open");
        slow.push(visitor);
    }
    let slow = tokio::spawn(async move {
        loop {
            for visitor in &mut slow {
                // Fails for those that had to go.
                let _ = visitor.write_all(b"x").await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let other = reqwest::Client::builder().timeout(Duration::from_secs(20));
    let other = other.build().expect("plain settings");
    let answer = other.get(format!("{url}/healthz")).send().await;
    assert_eq!(answer.expect("others are answered").status(), 200);
    slow.abort();
}
