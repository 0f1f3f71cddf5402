//! The conversation itself, byte for byte as stock servers have it.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn first_info_says_what_clients_need_and_the_second_what_they_got() {
    let world = World::start().await;
    let mut account = world.account();
    account.claims.limits.payload = tollway_claims::Limit::AtMost(100);
    world.apply(&account);
    let user = account.user();

    let mut raw = world.dial().await;
    let info = raw.info().await;
    assert_eq!(info["proto"], 1);
    assert_eq!(info["headers"], true);
    assert_eq!(info["auth_required"], true);
    assert_eq!(info["max_payload"], 1024 * 1024);
    assert_eq!(info["version"], "2.12.0");
    assert_eq!(info["tollway_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["client_ip"], "127.0.0.1");
    assert_eq!(info["nonce"].as_str().map(str::len), Some(15));
    assert!(info["server_id"].as_str().is_some_and(|id| id.starts_with('N')));
    assert!(info.get("jetstream").is_none() && info.get("connect_info").is_none());

    raw.nonce = info["nonce"].as_str().expect("a nonce").to_owned();
    raw.connect(&user, json!({})).await;
    raw.send("PING\r\n").await;
    raw.expect("PONG\r\n").await;
    let second = raw.info().await;
    assert_eq!(second["connect_info"], true);
    assert_eq!(second["remote_account"], account.key().to_string());
    assert_eq!(second["max_payload"], 100);
    assert_eq!(second["client_id"], info["client_id"]);
    assert!(second.get("nonce").is_none(), "a nonce is for one login");

    // Only the first PING is answered with INFO too.
    raw.sync().await;
}

#[tokio::test]
async fn clients_of_protocol_zero_get_no_second_info() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.greeted().await;
    raw.connect(&user, json!({"protocol": 0})).await;
    raw.sync().await;
    raw.sync().await;
}

#[tokio::test]
async fn verbose_clients_hear_ok_for_everything_but_ping() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.greeted().await;
    raw.connect(&user, json!({"verbose": true})).await;
    raw.send("PING\r\n").await;
    raw.expect("+OK\r\nPONG\r\n").await;
    raw.info().await;
    raw.send("SUB a 1\r\nPUB a 2\r\nhi\r\nUNSUB 1\r\nPING\r\n").await;
    raw.expect("+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\n+OK\r\nPONG\r\n")
        .await;
}

#[tokio::test]
async fn absent_options_are_verbose_and_pedantic() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.greeted().await;
    let sig = tollway_claims::encode_signature(&user.signer.sign(raw.nonce.as_bytes()));
    raw.send(format!(
        "CONNECT {}\r\nPUB a..b 0\r\n\r\nPING\r\n",
        json!({"jwt": user.jwt, "sig": sig})
    ))
    .await;
    raw.expect("+OK\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\nPONG\r\n")
        .await;
}

#[tokio::test]
async fn verbs_are_read_in_any_case_with_blanks_tabs_and_bare_line_feeds() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.send("sub\ta  1\npUb a\t\t2\r\nhi\r\nping\n").await;
    raw.expect("MSG a 1 2\r\nhi\r\nPONG\r\n").await;
    // What only servers say is ignored.
    raw.send("+OK\r\nINFO {}\r\nPONG\r\n").await;
    raw.sync().await;
}

#[tokio::test]
async fn nobody_there_is_told_at_once_on_the_requesters_own_subscription() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.send("SUB _INBOX.a 1\r\nPUB nope.svc _INBOX.a 2\r\nhi\r\n")
        .await;
    raw.expect("HMSG _INBOX.a 1 40 40\r\nNATS/1.0 503\r\nNats-Subject: nope.svc\r\n\r\n\r\n")
        .await;

    // Without a plain subscription on the reply nothing is sent, and without a reply neither.
    raw.send("PUB nope.svc _INBOX.b 2\r\nhi\r\nPUB nope.svc 2\r\nhi\r\n")
        .await;
    raw.send("SUB _INBOX.q grp 2\r\nPUB nope.svc _INBOX.q 2\r\nhi\r\n")
        .await;
    raw.sync().await;

    // Who did not ask for it is not told.
    let mut silent = world.client_with(&user, json!({"no_responders": false})).await;
    silent
        .send("SUB _INBOX.c 1\r\nPUB nope.svc _INBOX.c 2\r\nhi\r\n")
        .await;
    silent.sync().await;
}

#[tokio::test]
async fn the_status_of_a_request_counts_as_its_last_delivery() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.send("SUB _INBOX.a 1\r\nUNSUB 1 1\r\nPUB nope _INBOX.a 0\r\n\r\nPUB _INBOX.a 2\r\nhi\r\n")
        .await;
    raw.expect("HMSG _INBOX.a 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: nope\r\n\r\n\r\n")
        .await;
    raw.sync().await;
}

#[tokio::test]
async fn a_live_sid_used_again_keeps_the_first_subscription() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.send("SUB a 1\r\nSUB b 1\r\nPUB b 1\r\nb\r\nPUB a 1\r\na\r\nUNSUB 7\r\n")
        .await;
    raw.expect("MSG a 1 1\r\na\r\n").await;
    raw.send("UNSUB 1\r\nSUB b 1\r\nPUB a 1\r\na\r\nPUB b 1\r\nb\r\n")
        .await;
    raw.expect("MSG b 1 1\r\nb\r\n").await;
    // Also when what is asked for is no subject; a new id hears of that.
    raw.send("SUB b..b 1\r\nSUB b..b 2\r\n").await;
    raw.expect("-ERR 'Invalid Subject'\r\n").await;
    raw.sync().await;
}

#[tokio::test]
async fn unsubscribing_with_a_maximum_counts_from_the_start() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;
    raw.send("SUB a 1\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nUNSUB 1 3\r\nPUB a 1\r\n3\r\nPUB a 1\r\n4\r\n")
        .await;
    raw.expect("MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\nMSG a 1 1\r\n3\r\n")
        .await;
    raw.sync().await;
    assert_eq!(world.live(&account).subscriptions, 0);

    // Already more than that: it ends at once.
    raw.send("SUB a 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nUNSUB 2 1\r\nPUB a 1\r\n3\r\n")
        .await;
    raw.expect("MSG a 2 1\r\n1\r\nMSG a 2 1\r\n2\r\n").await;
    raw.sync().await;
    assert_eq!(world.live(&account).subscriptions, 0);
}

#[tokio::test]
async fn many_requests_of_the_old_style_leave_nothing_behind() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;
    for turn in 0..300 {
        raw.send(format!(
            "SUB r.{turn} {turn}\r\nUNSUB {turn} 1\r\nPUB r.{turn} 1\r\nx\r\n"
        ))
        .await;
        raw.expect(format!("MSG r.{turn} {turn} 1\r\nx\r\n")).await;
    }
    assert_eq!(world.live(&account).subscriptions, 0);
    // A sid may be used again after its subscription ended by itself.
    raw.send("SUB again 3\r\nPUB again 0\r\n\r\n").await;
    raw.expect("MSG again 3 0\r\n\r\n").await;
}

#[tokio::test]
async fn own_messages_come_back_unless_echo_is_off() {
    let world = World::start().await;
    let user = world.account().user();
    let mut other = world.client(&user).await;
    other.send("SUB a 9\r\n").await;
    other.sync().await;
    let mut raw = world.client_with(&user, json!({"echo": false})).await;
    raw.send("SUB a 1\r\nPUB a 2\r\nhi\r\n").await;
    raw.sync().await;
    other.expect("MSG a 9 2\r\nhi\r\n").await;

    // A request that only the requester itself would hear has nobody to answer it.
    raw.send("SUB own 2\r\nSUB _INBOX.x 3\r\nPUB own _INBOX.x 0\r\n\r\n")
        .await;
    raw.expect("HMSG _INBOX.x 3 35 35\r\nNATS/1.0 503\r\nNats-Subject: own\r\n\r\n\r\n")
        .await;
}

#[tokio::test]
async fn headers_pass_byte_for_byte_and_are_left_out_for_who_does_not_understand_them() {
    let world = World::start().await;
    let user = world.account().user();
    let mut modern = world.client(&user).await;
    modern.send("SUB h 1\r\n").await;
    modern.sync().await;
    let mut old = world
        .client_with(&user, json!({"headers": false, "no_responders": false}))
        .await;
    old.send("SUB h 2\r\n").await;
    old.sync().await;
    let mut publisher = world.client(&user).await;
    let block = "NATS/1.0\r\nb: 1\r\nB: 2\r\nb:3\r\n\r\n";
    publisher
        .send(format!(
            "HPUB h re.ply {} {}\r\n{block}body\r\n",
            block.len(),
            block.len() + 4
        ))
        .await;
    modern
        .expect(format!(
            "HMSG h 1 re.ply {} {}\r\n{block}body\r\n",
            block.len(),
            block.len() + 4
        ))
        .await;
    old.expect("MSG h 2 re.ply 4\r\nbody\r\n").await;
    publisher.sync().await;

    // Who did not negotiate headers must not send them: closed without a word.
    old.send("HPUB h 12 12\r\nNATS/1.0\r\n\r\n\r\n").await;
    old.expect_end("").await;
}

#[tokio::test]
async fn wildcards_match_tokens_and_published_wildcards_are_literal() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.send("SUB a.* 1\r\nSUB a.> 2\r\nSUB *.c 3\r\n").await;
    raw.send("PUB a.b.c 1\r\nx\r\n").await;
    raw.expect("MSG a.b.c 2 1\r\nx\r\n").await;
    raw.send("PUB z.c 1\r\nx\r\n").await;
    raw.expect("MSG z.c 3 1\r\nx\r\n").await;
    // Nobody subscribed to "b"; empty tokens match nothing.
    raw.send("PUB * 1\r\nx\r\nPUB a..c 1\r\nx\r\nPUB a. 1\r\nx\r\nPUB > 1\r\nx\r\n")
        .await;
    raw.sync().await;
    raw.send("SUB a..b 4\r\nSUB a.>.b 5\r\nSUB .a 6\r\nPING\r\n")
        .await;
    raw.expect("-ERR 'Invalid Subject'\r\n-ERR 'Invalid Subject'\r\n-ERR 'Invalid Subject'\r\nPONG\r\n")
        .await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_before_its_payload_is_read() {
    let world = World::with(|settings| settings.max_payload = 1000).await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.send("PUB a 1001\r\n").await;
    raw.expect_end("-ERR 'Maximum Payload Violation'\r\n").await;

    // Headers count, and exactly the limit passes.
    let mut raw = world.client(&user).await;
    raw.send("SUB a 1\r\n").await;
    raw.send(format!(
        "HPUB a 12 1000\r\nNATS/1.0\r\n\r\n{}\r\n",
        "x".repeat(988)
    ))
    .await;
    raw.expect(format!(
        "HMSG a 1 12 1000\r\nNATS/1.0\r\n\r\n{}\r\n",
        "x".repeat(988)
    ))
    .await;
    raw.send("HPUB a 12 1001\r\n").await;
    raw.expect_end("-ERR 'Maximum Payload Violation'\r\n").await;
}

#[tokio::test]
async fn silent_clients_are_pinged_and_given_up_when_they_stay_silent() {
    let interval = std::time::Duration::from_millis(100);
    let world = World::with(|settings| settings.ping_interval = interval).await;
    let user = world.account().user();
    let mut alive = world.client(&user).await;
    let mut dead = world.client(&user).await;
    let living = tokio::spawn(async move {
        for _ in 0..6 {
            alive.expect("PING\r\n").await;
            alive.send("PONG\r\n").await;
        }
        alive
    });
    dead.expect_end("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n")
        .await;
    let mut alive = living.await.expect("the living one went on");
    alive.send("SUB a 1\r\nPUB a 0\r\n\r\n").await;
    assert_eq!(world.broker.stats().stale_connections, 1);
    while alive.line().await != "MSG a 1 0" {}
}

#[tokio::test]
async fn a_stopping_node_tells_its_clients_and_closes_them() {
    let mut world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    let mut waiting = world.greeted().await;
    world.stop.cancel();
    let info = raw.info().await;
    assert_eq!(info["ldm"], true);
    assert!(
        tokio::net::TcpStream::connect(world.address).await.is_err(),
        "the listener is closed first"
    );
    raw.expect_end("").await;
    waiting.expect_end("").await;
    (&mut world.serving).await.expect("serve returns");
    assert_eq!(world.broker.stats().connections, 0);
}

#[tokio::test]
async fn above_the_servers_connections_a_client_is_greeted_and_sent_away() {
    let world = World::with(|settings| settings.max_connections = 1).await;
    let user = world.account().user();
    let first = world.client(&user).await;
    let mut second = world.greeted().await;
    second.expect_end("-ERR 'maximum connections exceeded'\r\n").await;
    drop(first);
    crate::support::eventually("the place is free", || world.broker.stats().connections == 0).await;
    world.client(&user).await;
}

#[tokio::test]
async fn a_second_connect_logs_in_again_and_drops_the_subscriptions() {
    let world = World::start().await;
    let (a, b) = (world.account(), world.account());
    let mut raw = world.client(&a.user()).await;
    raw.send("SUB x 1\r\n").await;
    raw.sync().await;
    raw.connect(&b.user(), json!({})).await;
    raw.send("PUB x 1\r\nx\r\nSUB y 1\r\nPUB y 1\r\ny\r\nPING\r\n")
        .await;
    raw.expect("MSG y 1 1\r\ny\r\nPONG\r\n").await;
    assert_eq!(raw.info().await["remote_account"], b.key().to_string());
    assert_eq!(world.live(&a).connections, 0);
    assert_eq!(world.live(&a).subscriptions, 0);
    assert_eq!(world.live(&b).connections, 1);
    assert_eq!(world.meters(&a).messages_in, 0);
    assert_eq!(world.meters(&b).messages_in, 2);
}

#[tokio::test]
async fn a_second_connect_is_introduced_again_only_when_something_is_different() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;
    raw.connect(&user, json!({"verbose": true})).await;
    raw.send("PING\r\nPING\r\n").await;
    raw.expect("+OK\r\nPONG\r\nPONG\r\n").await;

    // Credentials are forgotten once they have served.
    raw.send("CONNECT {\"verbose\":false}\r\n").await;
    raw.expect_end("-ERR 'Authorization Violation'\r\n").await;
}

#[tokio::test]
async fn a_pedantic_client_hears_of_the_subject_before_it_is_told_ok() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    raw.connect(&user, json!({"verbose": true, "pedantic": true}))
        .await;
    raw.send("PUB a..b 0\r\n\r\nPING\r\n").await;
    raw.expect("+OK\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\nPONG\r\n")
        .await;
}

#[tokio::test]
async fn options_are_read_in_any_case_and_strangers_do_not_hear_what_is_wrong_with_them() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.greeted().await;
    let line = raw.connect_line(&user, json!({"protocol": 0, "VERBOSE": true}));
    raw.send(line.replace("\"verbose\":false,", "")).await;
    raw.expect("+OK\r\n").await;

    let mut stranger = world.greeted().await;
    stranger.send("CONNECT {\"no_responders\":true}\r\n").await;
    stranger.expect_end("-ERR 'Authorization Violation'\r\n").await;
}

#[tokio::test]
async fn one_client_can_be_told_to_look_for_another_node() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.greeted().await;
    raw.connect(&user, json!({})).await;
    raw.send("PING\r\n").await;
    raw.expect("PONG\r\n").await;
    let number = raw.info().await["client_id"].as_u64().expect("a number");
    let mut other = world.client(&user).await;
    assert!(world.broker.lame_duck(number));
    let info = raw.info().await;
    assert_eq!((&info["ldm"], &info["client_id"]), (&json!(true), &json!(number)));
    raw.sync().await;
    other.sync().await;
    assert!(!world.broker.lame_duck(number + 1000));
}
