//! Messages get where they belong: all of them, in order, and nowhere else.

use std::collections::HashSet;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::{World, eventually};

#[tokio::test]
async fn accounts_using_the_same_subjects_see_nothing_of_each_other() {
    let world = World::start().await;
    let (a, b) = (world.account(), world.account());
    let mut in_a = world.client(&a.user()).await;
    let mut in_b = world.client(&b.user()).await;
    in_a.send("SUB > 1\r\nSUB orders.new q 2\r\n").await;
    in_b.send("SUB > 1\r\nSUB orders.new q 2\r\nSUB _INBOX.1 3\r\n")
        .await;
    in_a.sync().await;
    in_b.sync().await;

    let mut publisher = world.client(&a.user()).await;
    for subject in ["orders.new", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "_INBOX.1"] {
        publisher
            .send(format!("PUB {subject} _INBOX.1 5\r\nhello\r\n"))
            .await;
    }
    publisher.sync().await;
    for subject in ["orders.new", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "_INBOX.1"] {
        in_a.expect(format!("MSG {subject} 1 _INBOX.1 5\r\nhello\r\n"))
            .await;
        if subject == "orders.new" {
            in_a.expect("MSG orders.new 2 _INBOX.1 5\r\nhello\r\n").await;
        }
    }
    in_a.sync().await;
    in_b.sync().await;
    let (used_a, used_b) = (world.meters(&a), world.meters(&b));
    // Each with its subject, the reply of eight and the payload of five.
    assert_eq!(
        (used_a.messages_in, used_a.bytes_in),
        (4, 10 + 20 + 12 + 8 + 4 * 13)
    );
    assert_eq!(
        (used_a.messages_out, used_a.bytes_out),
        (5, used_a.bytes_in + 10 + 13),
        "one of them was heard twice"
    );
    assert_eq!((used_b.messages_in, used_b.messages_out), (0, 0));

    // Somebody listening in another account does not make a request answered.
    let mut asking = world.client(&a.user()).await;
    in_b.send("SUB only.in.b 4\r\n").await;
    in_b.sync().await;
    in_a.send("UNSUB 1\r\n").await;
    in_a.sync().await;
    asking.send("SUB _R.1 1\r\nPUB only.in.b _R.1 0\r\n\r\n").await;
    asking
        .expect("HMSG _R.1 1 41 41\r\nNATS/1.0 503\r\nNats-Subject: only.in.b\r\n\r\n\r\n")
        .await;
}

#[tokio::test]
async fn the_system_subjects_of_a_tenant_are_just_subjects() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.send("SUB $SYS.> 1\r\nSUB _R 2\r\nPUB $SYS.REQ.USER.INFO _R 0\r\n\r\n")
        .await;
    raw.expect("MSG $SYS.REQ.USER.INFO 1 _R 0\r\n\r\n").await;
    raw.sync().await;
}

#[tokio::test]
async fn each_queue_group_gets_each_message_once_and_shares_them_out() {
    let world = World::start().await;
    let user = world.account().user();
    let mut members = Vec::new();
    for filter in ["jobs.*", "jobs.>", "jobs.x"] {
        let mut member = world.client(&user).await;
        member
            .send(format!("SUB {filter} workers 1\r\nSUB {filter} audit 2\r\n"))
            .await;
        member.sync().await;
        members.push(member);
    }
    let mut plain = world.client(&user).await;
    plain.send("SUB jobs.x 3\r\n").await;
    plain.sync().await;
    let mut publisher = world.client(&user).await;
    for number in 0..300 {
        publisher.send(format!("PUB jobs.x 3\r\n{number:03}\r\n")).await;
    }
    publisher.sync().await;

    let mut seen = [HashSet::new(), HashSet::new()];
    for member in &mut members {
        member.send("PING\r\n").await;
        let mut own = 0;
        loop {
            let line = member.line().await;
            if line == "PONG" {
                break;
            }
            let group = usize::from(line.starts_with("MSG jobs.x 2 "));
            assert!(
                seen[group].insert(member.line().await),
                "delivered twice to one group"
            );
            own += 1;
        }
        assert!(own > 100, "a fair share of 600 deliveries among three: {own}");
    }
    assert!(seen.iter().all(|group| group.len() == 300));
    for number in 0..300 {
        plain.expect(format!("MSG jobs.x 3 3\r\n{number:03}\r\n")).await;
    }
}

#[tokio::test]
async fn members_that_are_gone_are_never_chosen() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut staying = world.client(&user).await;
    staying.send("SUB jobs q 1\r\n").await;
    staying.sync().await;
    let mut leaving = Vec::new();
    for _ in 0..5 {
        let mut member = world.client(&user).await;
        member.send("SUB jobs q 1\r\n").await;
        member.sync().await;
        leaving.push(member);
    }
    let mut publisher = world.client(&user).await;
    publisher.send("PUB jobs 0\r\n\r\n").await;
    publisher.sync().await;
    drop(leaving);
    eventually("they are gone", || world.live(&account).connections == 2).await;
    for _ in 0..100 {
        publisher.send("PUB jobs 4\r\nwork\r\n").await;
    }
    publisher.sync().await;
    staying.send("PING\r\n").await;
    let mut got = 0;
    while staying.line().await != "PONG" {
        got += usize::from(staying.line().await == "work");
    }
    assert_eq!(got, 100);
}

#[tokio::test]
async fn a_member_without_echo_leaves_its_own_messages_to_others() {
    let world = World::start().await;
    let user = world.account().user();
    let mut other = world.client(&user).await;
    other.send("SUB jobs q 1\r\n").await;
    other.sync().await;
    let mut own = world.client_with(&user, json!({"echo": false})).await;
    own.send("SUB jobs q 1\r\n").await;
    for _ in 0..20 {
        own.send("PUB jobs 0\r\n\r\n").await;
    }
    own.sync().await;
    for _ in 0..20 {
        other.expect("MSG jobs 1 0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn frames_may_arrive_in_any_pieces() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut raw = world.greeted().await;
    let connect = raw.connect_line(&user, json!({"protocol": 0}));
    let rest = "SUB a.> 1\r\nPUB a.b re 3\r\nx\r\n\r\nHPUB a.c 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n";
    for byte in [connect.as_bytes(), rest.as_bytes()].concat() {
        raw.send([byte]).await;
        tokio::task::yield_now().await;
    }
    raw.expect("MSG a.b 1 re 3\r\nx\r\n\r\nHMSG a.c 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPONG\r\n")
        .await;
}

#[tokio::test]
async fn payloads_of_every_size_around_the_buffers_arrive_whole() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.send("SUB big 1\r\n").await;
    let mut sizes = vec![0, 1, 1_048_576, 1_000_000, 500_000];
    for edge in [16 * 1024, 64 * 1024, 128 * 1024, 144 * 1024, 256 * 1024] {
        sizes.extend(edge - 12..edge + 3);
    }
    let body: Vec<u8> = (0..1_048_576u32).map(|number| (number % 251) as u8).collect();
    for size in sizes {
        raw.send(format!("PUB big {size}\r\n")).await;
        raw.send(&body[..size]).await;
        raw.send("\r\nPING\r\n").await;
        raw.expect(format!("MSG big 1 {size}\r\n")).await;
        raw.expect(&body[..size]).await;
        raw.expect("\r\nPONG\r\n").await;
    }
}

/// Several publishers, several subscribers, everybody at full speed: each
/// subscriber gets each publisher's messages completely and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_subscriber_gets_each_publishers_messages_in_order() {
    const PUBLISHERS: usize = 4;
    const SUBSCRIBERS: usize = 3;
    const MESSAGES: usize = 20_000;
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut readers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut raw = world.client(&user).await;
        raw.send("SUB flow.* 1\r\n").await;
        raw.sync().await;
        readers.push(tokio::spawn(async move {
            let mut next = [0; PUBLISHERS];
            for _ in 0..PUBLISHERS * MESSAGES {
                let head = raw.line().await;
                let body = raw.line().await;
                let publisher: usize = head
                    .strip_prefix("MSG flow.")
                    .and_then(|rest| rest.split(' ').next())
                    .and_then(|number| number.parse().ok())
                    .unwrap_or_else(|| panic!("no message: {head}"));
                assert_eq!(body.parse(), Ok(next[publisher]), "out of order from {publisher}");
                next[publisher] += 1;
            }
        }));
    }
    let mut writers = Vec::new();
    for publisher in 0..PUBLISHERS {
        let mut raw = world.client(&user).await;
        writers.push(tokio::spawn(async move {
            for batch in 0..MESSAGES / 100 {
                let mut bytes = String::new();
                for number in batch * 100..batch * 100 + 100 {
                    bytes.push_str(&format!("PUB flow.{publisher} 8\r\n{number:08}\r\n"));
                }
                raw.send(bytes).await;
            }
            raw.sync().await;
        }));
    }
    for task in writers.into_iter().chain(readers) {
        task.await.expect("nobody missed anything");
    }
    let used = world.meters(&account);
    assert_eq!(used.messages_in, (PUBLISHERS * MESSAGES) as u64);
    assert_eq!(
        used.bytes_in,
        (PUBLISHERS * MESSAGES * ("flow.0".len() + 8)) as u64
    );
    assert_eq!(used.messages_out, (PUBLISHERS * MESSAGES * SUBSCRIBERS) as u64);
}

/// One small read that means a hundred thousand deliveries must not keep a
/// neighbour waiting until all are made, and must lose none of them.
#[tokio::test]
async fn a_turn_with_very_many_deliveries_is_cut_and_continued() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut receivers = Vec::new();
    for _ in 0..50 {
        let mut raw = world.client(&user).await;
        raw.send(
            (0..20)
                .map(|sid| format!("SUB fan {sid}\r\n"))
                .collect::<String>(),
        )
        .await;
        raw.sync().await;
        receivers.push(raw);
    }
    let mut publisher = world.client(&user).await;
    publisher.send("PUB fan 2\r\nhi\r\n".repeat(200)).await;
    publisher.sync().await;
    assert_eq!(world.meters(&account).messages_out, 50 * 20 * 200);
    for raw in &mut receivers {
        for _ in 0..20 * 200 {
            assert!(raw.line().await.starts_with("MSG fan "));
            assert_eq!(raw.line().await, "hi");
        }
        raw.sync().await;
    }
}

#[tokio::test]
async fn messages_before_a_fault_are_delivered() {
    let world = World::start().await;
    let user = world.account().user();
    let mut listening = world.client(&user).await;
    listening.send("SUB a 1\r\n").await;
    listening.sync().await;
    let mut raw = world.client(&user).await;
    raw.send("PUB a 1\r\n1\r\nPUB a 1\r\n2\r\nNONSENSE\r\n").await;
    raw.expect_end("-ERR 'Unknown Protocol Operation'\r\n").await;
    listening.expect("MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n").await;
    listening.socket.shutdown().await.expect("open");
}

/// More receivers than are sent to in one go: what is said first reaches them all first, also when
/// the publisher leaves in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_receivers_get_everything_in_order_and_before_the_answer() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut receivers = Vec::new();
    for _ in 0..300 {
        let mut raw = world.client_with(&user, serde_json::json!({"protocol": 1})).await;
        raw.send("SUB all 1\r\n").await;
        raw.sync().await;
        receivers.push(raw);
    }
    let mut publisher = world.client(&user).await;
    publisher.send("SUB all 7\r\n").await;
    publisher
        .send(
            (0..20)
                .map(|n| format!("PUB all 2\r\n{n:02}\r\n"))
                .collect::<String>()
                + "PING\r\n",
        )
        .await;
    for n in 0..20 {
        publisher.expect(format!("MSG all 7 2\r\n{n:02}\r\n")).await;
    }
    publisher.expect("PONG\r\n").await;
    let used = world.meters(&account);
    assert!(used.messages_out >= 20 * 300, "all of them were sent before");

    let mut leaver = world.client(&user).await;
    leaver
        .send(
            (20..40)
                .map(|n| format!("PUB all 2\r\n{n}\r\n"))
                .collect::<String>()
                + "NONSENSE\r\n",
        )
        .await;
    leaver.expect_end("-ERR 'Unknown Protocol Operation'\r\n").await;
    for raw in &mut receivers {
        for n in 0..40 {
            raw.expect(format!("MSG all 1 2\r\n{n:02}\r\n")).await;
        }
        raw.sync().await;
    }
}

#[tokio::test]
async fn what_several_receivers_get_together_is_what_each_would_get_alone() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut receivers = Vec::new();
    for filter in [
        "SUB ev 1\r\n",
        "SUB ev 1\r\n",
        "SUB ev 77\r\nUNSUB 77 4\r\n",
        "SUB * 9\r\n",
    ] {
        let mut receiver = world.client(&user).await;
        receiver.send(filter).await;
        receiver.sync().await;
        receivers.push(receiver);
    }
    let mut without_headers = world
        .client_with(&user, json!({ "headers": false, "no_responders": false }))
        .await;
    without_headers.send("SUB ev 1\r\n").await;
    without_headers.sync().await;

    // In one piece, so that it is one turn: the messages to `ev` that follow each other go together.
    let mut publisher = world.client(&user).await;
    let sent = [
        "SUB ev 5\r\n",
        "PUB ev 1\r\n1\r\nPUB ev 1\r\n2\r\n",
        "HPUB ev 18 19\r\nNATS/1.0\r\nA: b\r\n\r\n3\r\n",
        "PUB other 1\r\nx\r\n",
        "PUB ev 1\r\n4\r\nPUB ev re.ply 1\r\n5\r\nPUB ev 1\r\n6\r\nPING\r\n",
        "PUB ev 1\r\n7\r\nUNSUB 5\r\nPUB ev 1\r\n8\r\nPING\r\n",
    ];
    publisher.send(sent.concat()).await;

    let read = |sid: &str, headers: bool| {
        let plain = |text: &str| format!("MSG ev {sid} 1\r\n{text}\r\n");
        let third = match headers {
            true => format!("HMSG ev {sid} 18 19\r\nNATS/1.0\r\nA: b\r\n\r\n3\r\n"),
            false => plain("3"),
        };
        let fifth = format!("MSG ev {sid} re.ply 1\r\n5\r\n");
        let messages = [plain("1"), plain("2"), third, plain("4"), fifth];
        [&messages[..], &["6", "7", "8"].map(plain)].concat()
    };
    let own = read("5", true);
    publisher.expect(own[..6].concat() + "PONG\r\n").await;
    publisher.expect(own[6..7].concat() + "PONG\r\n").await;
    publisher.sync().await;
    receivers[0].expect(read("1", true).concat()).await;
    receivers[1].expect(read("1", true).concat()).await;
    receivers[2].expect(read("77", true)[..4].concat()).await;
    let mut all = read("9", true);
    all.insert(3, "MSG other 9 1\r\nx\r\n".to_owned());
    receivers[3].expect(all.concat()).await;
    without_headers.expect(read("1", false).concat()).await;
    without_headers.sync().await;
    for receiver in &mut receivers {
        receiver.sync().await;
    }
    // Eight for each of the four, four and seven for the two that end, and one to `other`.
    eventually("everything is counted", || {
        world.meters(&account).messages_out == 4 * 8 + 4 + 7 + 1
    })
    .await;
    assert_eq!(world.live(&account).subscriptions, 4);
}
