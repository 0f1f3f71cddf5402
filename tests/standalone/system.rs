//! The system account beside the real server's: what is told there, what is answered, and to whom.

use std::collections::{BTreeMap, BTreeSet};

use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt;
use serde_json::Value;

use crate::compare;
use crate::server::{Server, both};

const FILE: &str = "
    server_name: probe
    server_tags: [\"rack:7\"]
    accounts {
      A { users: [ {user: a, password: a},
                   {user: narrow, password: n, permissions: {
                      publish: [\"x.>\", \"$SYS.REQ.USER.INFO\"], subscribe: {deny: \"y\"}, allow_responses: true}} ] }
      B { users: [ {user: b, password: b} ] }
      SYS { users: [ {user: s, password: s} ] }
    }
    system_account: SYS";

async fn client(server: &Server, user: &str, password: &str) -> Client {
    let options = ConnectOptions::with_user_and_password(user.into(), password.into()).name("watched");
    let connected = options.connect(server.url()).await;
    connected.unwrap_or_else(|error| panic!("{}: {user} gets in: {error}", server.name()))
}

/// What a server answers; nothing when nobody is there or nobody answers.
async fn ask(client: &Client, subject: &str, body: &str) -> Option<Value> {
    let answer = client
        .request(subject.to_owned(), body.to_owned().into())
        .await
        .ok()?;
    Some(serde_json::from_slice(&answer.payload).expect("answers are JSON"))
}

/// The fields of `theirs` that `ours` has not, and those of `ours` that `theirs` has not or that are
/// of another kind there.
fn differences(ours: &Value, theirs: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut missing, mut own) = (Vec::new(), Vec::new());
    compare("", theirs, ours, &mut missing);
    compare("", ours, theirs, &mut own);
    (missing.into_iter().collect(), own.into_iter().collect())
}

fn set(fields: &[&str]) -> BTreeSet<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

/// What no answer of the node has: the flags are about JetStream.
const SERVER: &str = "/server/feature_flags";

#[tokio::test]
async fn events_have_the_fields_of_the_real_server() {
    let servers = both("system events", FILE, &[]);
    let mut told = Vec::new();
    for server in &servers {
        let system = client(server, "s", "s").await;
        let mut events = system.subscribe("$SYS.>").await.expect("it is open");
        system.flush().await.expect("it is open");
        let tenant = client(server, "a", "a").await;
        tenant.publish("x", "abc".into()).await.expect("it is open");
        tenant.flush().await.expect("it is open");
        let refused = ConnectOptions::with_user_and_password("a".into(), "wrong".into());
        assert!(refused.connect(server.url()).await.is_err());
        drop(tenant);
        let mut found = BTreeMap::new();
        let wanted = [
            "ACCOUNT.A.CONNECT",
            "ACCOUNT.A.DISCONNECT",
            "ACCOUNT.A.SERVER.CONNS",
            "SERVER.ACCOUNT.A.CONNS",
            "CLIENT.AUTH.ERR",
            ".STATSZ",
        ];
        while found.len() < wanted.len() {
            let event = tokio::time::timeout(tollway_tests::PATIENCE, events.next()).await;
            let event = event.expect("it comes").expect("it is open");
            if let Some(kind) = wanted.iter().find(|kind| event.subject.ends_with(*kind)) {
                let json: Value = serde_json::from_slice(&event.payload).expect("events are JSON");
                found.entry(*kind).or_insert(json);
            }
        }
        assert_eq!(
            found["ACCOUNT.A.DISCONNECT"]["reason"],
            "Client Closed",
            "{}",
            server.name()
        );
        assert_eq!(
            found["CLIENT.AUTH.ERR"]["reason"],
            "Authentication Failure",
            "{}",
            server.name()
        );
        told.push(found);
    }
    let [ours, theirs] = told.as_slice() else { return };
    for (kind, ours) in ours {
        let (mut missing, own) = differences(ours, &theirs[kind]);
        // Measured when there was time for it.
        missing.remove("/client/rtt");
        let allowed = match *kind {
            // Which account somebody wanted who was refused is not known, and nothing is made up.
            "CLIENT.AUTH.ERR" => set(&[SERVER, "/client/acc", "/client/name_tag"]),
            ".STATSZ" => set(&[SERVER, "/statsz/gomaxprocs"]),
            _ => set(&[SERVER]),
        };
        assert_eq!(missing, allowed, "{kind}: {ours:#} {:#}", theirs[kind]);
        // The real server tells it when there were some.
        let more = if *kind == ".STATSZ" {
            set(&["/statsz/stale_connections"])
        } else {
            set(&[])
        };
        assert_eq!(own, more, "{kind}: {ours:#} {:#}", theirs[kind]);
    }
}

#[tokio::test]
async fn answers_have_the_fields_of_the_real_server() {
    let servers = both("system answers", FILE, &[]);
    let questions = [
        ("USER.INFO", ""),
        ("SERVER.PING", ""),
        ("SERVER.PING.IDZ", ""),
        ("SERVER.PING.STATSZ", r#"{"server_name":"pro"}"#),
        ("SERVER.PING.VARZ", r#"{"tags":["rack:7"]}"#),
        ("SERVER.PING.CONNZ", r#"{"auth":true,"subscriptions":true}"#),
        ("SERVER.PING.CONNZ", r#"{"acc":"A","subscriptions_detail":true}"#),
        ("SERVER.PING.SUBSZ", r#"{"subscriptions":true}"#),
        ("SERVER.PING.ACCOUNTZ", ""),
        ("SERVER.PING.HEALTHZ", ""),
        ("SERVER.PING.ROUTEZ", ""),
        ("SERVER.PING.GATEWAYZ", ""),
        ("SERVER.PING.LEAFZ", ""),
        ("SERVER.PING.ACCOUNTZ", r#"{"account":"SYS"}"#),
        ("ACCOUNT.A.INFO", ""),
        ("ACCOUNT.A.CONNZ", ""),
        ("ACCOUNT.A.SUBSZ", ""),
        ("ACCOUNT.A.CONNS", ""),
        ("ACCOUNT.A.STATZ", ""),
        ("ACCOUNT.PING.STATZ", r#"{"include_unused":true}"#),
        ("SERVER.PING.CONNZ", r#"{"sort":"bad"}"#),
        ("SERVER.PING.CONNZ", "{"),
        ("ACCOUNT.NOPE.INFO", ""),
    ];
    let mut answers = Vec::new();
    for server in &servers {
        let (system, tenant) = (client(server, "s", "s").await, client(server, "a", "a").await);
        let _listening = tenant.subscribe("a.>").await.expect("it is open");
        tenant.flush().await.expect("it is open");
        let mut of_server = Vec::new();
        for (words, body) in questions {
            let answer = ask(&system, &format!("$SYS.REQ.{words}"), body).await;
            of_server.push(answer.unwrap_or_else(|| panic!("{}: {words} {body}", server.name())));
        }
        answers.push(of_server);
    }
    let [ours, theirs] = answers.as_slice() else {
        return;
    };
    for ((question, ours), theirs) in questions.iter().zip(ours).zip(theirs) {
        let (_, mut own) = differences(ours, theirs);
        own.retain(|field| !OWN.contains(&field.as_str()));
        assert_eq!(own, set(&[]), "{question:?}: {ours:#} {theirs:#}");
        assert_eq!(ours["error"]["code"], theirs["error"]["code"], "{question:?}");
        assert_eq!(ours["server"]["tags"], theirs["server"]["tags"], "{question:?}");
    }
}

/// What only the node says: its own version, and a number that the real server leaves out when it is 0.
const OWN: [&str; 2] = ["/data/tollway_version", "/statsz/stale_connections"];

/// Isolation: the same questions are answered to the same askers, and about themselves alone.
#[tokio::test]
async fn a_tenant_is_answered_what_the_real_server_answers_and_about_itself() {
    for server in both("system tenants", FILE, &[]) {
        let (tenant, other) = (client(&server, "a", "a").await, client(&server, "b", "b").await);
        let id = tenant.server_info().server_id;
        for words in [
            "SERVER.PING".to_owned(),
            "SERVER.PING.VARZ".to_owned(),
            "SERVER.PING.ACCOUNTZ".to_owned(),
            format!("SERVER.{id}.CONNZ"),
            format!("SERVER.{id}.KICK"),
            format!("SERVER.{id}.LDM"),
            format!("SERVER.{id}.RELOAD"),
            "ACCOUNT.A.CONNZ".to_owned(),
            "ACCOUNT.B.CONNZ".to_owned(),
            "ACCOUNT.B.INFO".to_owned(),
            "ACCOUNT.PING.SUBSZ".to_owned(),
        ] {
            let answer = tenant.request(format!("$SYS.REQ.{words}"), "{}".into()).await;
            let error = answer.expect_err("nobody is there").kind();
            assert_eq!(
                error,
                async_nats::RequestErrorKind::NoResponders,
                "{}: {words}",
                server.name()
            );
        }
        for words in ["ACCOUNT.PING.CONNZ", "SERVER.PING.CONNZ"] {
            let body = r#"{"acc":"B","auth":true}"#;
            let answer = ask(&tenant, &format!("$SYS.REQ.{words}"), body)
                .await
                .expect("an answer");
            let connections = answer["data"]["connections"].as_array().expect("a list");
            assert_eq!(connections.len(), 1, "{}: {answer:#}", server.name());
            assert_eq!(connections[0]["account"], "A", "{}: {answer:#}", server.name());
        }
        let body = r#"{"accounts":["B"],"include_unused":true}"#;
        let answer = ask(&tenant, "$SYS.REQ.ACCOUNT.PING.STATZ", body)
            .await
            .expect("an answer");
        let numbers = answer["data"]["account_statz"].as_array().expect("a list");
        assert_eq!(numbers.len(), 1, "{}: {answer:#}", server.name());
        assert_eq!(numbers[0]["acc"], "A", "{}: {answer:#}", server.name());
        drop(other);
    }
}

#[tokio::test]
async fn everybody_is_told_who_it_is_and_what_it_may_do() {
    let mut answers = Vec::new();
    for server in both("user info", FILE, &[]) {
        let mut told = Vec::new();
        for (user, password) in [("a", "a"), ("narrow", "n"), ("s", "s")] {
            let client = client(&server, user, password).await;
            // Who may not subscribe to its inbox could not hear it.
            let answer = ask(&client, "$SYS.REQ.USER.INFO", "").await.expect("an answer");
            told.push(answer["data"].clone());
        }
        answers.push(told);
    }
    if let [ours, theirs] = answers.as_slice() {
        assert_eq!(ours, theirs);
    }
}

#[tokio::test]
async fn clients_are_sent_away_and_configurations_read_again() {
    for server in both("system orders", FILE, &[]) {
        let system = client(&server, "s", "s").await;
        let (events, mut told) = tokio::sync::mpsc::channel(16);
        let options = ConnectOptions::with_user_and_password("a".into(), "a".into())
            .max_reconnects(1)
            .event_callback(move |event| {
                let events = events.clone();
                async move {
                    let _ = events.try_send(event.to_string());
                }
            });
        let tenant = options.connect(server.url()).await.expect("it gets in");
        tenant.flush().await.expect("it is open");
        let id = system.server_info().server_id;
        let cid = tenant.server_info().client_id;
        let order = async |words: &str, body: String| {
            let answer = ask(&system, &format!("$SYS.REQ.SERVER.{id}.{words}"), &body).await;
            let answer = answer.unwrap_or_else(|| panic!("{}: {words}", server.name()));
            assert!(
                answer["server"]["id"] == id.as_str(),
                "{}: {answer:#}",
                server.name()
            );
            answer["error"]["code"].clone()
        };
        assert_eq!(order("LDM", format!(r#"{{"cid":{cid}}}"#)).await, Value::Null);
        heard(&mut told, "lame duck").await;
        assert_eq!(order("KICK", format!(r#"{{"cid":{cid}}}"#)).await, Value::Null);
        heard(&mut told, "disconnected").await;
        assert_eq!(order("KICK", r#"{"cid":123456789}"#.to_owned()).await, 500);
        assert_eq!(order("RELOAD", String::new()).await, Value::Null);
        assert!(
            server.log().contains("Reloaded"),
            "{}: {}",
            server.name(),
            server.log()
        );
    }
}

async fn heard(told: &mut tokio::sync::mpsc::Receiver<String>, wanted: &str) {
    loop {
        let event = tokio::time::timeout(tollway_tests::PATIENCE, told.recv()).await;
        let event = event.expect("it comes").expect("the client is there");
        if event.contains(wanted) {
            return;
        }
    }
}

#[tokio::test]
async fn other_servers_than_those_asked_keep_silent() {
    for server in both("system filters", FILE, &[]) {
        let system = client(&server, "s", "s").await;
        let inbox = system.new_inbox();
        let mut answers = system.subscribe(inbox.clone()).await.expect("it is open");
        for body in [
            r#"{"server_name":"other"}"#,
            r#"{"server_name":"pro","exact_match":true}"#,
            r#"{"tags":["rack:8"]}"#,
            r#"{"cluster":"east"}"#,
            r#"{"domain":"hub"}"#,
            "",
        ] {
            let subject = "$SYS.REQ.SERVER.PING.HEALTHZ".to_owned();
            let asked = system
                .publish_with_reply(subject, inbox.clone(), body.into())
                .await;
            asked.expect("it is open");
        }
        // Only to the last question, which comes behind all others.
        let subject = "$SYS.REQ.SERVER.PING.IDZ".to_owned();
        let asked = system.publish_with_reply(subject, inbox.clone(), "".into()).await;
        asked.expect("it is open");
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let answer = tokio::time::timeout(tollway_tests::PATIENCE, answers.next()).await;
            let answer = answer.expect("it comes").expect("it is open");
            let json: Value = serde_json::from_slice(&answer.payload).expect("JSON");
            kinds.push(json["data"]["status"].as_str().map(str::to_owned));
        }
        assert_eq!(kinds, [Some("ok".to_owned()), None], "{}", server.name());
    }
}
