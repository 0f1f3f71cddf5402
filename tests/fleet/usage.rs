//! The bill: never more than was used, exactly that once everything is quiet, whatever fails in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use serde_json::{Value, json};
use tollway_tests::{Account, Creds, Node, Random, Raw, System, eventually, in_time};

use crate::bill::Bill;
use crate::metrics;

async fn client(node: &Node, creds: &Creds) -> Client {
    let options = ConnectOptions::with_credentials(&creds.text).expect("creds parse");
    in_time("the client connects", options.connect(node.url()))
        .await
        .expect("the node accepts the creds")
}

#[tokio::test]
async fn usage_is_exactly_what_clients_sent_and_received() {
    let mut system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let api = &system.api().clone();
    let (tenant, neighbour) = (api.tenant("cell-a").await, api.tenant("cell-a").await);
    let mut random = Random::new();
    let mut used = Bill::default();

    // Two who hear everything, and a queue group of three who share.
    let (sender, hearer) = (
        client(&node, &tenant.creds).await,
        client(&node, &tenant.creds).await,
    );
    used.connections += 2;
    let heard = [
        hearer.subscribe("orders.>").await.unwrap(),
        hearer.subscribe("orders.*").await.unwrap(),
    ];
    let mut group = Vec::new();
    for _ in 0..3 {
        let worker = hearer.queue_subscribe("orders.new", "workers".into());
        group.push(worker.await.unwrap());
    }
    settled(&hearer, &mut used).await;
    let before = used.messages_out;
    // The neighbour uses the same subjects; nothing of it is anybody else's.
    let mut apart = Raw::connect(node.address(), &neighbour.creds).await.unwrap();
    apart.send("SUB > 1\r\n").await;
    apart.sync().await;
    for _ in 0..500 {
        let bytes = random.below(2000);
        let (subject, receivers) = [("orders.new", 3), ("orders.a.b", 1), ("nobody", 0)][random.below(3)];
        used.count(subject.len() + bytes, receivers);
        let payload = vec![b'x'; bytes].into();
        sender.publish(subject, payload).await.unwrap();
    }
    sender.flush().await.unwrap();
    used.becomes(api, &tenant.account).await;
    let mut all = select_all(heard.into_iter().chain(group));
    for _ in before..used.messages_out {
        in_time("clients get what is billed", all.next()).await.unwrap();
    }

    // Requests and replies are two messages each; a request that nobody hears is one.
    let mut questions = hearer.subscribe("questions").await.unwrap();
    settled(&hearer, &mut used).await;
    let answering = hearer.clone();
    let replied = Arc::new(AtomicUsize::new(0));
    let replied_here = replied.clone();
    let answering = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let reply = question.reply.expect("a request has a reply subject");
            replied_here.store(reply.len(), Ordering::Relaxed);
            answering.publish(reply, "because".into()).await.unwrap();
        }
    });
    for _ in 0..20 {
        in_time("the answer", sender.request("questions", "why".into()))
            .await
            .unwrap();
        let inbox = replied.load(Ordering::Relaxed);
        used.count("questions".len() + inbox + 3, 1);
        used.count(inbox + 7, 1);
    }
    in_time("the answer", sender.request("silence", "why".into()))
        .await
        .unwrap_err();
    // Each inbox of this client is as long as the others.
    let inbox = replied.load(Ordering::Relaxed);
    used.count("silence".len() + inbox + 3, 0);
    // Headers count as bytes, for those who get them.
    let block = "NATS/1.0\r\nKind: test\r\n\r\n";
    let mut raw = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    used.connections += 1;
    raw.send(format!(
        "SUB own 1\r\nHPUB own {} {}\r\n{block}hi\r\n",
        block.len(),
        block.len() + 2
    ))
    .await;
    assert_eq!(raw.message().await.1.len(), block.len() + 2);
    used.count("own".len() + block.len() + 2, 1);
    // What is refused is not counted: neither a message nor a login.
    raw.send("PUB $NRG.x 2\r\nhi\r\n").await;
    assert!(raw.line().await.starts_with("-ERR 'Permissions Violation"));
    let refused = Raw::dial(node.address()).await.unwrap();
    drop(refused);
    used.becomes(api, &tenant.account).await;
    // A question of the control plane is its own; the answer is the account's, and so is what it got.
    let path = format!("/v1/accounts/{}/request", tenant.account.id);
    let question = json!({ "subject": "questions", "payload": "d2h5" });
    api.post(&path, question).await;
    used.messages_out += 1;
    let inbox = replied.load(Ordering::Relaxed) as u64;
    used.bytes_out += "questions".len() as u64 + inbox + 3;
    used.messages_in += 1;
    used.bytes_in += inbox + 7;
    used.becomes(api, &tenant.account).await;

    // The neighbour heard nothing and pays for its connection alone.
    apart.sync().await;
    let alone = Bill {
        connections: 1,
        ..Bill::default()
    };
    alone.becomes(api, &neighbour.account).await;

    // It stays so when everything was started again.
    answering.abort();
    drop((sender, hearer, raw, all, apart));
    eventually("all clients are gone", async || {
        let account = api.get(&format!("/v1/accounts/{}", tenant.account.id)).await;
        (account["connections"] == 0).then_some(())
    })
    .await;
    node.stop().await;
    node.start().await;
    system.control_plane.stop().await;
    system.control_plane.start().await;
    metrics::connected(&node).await;
    metrics::usage_acknowledged(&node).await;
    assert_eq!(Bill::of(api, &neighbour.account).await, alone);
    assert_eq!(Bill::of(api, &tenant.account).await, used);
}

/// Publishes at a steady pace until told to stop; knows at every moment what it has sent.
struct Traffic {
    stop: Arc<AtomicBool>,
    /// Set before the bytes go out: what was billed is never more.
    announced: Arc<AtomicU64>,
    running: tokio::task::JoinHandle<u64>,
}

const PAYLOAD: usize = 25;

impl Traffic {
    async fn start(node: &Node, creds: &Creds) -> Self {
        let mut raw = Raw::connect(node.address(), creds)
            .await
            .expect("the creds are good");
        raw.send("SUB traffic 1\r\n").await;
        raw.sync().await;
        let (stop, announced) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let running = tokio::spawn({
            let (stop, announced) = (stop.clone(), announced.clone());
            async move {
                let mut sent = 0;
                while !stop.load(Ordering::Relaxed) {
                    sent += 1;
                    announced.store(sent, Ordering::SeqCst);
                    raw.send(format!("PUB traffic {PAYLOAD}\r\n{}\r\n", "x".repeat(PAYLOAD)))
                        .await;
                    raw.message().await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                sent
            }
        });
        Self {
            stop,
            announced,
            running,
        }
    }

    /// At most this was used up to now.
    fn at_most(&self) -> Bill {
        Self::bill(self.announced.load(Ordering::SeqCst))
    }

    async fn finish(self) -> Bill {
        self.stop.store(true, Ordering::Relaxed);
        Self::bill(self.running.await.expect("the publisher is never cut"))
    }

    fn bill(messages: u64) -> Bill {
        let bytes = messages * ("traffic".len() + PAYLOAD) as u64;
        Bill {
            messages_in: messages,
            bytes_in: bytes,
            messages_out: messages,
            bytes_out: bytes,
            connections: 1,
        }
    }

    /// Reads the bill, which must not be more than what is used when it has been read.
    async fn check(&self, system: &System, account: &Account) -> Bill {
        let billed = Bill::of(system.api(), account).await;
        let used = self.at_most();
        assert!(billed.is_within(&used), "billed {billed:?}, used {used:?}");
        billed
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_is_killed_and_stopped_in_the_middle_of_reports_counts_nothing_twice() {
    let mut system = System::start().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let traffic = Traffic::start(&node, &tenant.creds).await;
    for round in 0..6 {
        // Reports are under way: the bill grows.
        let before = traffic.check(&system, &tenant.account).await;
        eventually("the bill grows", async || {
            let billed = traffic.check(&system, &tenant.account).await;
            (billed.messages_in > before.messages_in).then_some(())
        })
        .await;
        if round % 2 == 0 {
            system.control_plane.kill();
        } else {
            system.control_plane.stop().await;
        }
        system.control_plane.start().await;
        metrics::connected(&node).await;
    }
    let used = traffic.finish().await;
    used.becomes(system.api(), &tenant.account).await;
    metrics::usage_acknowledged(&node).await;
    assert_eq!(Bill::of(system.api(), &tenant.account).await, used);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_in_the_middle_of_reports_counts_nothing_twice() {
    let system = System::start_with_own_postgres().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let traffic = Traffic::start(&node, &tenant.creds).await;
    let usage = format!("/v1/accounts/{}/usage", tenant.account.id);
    for _ in 0..3 {
        let before = traffic.check(&system, &tenant.account).await;
        eventually("the bill grows", async || {
            let billed = traffic.check(&system, &tenant.account).await;
            (billed.messages_in > before.messages_in).then_some(())
        })
        .await;
        system.postgres().stop();
        let answer = system
            .api()
            .call(reqwest::Method::GET, &usage, &Value::Null)
            .await;
        assert_eq!(answer.unwrap().status, 503);
        system.postgres().start_again().await;
        eventually("the API has its database back", async || {
            let answer = system
                .api()
                .call(reqwest::Method::GET, &usage, &Value::Null)
                .await;
            answer.unwrap().status.is_success().then_some(())
        })
        .await;
    }
    let used = traffic.finish().await;
    used.becomes(system.api(), &tenant.account).await;
    metrics::usage_acknowledged(&node).await;
    assert_eq!(Bill::of(system.api(), &tenant.account).await, used);
}

/// What the client asked for before is in force at the node: a message to itself came back, which is billed too.
/// The library's own flush waits for the socket alone.
async fn settled(client: &async_nats::Client, used: &mut Bill) {
    const SUBJECT: &str = "settled";
    let mut back = client.subscribe(SUBJECT).await.expect("the client is connected");
    client
        .publish(SUBJECT, "".into())
        .await
        .expect("the client is connected");
    in_time("the message comes back", back.next())
        .await
        .expect("the subscription is open");
    back.unsubscribe().await.expect("the client is connected");
    used.count(SUBJECT.len(), 1);
}
