//! Who gets in, and what those hear who do not.

use serde_json::json;
use tollway_claims::{KeyKind, OperatorClaims, Signer, Trust};

use crate::support::{User, World, eventually, now, random};

const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

/// Says CONNECT as this user and hears only this before the connection ends.
async fn refused(world: &World, user: &User, rule: &str) {
    let before = world.broker.stats().auth_failures.get(rule).copied().unwrap_or(0);
    let mut raw = world.greeted().await;
    raw.connect(user, json!({})).await;
    raw.send("PING\r\n").await;
    raw.expect_end(VIOLATION).await;
    let after = world.broker.stats().auth_failures.get(rule).copied().unwrap_or(0);
    assert_eq!(
        after,
        before + 1,
        "the deciding rule is {rule}: {:?}",
        world.broker.stats().auth_failures
    );
}

#[tokio::test]
async fn only_users_of_served_accounts_of_the_operator_get_in() {
    let world = World::start().await;
    let account = world.account();
    let good = account.user();
    world.client(&good).await;

    let expired = account.user_with(|claims| claims.expires_at = Some(now() - 1));
    refused(&world, &expired, "expired").await;

    let early = account.user_with(|claims| claims.not_before = Some(now() + 1000));
    refused(&world, &early, "not_yet_valid").await;

    let stranger = Signer::generate(KeyKind::Account, random());
    let forged = account.user_signed_by(&stranger, |claims| claims.issuer_account = Some(account.key()));
    refused(&world, &forged, "unknown_issuer").await;

    let foreign = account.user_signed_by(&stranger, |claims| claims.issuer_account = None);
    refused(&world, &foreign, "account_not_served").await;

    let (rest, signature) = good.jwt.rsplit_once('.').expect("three parts");
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let tampered = User {
        jwt: format!("{rest}.{other}{}", &signature[1..]),
        signer: Signer::from_seed(&good.signer.seed()).expect("a seed"),
    };
    refused(&world, &tampered, "bad_signature").await;

    let thief = User {
        jwt: good.jwt.clone(),
        signer: Signer::generate(KeyKind::User, random()),
    };
    refused(&world, &thief, "signature_invalid").await;

    let elsewhere =
        account.user_with(|claims| claims.limits.src = vec!["10.0.0.0/8".parse().expect("a network")]);
    refused(&world, &elsewhere, "source_address").await;

    let websocket =
        account.user_with(|claims| claims.limits.allowed_connection_types = vec!["WEBSOCKET".into()]);
    refused(&world, &websocket, "connection_type").await;

    // All of that did not disturb who may.
    world.client(&good).await;
}

#[tokio::test]
async fn bearer_users_need_no_signature_and_others_do() {
    let world = World::start().await;
    let mut account = world.account();
    let bearer = account.user_with(|claims| claims.limits.bearer_token = true);
    let mut raw = world.greeted().await;
    raw.connect(&bearer, json!({"sig": null, "protocol": 0})).await;
    raw.sync().await;

    let mut raw = world.greeted().await;
    raw.connect(&account.user(), json!({"sig": null})).await;
    raw.expect_end(VIOLATION).await;

    account.claims.limits.disallow_bearer = true;
    world.apply(&account);
    let mut raw = world.greeted().await;
    raw.connect(&bearer, json!({"sig": null})).await;
    raw.expect_end(VIOLATION).await;
}

/// A JWT that let somebody in is not checked again. Everything else is.
#[tokio::test]
async fn credentials_that_are_known_are_asked_what_can_be_different_now() {
    let world = World::start().await;
    let mut account = world.account();
    let user = account.user();
    for _ in 0..3 {
        world.client(&user).await;
    }
    let mut unsigned = world.greeted().await;
    unsigned.connect(&user, json!({"sig": null})).await;
    unsigned.expect_end(VIOLATION).await;
    let thief = User {
        jwt: user.jwt.clone(),
        signer: Signer::generate(KeyKind::User, random()),
    };
    refused(&world, &thief, "signature_invalid").await;

    // What the account's document gives is worked out again when there is another one.
    account.claims.default_permissions.publish.deny = vec!["secret".into()];
    world.apply(&account);
    let mut raw = world.client(&user).await;
    raw.send("PUB secret 0\r\n\r\n").await;
    raw.expect("-ERR 'Permissions Violation for Publish to \"secret\"'\r\n")
        .await;
    account.claims.default_permissions.publish.deny = Vec::new();
    world.apply(&account);
    let mut raw = world.client(&user).await;
    raw.send("PUB secret 0\r\n\r\nPING\r\n").await;
    raw.expect("PONG\r\n").await;

    account.suspended = Some("unpaid".into());
    world.apply(&account);
    refused(&world, &user, "account_suspended").await;
    account.suspended = None;
    account.claims.revocations.revoke(user.signer.public(), now());
    world.apply(&account);
    refused(&world, &user, "revoked").await;
    world.client(&account.user()).await;

    world.broker.account_remove(&account.key());
    refused(&world, &user, "account_not_served").await;
}

#[tokio::test]
async fn a_signature_serves_one_connection_only() {
    let world = World::start().await;
    let user = world.account().user();
    let mut first = world.greeted().await;
    let line = first.connect_line(&user, json!({"protocol": 0}));
    first.send(&line).await;
    first.sync().await;
    let mut replayed = world.greeted().await;
    replayed.send(&line).await;
    replayed.expect_end(VIOLATION).await;
}

#[tokio::test]
async fn the_first_word_must_be_connect_with_a_jwt() {
    let world = World::start().await;
    for first in ["PING\r\n", "SUB a 1\r\n", "PUB a 0\r\n\r\n", "INFO {}\r\n"] {
        let mut raw = world.greeted().await;
        raw.send(first).await;
        raw.expect_end(VIOLATION).await;
    }
    for options in [
        "{}",
        r#"{"user":"a","pass":"b"}"#,
        r#"{"auth_token":"t"}"#,
        r#"{"jwt":"nonsense"}"#,
    ] {
        let mut raw = world.greeted().await;
        raw.send(format!("CONNECT {options}\r\n")).await;
        raw.expect_end(VIOLATION).await;
    }
    // JSON that is none ends the connection without a word.
    let mut raw = world.greeted().await;
    raw.send("CONNECT {\"jwt\": }\r\n").await;
    raw.expect_end("").await;
}

#[tokio::test]
async fn options_that_contradict_each_other_are_told() {
    let world = World::start().await;
    let user = world.account().user();
    for (options, told) in [
        (json!({"protocol": 2}), "invalid client protocol"),
        (
            json!({"headers": false}),
            "no responders requires headers support",
        ),
        (json!({"account": "x"}), "Authorization Violation"),
    ] {
        let mut raw = world.greeted().await;
        raw.connect(&user, options).await;
        raw.expect_end(format!("-ERR '{told}'\r\n")).await;
    }
}

#[tokio::test]
async fn who_says_nothing_is_sent_away_in_time() {
    let world = World::with(|settings| settings.auth_timeout = std::time::Duration::from_millis(100)).await;
    let mut raw = world.greeted().await;
    raw.expect_end("-ERR 'Authentication Timeout'\r\n").await;
    let mut slow = world.greeted().await;
    slow.send("CONNECT {\"jwt\":").await;
    slow.expect_end("-ERR 'Authentication Timeout'\r\n").await;
    assert_eq!(world.broker.stats().auth_failures.get("timeout"), Some(&2));

    // A client that made it is not bound by that time.
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    raw.sync().await;
}

#[tokio::test]
async fn what_is_kept_of_a_stranger_is_bounded() {
    let world = World::start().await;
    let mut raw = world.greeted().await;
    raw.try_send(format!("CONNECT {}", "x".repeat(1024 * 1024))).await;
    raw.expect_end("-ERR 'maximum control line exceeded'\r\n").await;
}

#[tokio::test]
async fn without_trust_nobody_gets_in_and_other_trust_ends_who_is_in() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;

    let other = Signer::generate(KeyKind::Operator, random());
    let jwt = OperatorClaims::new(other.public(), "other", now())
        .encode(&other)
        .expect("encodes");
    world
        .broker
        .trust_set(Trust::from_operator_jwt(&jwt).expect("self-signed"), now());
    raw.expect_end("").await;
    refused(&world, &user, "untrusted_account").await;

    let empty = tollway_node::broker::Broker::new(tollway_node::broker::BrokerSettings::new("n", "N"));
    empty.account_remove(&account.key());
    assert_eq!(empty.stats(), tollway_node::broker::NodeStats::default());
}

#[tokio::test]
async fn connections_and_subscriptions_are_seen_while_they_last() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut first = world.client(&user).await;
    let second = world.client(&user).await;
    first.send("SUB a 1\r\nSUB b 2\r\n").await;
    first.sync().await;
    assert_eq!(world.live(&account).connections, 2);
    assert_eq!(world.live(&account).subscriptions, 2);
    assert_eq!(world.meters(&account).connections_opened, 2);
    drop((first, second));
    eventually("all is closed", || world.live(&account) == Default::default()).await;
    assert_eq!(world.meters(&account).connections_opened, 2);
}

/// On one thread, which the test keeps: the broker comes to nothing meanwhile.
#[tokio::test]
async fn a_login_that_arrived_in_time_is_taken_although_the_node_was_busy() {
    let world = World::with(|settings| settings.auth_timeout = std::time::Duration::from_millis(300)).await;
    let user = world.account().user();
    let mut raw = world.greeted().await;
    let line = raw.connect_line(&user, json!({"protocol": 0}));
    raw.send(format!("{line}PING\r\n")).await;
    std::thread::sleep(std::time::Duration::from_millis(400));
    raw.expect("PONG\r\n").await;

    // That is no way to stay: half a login is none.
    let mut slow = world.greeted().await;
    slow.send("CONNECT {\"jwt\":").await;
    std::thread::sleep(std::time::Duration::from_millis(400));
    slow.send("\"").await;
    slow.expect_end("-ERR 'Authentication Timeout'\r\n").await;
}
