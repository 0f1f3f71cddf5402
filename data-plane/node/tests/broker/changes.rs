//! A changed document reaches clients that are connected already.

use tollway_claims::{AccountSigningKey, KeyKind, Limit, Scope, Signer, UserLimits};

use crate::support::{World, eventually, now, random};

#[tokio::test]
async fn revocation_cuts_the_live_connection_and_only_that_one() {
    let world = World::start().await;
    let mut account = world.account();
    let (bad, good) = (account.user(), account.user());
    let mut cut = world.client(&bad).await;
    let mut staying = world.client(&good).await;
    account.claims.revocations.revoke(bad.signer.public(), now());
    world.apply(&account);
    cut.expect_end("-ERR 'User Authentication Revoked'\r\n").await;
    staying.sync().await;

    let mut again = world.greeted().await;
    again.connect(&bad, serde_json::json!({})).await;
    again.expect_end("-ERR 'Authorization Violation'\r\n").await;
}

#[tokio::test]
async fn a_suspended_account_has_no_clients_until_it_is_resumed() {
    let world = World::start().await;
    let mut account = world.account();
    let other = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;
    let mut neighbour = world.client(&other.user()).await;
    account.suspended = Some("unpaid".into());
    world.apply(&account);
    raw.expect_end("-ERR 'Account Authentication Expired'\r\n").await;
    let mut again = world.greeted().await;
    again.connect(&user, serde_json::json!({})).await;
    again.expect_end("-ERR 'Authorization Violation'\r\n").await;
    neighbour.sync().await;

    account.suspended = None;
    world.apply(&account);
    world.client(&user).await;
}

#[tokio::test]
async fn a_removed_account_loses_its_clients_and_keeps_its_meters() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;
    raw.send("SUB a 1\r\nPUB a 3\r\nabc\r\n").await;
    raw.expect("MSG a 1 3\r\nabc\r\n").await;
    world.broker.account_remove(&account.key());
    raw.expect_end("-ERR 'Account Authentication Expired'\r\n").await;
    let mut again = world.greeted().await;
    again.connect(&user, serde_json::json!({})).await;
    again.expect_end("-ERR 'Authorization Violation'\r\n").await;
    assert_eq!(world.meters(&account).bytes_in, 4);

    // It comes back, and its meters go on where they were.
    world.apply(&account);
    let mut raw = world.client(&user).await;
    raw.send("PUB a 3\r\nabc\r\n").await;
    raw.sync().await;
    assert_eq!(world.meters(&account).bytes_in, 8);
    assert_eq!(world.meters(&account).connections_opened, 2);
}

#[tokio::test]
async fn above_a_lowered_connection_limit_the_newest_go_first() {
    let world = World::start().await;
    let mut account = world.account();
    let user = account.user();
    let mut oldest = world.client(&user).await;
    let mut second = world.client(&user).await;
    let mut newest = world.client(&user).await;
    account.limits().connections = Limit::AtMost(1);
    world.apply(&account);
    second
        .expect_end("-ERR 'maximum account active connections exceeded'\r\n")
        .await;
    newest
        .expect_end("-ERR 'maximum account active connections exceeded'\r\n")
        .await;
    // Clients hear of every change of limits.
    oldest.info().await;
    oldest.sync().await;
}

#[tokio::test]
async fn a_changed_payload_limit_is_told_and_holds_at_once() {
    let world = World::start().await;
    let mut account = world.account();
    let mut raw = world.client(&account.user()).await;
    account.claims.limits.payload = Limit::AtMost(10);
    world.apply(&account);
    let info = raw.info().await;
    assert_eq!(info["max_payload"], 10);
    assert_eq!(info["connect_info"], true);
    raw.send("PUB a 10\r\n0123456789\r\n").await;
    raw.sync().await;
    raw.send("PUB a 11\r\n").await;
    raw.expect_end("-ERR 'Maximum Payload Violation'\r\n").await;

    // What does not change the limit is not told.
    let mut raw = world.client(&account.user()).await;
    account.claims.name = "another name".into();
    world.apply(&account);
    raw.sync().await;
}

#[tokio::test]
async fn a_connection_above_a_lowered_subscription_limit_is_closed() {
    let world = World::start().await;
    let mut account = world.account();
    let mut many = world.client(&account.user()).await;
    let mut few = world.client(&account.user()).await;
    many.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n").await;
    many.sync().await;
    few.send("SUB a 1\r\n").await;
    few.sync().await;
    account.claims.limits.subscriptions = Limit::AtMost(2);
    world.apply(&account);
    many.expect_end("-ERR 'maximum subscriptions exceeded'\r\n").await;
    few.info().await;
    few.sync().await;
    assert_eq!(world.live(&account).subscriptions, 1);
}

#[tokio::test]
async fn a_removed_signing_key_drops_its_users_without_a_word() {
    let world = World::start().await;
    let mut account = world.account();
    let key = Signer::generate(KeyKind::Account, random());
    account.claims.signing_keys = vec![key.public().into()];
    world.apply(&account);
    let mut raw = world.client(&account.user_signed_by(&key, |_| {})).await;
    let mut other = world.client(&account.user()).await;
    account.claims.signing_keys.clear();
    world.apply(&account);
    raw.expect_end("").await;
    other.sync().await;
}

#[tokio::test]
async fn a_changed_scope_drops_its_users_and_they_come_back_with_the_new_one() {
    let world = World::start().await;
    let mut account = world.account();
    let key = Signer::generate(KeyKind::Account, random());
    let scope = |publish: &str| {
        let mut template = UserLimits::unlimited();
        template.permissions.publish.allow = vec![publish.into()];
        let scope = Scope {
            key: key.public(),
            role: "writer".into(),
            description: String::new(),
            template,
        };
        vec![AccountSigningKey::Scoped(Box::new(scope))]
    };
    account.claims.signing_keys = scope("old");
    world.apply(&account);
    let user = account.user_signed_by(&key, |claims| claims.limits = UserLimits::default());
    let mut raw = world.client(&user).await;
    raw.send("PUB old 0\r\n\r\n").await;
    raw.sync().await;
    world.apply(&account);
    raw.sync().await;

    account.claims.signing_keys = scope("new");
    world.apply(&account);
    raw.expect_end("").await;
    let mut raw = world.client(&user).await;
    raw.send("PUB old 0\r\n\r\nPING\r\n").await;
    raw.expect("-ERR 'Permissions Violation for Publish to \"old\"'\r\nPONG\r\n")
        .await;
}

#[tokio::test]
async fn changed_default_permissions_end_the_subscriptions_they_deny() {
    let world = World::start().await;
    let mut account = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;
    raw.send("SUB a 1\r\nSUB b q 2\r\nSUB * 3\r\nPUB x 0\r\n\r\n")
        .await;
    raw.expect("MSG x 3 0\r\n\r\n").await;
    account.claims.default_permissions.subscribe.deny = vec!["b".into()];
    account.claims.default_permissions.publish.deny = vec!["x".into()];
    world.apply(&account);
    raw.expect("-ERR 'Permissions Violation for Subscription to \"b\" using queue \"q\" (sid \"2\")'\r\n")
        .await;
    raw.send("PUB x 0\r\n\r\nPUB b 0\r\n\r\nPUB a 0\r\n\r\nPING\r\n")
        .await;
    raw.expect("-ERR 'Permissions Violation for Publish to \"x\"'\r\n")
        .await;
    let mut sids = vec![
        raw.line().await,
        raw.line().await,
        raw.line().await,
        raw.line().await,
    ];
    sids.retain(|line| !line.is_empty());
    sids.sort();
    assert_eq!(
        sids,
        ["MSG a 1 0", "MSG a 3 0"],
        "nothing of b, also not by the wildcard"
    );
    raw.expect("PONG\r\n").await;
    assert_eq!(world.live(&account).subscriptions, 2);
}

/// On one thread, with more subscriptions than are looked at again before it comes to the messages.
#[tokio::test]
async fn what_a_change_denies_is_not_delivered_from_the_change_on() {
    const COUNT: usize = 30_000;
    let world = World::start().await;
    let mut account = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;
    let subscribe: String = (0..COUNT).map(|sid| format!("SUB b.{sid} {sid}\r\n")).collect();
    raw.send(subscribe + "SUB a a\r\n").await;
    raw.sync().await;
    let mut publisher = world.client(&user).await;
    account.claims.default_permissions.subscribe.deny = vec!["b.*".into()];
    // In the socket already, and read after the change.
    let publish: String = (0..COUNT)
        .map(|number| format!("PUB b.{number} 3\r\nnew\r\n"))
        .collect();
    publisher.send(publish + "PUB a 0\r\n\r\nPING\r\n").await;
    world.apply(&account);
    publisher.expect("PONG\r\n").await;
    let mut told = 0;
    let mut delivered = Vec::new();
    while told < COUNT || delivered.len() < 2 {
        let line = raw.line().await;
        match line.starts_with("-ERR 'Permissions Violation for Subscription to \"b.") {
            true => told += 1,
            false => delivered.push(line),
        }
    }
    assert_eq!(delivered, ["MSG a a 0", ""]);
    raw.sync().await;
}

/// More subscriptions than are looked at in one go, changes faster than that, and a client that
/// leaves in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_subscriptions_are_looked_at_again_whatever_happens_meanwhile() {
    const COUNT: usize = 5000;
    let world = World::start().await;
    let mut account = world.account();
    let user = account.user();
    let mut raw = world.client(&user).await;
    let mut leaver = world.client(&user).await;
    let lines = |from: &str, sid: usize| {
        let lines = (0..COUNT).map(|number| format!("SUB {from}.{number} {}\r\n", sid + number));
        lines.collect::<String>()
    };
    raw.send(lines("a", 0) + &lines("b", COUNT) + &lines("c", 2 * COUNT))
        .await;
    raw.sync().await;
    leaver.send(lines("a", 0)).await;
    leaver.sync().await;

    let deny = |account: &mut crate::support::Account, filters: &[&str]| {
        account.claims.default_permissions.subscribe.deny =
            filters.iter().map(|&filter| filter.into()).collect();
        world.apply(account);
    };
    deny(&mut account, &["a.*"]);
    deny(&mut account, &["a.*", "b.1"]);
    drop(leaver);
    deny(&mut account, &["a.*", "b.*"]);
    let mut told = std::collections::BTreeSet::new();
    for _ in 0..2 * COUNT {
        let line = raw.line().await;
        assert!(
            line.starts_with("-ERR 'Permissions Violation for Subscription to"),
            "{line}"
        );
        assert!(told.insert(line), "told once");
    }
    raw.sync().await;
    eventually("the others are left", || {
        world.live(&account).subscriptions == COUNT as u32
    })
    .await;
    raw.send(format!("PUB c.{} 1\r\nx\r\n", COUNT - 1)).await;
    raw.expect(format!("MSG c.{} {} 1\r\nx\r\n", COUNT - 1, 3 * COUNT - 1))
        .await;
    raw.send(format!("UNSUB {}\r\n", 3 * COUNT - 1)).await;
    raw.sync().await;
    assert_eq!(world.live(&account).subscriptions, COUNT as u32 - 1);
}

#[tokio::test]
async fn users_and_accounts_that_end_are_cut_off_when_they_do() {
    let world = World::start().await;
    let mut account = world.account();
    let user = account.user_with(|claims| claims.expires_at = Some(now() + 2));
    let mut raw = world.client(&user).await;
    raw.sync().await;
    raw.expect_end("-ERR 'User Authentication Expired'\r\n").await;
    assert!(
        now()
            >= tollway_claims::UserClaims::decode(&user.jwt)
                .expect("valid")
                .expires_at
                .expect("set")
    );

    let mut raw = world.client(&account.user()).await;
    account.claims.expires_at = Some(now() + 1);
    world.apply(&account);
    raw.expect_end("-ERR 'Account Authentication Expired'\r\n").await;
}

/// Logins and changes at the same time: nobody who is revoked stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_login_slips_past_a_revocation() {
    let world = World::start().await;
    for _ in 0..20 {
        let mut account = world.account();
        let user = std::sync::Arc::new(account.user());
        let mut greeted = Vec::new();
        for _ in 0..8 {
            greeted.push(world.greeted().await);
        }
        let logins: Vec<_> = greeted
            .into_iter()
            .map(|mut raw| {
                let line = raw.connect_line(&user, serde_json::json!({}));
                tokio::spawn(async move {
                    raw.try_send(line).await;
                    raw
                })
            })
            .collect();
        account.claims.revocations.revoke(user.signer.public(), now());
        world.apply(&account);
        for login in logins {
            let mut raw = login.await.expect("sent");
            let told = raw.line().await;
            assert!(
                told == "-ERR 'User Authentication Revoked'" || told == "-ERR 'Authorization Violation'",
                "{told}"
            );
        }
        assert_eq!(world.live(&account).connections, 0);
    }
}
