//! What the system account hears and is asked, and that nobody else is.

use serde_json::{Value, json};
use tollway_claims::{Export, Import, Limit, LocalSubject, OperatorClaims, Trust};
use tollway_node::broker::SystemRequest;
use tollway_subject::FilterBuf;

use crate::support::{Account, Raw, World, eventually, now};

/// A new account that the operator names as that of who runs the node.
fn system(world: &World) -> Account {
    let account = world.account();
    let mut claims = OperatorClaims::new(world.operator.public(), "test", now());
    claims.system_account = Some(account.key());
    let jwt = claims.encode(&world.operator).expect("encodes");
    let trust = Trust::from_operator_jwt(&jwt).expect("self-signed");
    world.broker.trust_set(trust, now());
    account
}

async fn listener(world: &World, account: &Account, filter: &str) -> Raw {
    let mut listener = world.client(&account.user()).await;
    listener.send(format!("SUB {filter} 1\r\n")).await;
    listener.sync().await;
    listener
}

/// The next message that is not about numbers of an account: its subject and its JSON.
async fn event(listener: &mut Raw) -> (String, Value) {
    loop {
        let line = listener.line().await;
        let Some(head) = line.strip_prefix("MSG ") else {
            assert!(line.starts_with("INFO "), "{line}");
            continue;
        };
        let subject = head.split(' ').next().expect("a subject").to_owned();
        let event = serde_json::from_str(&listener.line().await).expect("events are JSON");
        if !subject.ends_with(".CONNS") {
            return (subject, event);
        }
    }
}

#[tokio::test]
async fn who_comes_and_goes_is_told_in_the_system_account() {
    let world = World::start().await;
    let system = system(&world);
    let tenant = world.account();
    let mut operator = listener(&world, &system, "$SYS.ACCOUNT.*.*").await;
    // Itself, as everybody else.
    let user = tenant.user_with(|claims| claims.tags = vec!["till:7".into()]);
    let mut client = world.client_with(&user, json!({"name": "till 7"})).await;
    client.send("SUB a 1\r\nPUB a 3\r\nabc\r\n").await;
    client.expect("MSG a 1 3\r\nabc\r\n").await;

    let key = tenant.key();
    let (subject, connected) = event(&mut operator).await;
    assert_eq!(subject, format!("$SYS.ACCOUNT.{key}.CONNECT"));
    assert_eq!(connected["type"], "io.nats.server.advisory.v1.client_connect");
    assert_eq!(connected["server"]["name"], "node-1");
    let about = &connected["client"];
    assert_eq!(about["acc"], key.to_string());
    assert_eq!(about["user"], user.signer.public().to_string());
    assert_eq!(about["issuer_key"], key.to_string());
    assert_eq!(
        (&about["name"], &about["lang"]),
        (&json!("till 7"), &json!("raw"))
    );
    assert_eq!(about["tags"], json!(["till:7"]));
    assert_eq!(
        (&about["kind"], &about["client_type"]),
        (&json!("Client"), &json!("nats"))
    );
    assert!(
        !connected.to_string().contains(&user.jwt),
        "whoever reads a bearer token could use it"
    );

    drop(client);
    let (subject, gone) = event(&mut operator).await;
    assert_eq!(subject, format!("$SYS.ACCOUNT.{key}.DISCONNECT"));
    assert_eq!(gone["type"], "io.nats.server.advisory.v1.client_disconnect");
    assert_eq!(gone["client"]["id"], about["id"]);
    assert_eq!(gone["client"]["start"], about["start"]);
    assert!(gone["client"]["stop"].is_string());
    assert_eq!(gone["reason"], "Client Closed");
    assert_eq!(gone["sent"], json!({"msgs": 1, "bytes": 4}));
    assert_eq!(gone["received"], json!({"msgs": 1, "bytes": 4}));
}

#[tokio::test]
async fn numbers_of_an_account_follow_its_connections() {
    let world = World::start().await;
    let system = system(&world);
    let tenant = world.account();
    let filter = format!("$SYS.ACCOUNT.{}.SERVER.CONNS", tenant.key());
    let mut operator = listener(&world, &system, &filter).await;
    let _client = world.client(&tenant.user()).await;
    for connections in [1, 0] {
        loop {
            operator.line().await;
            let numbers: Value = serde_json::from_str(&operator.line().await).expect("events are JSON");
            assert_eq!(numbers["type"], "io.nats.server.advisory.v1.account_connections");
            if numbers["conns"] == connections {
                break;
            }
        }
        if connections == 1 {
            world.broker.kick(client_id(&world, &tenant));
        }
    }
}

fn client_id(world: &World, account: &Account) -> u64 {
    let mut found = 0;
    world
        .broker
        .connections_visit_of(&account.key(), &mut |view| found = view.id);
    found
}

#[tokio::test]
async fn who_is_kicked_is_closed_and_the_reason_is_told() {
    let world = World::start().await;
    let system = system(&world);
    let tenant = world.account();
    let mut operator = listener(&world, &system, "$SYS.ACCOUNT.*.DISCONNECT").await;
    let mut client = world.client(&tenant.user()).await;
    assert!(world.broker.kick(client_id(&world, &tenant)));
    client.expect_end("").await;
    assert_eq!(event(&mut operator).await.1["reason"], "Kicked");
    assert!(!world.broker.kick(u64::MAX));
}

#[tokio::test]
async fn who_is_not_let_in_is_told_without_what_it_showed() {
    let world = World::start().await;
    let system = system(&world);
    let tenant = world.account();
    let mut operator = listener(&world, &system, "$SYS.SERVER.*.CLIENT.AUTH.ERR").await;
    let user = tenant.user_with(|claims| claims.expires_at = Some(now() - 60));
    let mut client = world.greeted().await;
    client
        .connect(&user, json!({"name": "late", "auth_token": "secret"}))
        .await;
    client.expect_end("-ERR 'Authorization Violation'\r\n").await;
    let (_, refused) = event(&mut operator).await;
    assert_eq!(refused["type"], "io.nats.server.advisory.v1.client_disconnect");
    assert_eq!(refused["reason"], "Authentication Failure");
    assert_eq!(refused["client"]["acc"], tenant.key().to_string());
    assert_eq!(refused["client"]["name"], "late");
    let text = refused.to_string();
    assert!(!text.contains("secret") && !text.contains(&user.jwt), "{text}");
}

#[tokio::test]
async fn tenants_hear_nothing_of_others_and_have_these_subjects_for_themselves() {
    let world = World::start().await;
    let system = system(&world);
    let (tenant, neighbour) = (world.account(), world.account());
    let mut operator = listener(&world, &system, "$SYS.>").await;
    let mut ear = listener(&world, &tenant, "$SYS.>").await;
    let mut mouth = world.client(&tenant.user()).await;
    drop(world.client(&neighbour.user()).await);
    // The operator has heard of all that happened, the tenant of nothing.
    let gone = format!("$SYS.ACCOUNT.{}.DISCONNECT", neighbour.key());
    while event(&mut operator).await.0 != gone {}
    let forged = format!("$SYS.ACCOUNT.{}.CONNECT", neighbour.key());
    mouth.send(format!("PUB {forged} 2\r\n{{}}\r\n")).await;
    ear.expect(format!("MSG {forged} 1 2\r\n{{}}\r\n")).await;
    ear.sync().await;
    // What comes next is true again.
    drop(world.client(&neighbour.user()).await);
    let (subject, event) = event(&mut operator).await;
    assert_eq!((subject, event["client"].is_object()), (forged, true));
}

#[tokio::test]
async fn tenants_ask_about_themselves_and_nobody_answers_the_rest() {
    let world = World::start().await;
    let system = system(&world);
    let (tenant, other) = (world.account(), world.account());
    let mut client = world.client(&tenant.user()).await;
    client.send("SUB in 1\r\n").await;
    let id = world.broker.settings().server_id.clone();
    for words in [
        "SERVER.PING".to_owned(),
        "SERVER.PING.VARZ".to_owned(),
        format!("SERVER.{id}.CONNZ"),
        format!("SERVER.{id}.KICK"),
        format!("ACCOUNT.{}.CONNZ", other.key()),
        format!("ACCOUNT.{}.INFO", tenant.key()),
    ] {
        let subject = format!("$SYS.REQ.{words}");
        client.send(format!("PUB {subject} in 0\r\n\r\n")).await;
        let block = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
        let length = block.len();
        client
            .expect(format!("HMSG in 1 {length} {length}\r\n{block}\r\n"))
            .await;
    }
    client.send("PUB $SYS.REQ.USER.INFO in 2\r\n{}\r\n").await;
    let question = world.broker.question_of_tenant().await;
    assert_eq!(question.request, SystemRequest::UserInfo);
    assert_eq!(
        (question.account(), question.is_of_operator()),
        (tenant.key(), false)
    );
    world.broker.answer(&question, b"you".to_vec()).await;
    client.expect("MSG in 1 3\r\nyou\r\n").await;

    let mut operator = world.client(&system.user()).await;
    operator
        .send(format!("PUB $SYS.REQ.SERVER.{id}.KICK in 2\r\n{{}}\r\n"))
        .await;
    let question = world.broker.question_of_operator().await;
    assert!(question.is_of_operator());
    assert!(matches!(
        question.request,
        SystemRequest::Server { named: true, .. }
    ));
}

/// One who asks without end is told that nobody is there, and others are answered.
#[tokio::test]
async fn an_account_has_few_questions_waiting_and_takes_nobodys_place() {
    let world = World::start().await;
    let system = system(&world);
    let (flooding, quiet) = (world.account(), world.account());
    let mut flood = world.client(&flooding.user()).await;
    flood.send("SUB in 1\r\n").await;
    let questions = 100;
    flood
        .send("PUB $SYS.REQ.USER.INFO in 0\r\n\r\n".repeat(questions))
        .await;
    let mut refused = 0;
    while refused < questions - 4 {
        refused += usize::from(flood.line().await.starts_with("NATS/1.0 503"));
    }
    for account in [&quiet, &system] {
        let mut client = world.client(&account.user()).await;
        client.send("PUB $SYS.REQ.USER.INFO in 0\r\n\r\n").await;
    }
    let mut asked = vec![world.broker.question_of_operator().await.account()];
    for _ in 0..5 {
        asked.push(world.broker.question_of_tenant().await.account());
    }
    assert_eq!(asked.iter().filter(|key| **key == flooding.key()).count(), 4);
    assert!(asked.contains(&quiet.key()) && asked.contains(&system.key()));
}

/// An account can share the subjects, which are its own; what the node tells it there is not shared.
#[tokio::test]
async fn nobody_asks_the_node_in_the_name_of_an_exporter() {
    let world = World::start().await;
    system(&world);
    let (mut exporter, mut importer) = (world.account(), world.account());
    let asked = || FilterBuf::new(b"$SYS.REQ.ACCOUNT.PING.CONNZ").expect("a filter");
    exporter.claims.exports = vec![Export::service(asked())];
    world.apply(&exporter);
    importer.claims.imports = vec![Import {
        local_subject: Some(LocalSubject::new("theirs", asked().as_filter()).expect("a subject")),
        ..Import::service(exporter.key(), asked())
    }];
    world.apply(&importer);
    let mut client = world.client(&importer.user()).await;
    client.send("SUB in 1\r\nPUB theirs in 0\r\n\r\n").await;
    assert!(client.line().await.starts_with("HMSG in 1 "));
    assert_eq!(client.line().await, "NATS/1.0 503");
}

#[tokio::test]
async fn the_node_says_when_it_stops() {
    let world = World::start().await;
    let system = system(&world);
    let mut operator = listener(&world, &system, "$SYS.SERVER.*.SHUTDOWN").await;
    world.stop.cancel();
    let (_, server) = event(&mut operator).await;
    assert_eq!(server["id"], world.broker.settings().server_id.as_str());
}

#[tokio::test]
async fn another_account_can_become_the_system_account() {
    let world = World::start().await;
    let before = system(&world);
    let mut old = listener(&world, &before, "$SYS.ACCOUNT.*.CONNECT").await;
    let after = system(&world);
    let mut new = listener(&world, &after, "$SYS.ACCOUNT.*.CONNECT").await;
    let tenant = world.account();
    let _client = world.client(&tenant.user()).await;
    let wanted = format!("$SYS.ACCOUNT.{}.CONNECT", tenant.key());
    while event(&mut new).await.0 != wanted {}
    // And nothing to who was the operator before.
    old.sync().await;
}

/// Limits of the account are for its clients, not for what the node does in it.
#[tokio::test]
async fn the_node_takes_none_of_an_accounts_subscriptions() {
    let world = World::start().await;
    let mut tenant = world.account();
    tenant.limits().subscriptions = Limit::AtMost(1);
    world.apply(&tenant);
    let mut client = world.client(&tenant.user()).await;
    client.send("SUB a 1\r\n").await;
    client.sync().await;
    eventually("one is open", || world.live(&tenant).subscriptions == 1).await;
}
