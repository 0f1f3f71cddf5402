//! What an account is told about its own refusals, and who is not told.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tollway_claims::{Limit, RateLimit, Signer};

use crate::support::{Account, Raw, World, eventually};

/// A client that listens to all events of its account.
async fn listener(world: &World, account: &Account) -> Raw {
    let mut listener = world.client(&account.user()).await;
    listener.send("SUB $TOLLWAY.EVENT.> 1\r\n").await;
    listener.sync().await;
    listener
}

/// The next event: the last part of its subject, and its JSON.
async fn event(listener: &mut Raw) -> (String, Value) {
    loop {
        let line = listener.line().await;
        let Some(subject) = line.strip_prefix("MSG $TOLLWAY.EVENT.REFUSED.") else {
            assert!(line.starts_with("INFO "), "{line}");
            continue;
        };
        let kind = subject.split(' ').next().expect("a subject").to_owned();
        let event: Value = serde_json::from_str(&listener.line().await).expect("events are JSON");
        assert_eq!(event["kind"], kind.as_str());
        assert_eq!(event["type"], "io.tollway.node.v1.refused");
        return (kind, event);
    }
}

fn refusals(world: &World, account: &Account) -> BTreeMap<&'static str, u64> {
    let mut found = BTreeMap::new();
    world.broker.restraints_visit(&mut |key, restraint| {
        if key == account.key() {
            found = restraint.refusals;
        }
    });
    found
}

#[tokio::test]
async fn denied_messages_and_subscriptions_are_told_with_the_rule_that_decided() {
    let world = World::start().await;
    let account = world.account();
    let mut listener = listener(&world, &account).await;
    let user = account.user_with(|claims| {
        claims.name = "worker".into();
        claims.user = Some("usr_1".into());
        claims.limits.permissions.publish.allow = vec!["orders.>".into()];
        claims.limits.permissions.publish.deny = vec!["orders.secret".into()];
        claims.limits.permissions.subscribe.deny = vec!["hidden.>".into()];
    });
    let mut client = world.client_with(&user, json!({"name": "till 7"})).await;
    client.send("PUB orders.secret 0\r\n\r\n").await;
    let (kind, first) = event(&mut listener).await;
    assert_eq!(kind, "publish.permission");
    assert_eq!(first["rule"], "pub.deny orders.secret");
    assert_eq!(first["subject"], "orders.secret");
    assert_eq!(first["count"], 1);
    assert_eq!(first["account"], account.key().to_string());
    assert_eq!(
        first["user"],
        json!({"name": "worker", "key": user.signer.public().to_string(), "id": "usr_1"})
    );
    assert_eq!(first["client"]["name"], "till 7");
    assert_eq!(first["client"]["lang"], "raw");
    assert_eq!(first["client"]["ip"], "127.0.0.1");
    assert!(first["client"]["id"].is_u64());

    client.send("SUB hidden.x group 1\r\n").await;
    let (kind, second) = event(&mut listener).await;
    assert_eq!(kind, "subscribe.permission");
    assert_eq!(second["rule"], "sub.deny hidden.>");
    assert_eq!(
        (&second["subject"], &second["queue"]),
        (&json!("hidden.x"), &json!("group"))
    );

    // Held for the rest of the second, and then the second of its kind.
    client.send("PUB other 0\r\n\r\n").await;
    let (kind, third) = event(&mut listener).await;
    assert_eq!(
        (kind.as_str(), &third["count"]),
        ("publish.permission", &json!(1))
    );
    assert_eq!(third["rule"], "not in pub.allow");
    assert_eq!(
        refusals(&world, &account),
        BTreeMap::from([("publish.permission", 2), ("subscribe.permission", 1)])
    );
}

#[tokio::test]
async fn flood_of_refusals_is_few_events_with_a_count() {
    let world = World::start().await;
    let account = world.account();
    let mut listener = listener(&world, &account).await;
    let user = account.user_with(|claims| claims.limits.permissions.publish.deny = vec![">".into()]);
    let mut client = world.client_with(&user, json!({})).await;
    client.send("PUB a 0\r\n\r\n".repeat(5000)).await;
    let mut events = 0;
    let mut told = 0;
    while told < 5000 {
        let (_, event) = event(&mut listener).await;
        told += event["count"].as_u64().expect("a count");
        events += 1;
    }
    assert_eq!(
        (told, refusals(&world, &account)["publish.permission"]),
        (5000, 5000)
    );
    assert!(events < 500, "{events} events");
}

#[tokio::test]
async fn every_limit_is_told_with_its_number() {
    let world = World::start().await;
    let mut account = world.account();
    let mut listener = listener(&world, &account).await;
    account.limits().connections = Limit::AtMost(3);
    account.limits().subscriptions = Limit::AtMost(2);
    account.claims.limits.payload = Limit::AtMost(10);
    let claim = account
        .claims
        .tollway
        .as_mut()
        .expect("test accounts have the claim");
    claim.users.connections = Some(Limit::AtMost(1));
    claim.users.rates.bytes_in = RateLimit::new(1, None).ok();
    world.apply(&account);
    let mut told = Vec::new();
    let mut note = |(kind, event): (String, Value)| {
        told.push((kind, event["rule"].as_str().expect("a rule").to_owned()));
    };

    let user = account.user();
    let mut client = world.client(&user).await;
    client.send("SUB a 1\r\nSUB b 2\r\n").await;
    note(event(&mut listener).await);
    let mut second = world.greeted().await;
    second.connect(&user, json!({})).await;
    note(event(&mut listener).await);
    client.send("PUB a 9\r\n123456789\r\nPING\r\n").await;
    while client.line().await != "PONG" {}
    client.send("PUB a 1\r\n1\r\n").await;
    note(event(&mut listener).await);
    let mut other = world.client(&account.user()).await;
    let mut fourth = world.greeted().await;
    fourth.connect(&account.user(), json!({})).await;
    note(event(&mut listener).await);
    other.send("PUB a 11\r\n").await;
    note(event(&mut listener).await);
    let told: Vec<_> = told
        .iter()
        .map(|(kind, rule)| (kind.as_str(), rule.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("subscribe.subscriptions", "limit account subscriptions 2"),
            ("connect.user_connections", "limit user connections 1"),
            ("publish.rate", "limit user bytes_in 1/s"),
            ("connect.connections", "limit account connections 3"),
            ("publish.payload", "limit payload 10"),
        ]
    );
}

#[tokio::test]
async fn refused_login_is_told_to_the_account_that_it_named_and_to_nobody_else() {
    let world = World::start().await;
    let (account, other) = (world.account(), world.account());
    let mut listener_of_other = listener(&world, &other).await;
    let mut listener = listener(&world, &account).await;
    let stranger = Signer::generate(tollway_claims::KeyKind::Account, crate::support::random());
    let user = account.user_signed_by(&stranger, |claims| claims.name = "intruder".into());
    let mut raw = world.greeted().await;
    raw.connect(&user, json!({"name": "x".repeat(2000)})).await;
    raw.expect_end("-ERR 'Authorization Violation'\r\n").await;
    let (kind, event) = event(&mut listener).await;
    assert_eq!(kind, "connect.authorization");
    assert_eq!(event["rule"], "unknown_issuer");
    assert_eq!(event["user"]["name"], "intruder");
    assert_eq!(
        event["client"]["name"].as_str().map(str::len),
        Some(256),
        "what strangers say is kept short"
    );
    assert!(
        event["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("signed"))
    );
    listener_of_other.sync().await;
    assert_eq!(refusals(&world, &other), BTreeMap::new());
}

#[tokio::test]
async fn nobody_but_the_node_publishes_events_and_without_listeners_there_are_none() {
    let world = World::start().await;
    let account = world.account();
    let mut client = world.client(&account.user()).await;
    client
        .send("PUB $TOLLWAY.EVENT.REFUSED.publish.rate 2\r\n{}\r\nPING\r\n")
        .await;
    client
        .expect(
            "-ERR 'Permissions Violation for Publish to \"$TOLLWAY.EVENT.REFUSED.publish.rate\"'\r\nPONG\r\n",
        )
        .await;
    let meters = world.meters(&account);
    assert_eq!((meters.messages_in, meters.messages_out), (0, 0));
    eventually("it is counted all the same", || {
        refusals(&world, &account) == BTreeMap::from([("publish.permission", 1)])
    })
    .await;
    let mut listener = listener(&world, &account).await;
    client.send("PUB $NRG.x 0\r\n\r\n").await;
    let (_, event) = event(&mut listener).await;
    assert_eq!((&event["rule"], &event["count"]), (&json!("reserved"), &json!(1)));
}
