//! What a user may publish and subscribe to, and the texts when not.

use tollway_claims::{Limit, ResponsePermission};

use crate::support::{World, eventually};

#[tokio::test]
async fn denied_operations_are_told_and_the_connection_stays() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user_with(|claims| {
        let permissions = &mut claims.limits.permissions;
        permissions.publish.allow = vec!["orders.>".into(), "_INBOX.>".into()];
        permissions.publish.deny = vec!["orders.secret".into()];
        permissions.subscribe.allow = vec!["orders.*".into(), "q.a workers".into()];
        permissions.subscribe.deny = vec!["orders.secret".into()];
    });
    let mut raw = world.client(&user).await;
    raw.send("PUB other 2\r\nhi\r\nPING\r\n").await;
    raw.expect("-ERR 'Permissions Violation for Publish to \"other\"'\r\nPONG\r\n")
        .await;
    raw.send("PUB orders.secret 2\r\nhi\r\nPING\r\n").await;
    raw.expect("-ERR 'Permissions Violation for Publish to \"orders.secret\"'\r\nPONG\r\n")
        .await;
    raw.send("SUB other 1\r\nPING\r\n").await;
    raw.expect("-ERR 'Permissions Violation for Subscription to \"other\"'\r\nPONG\r\n")
        .await;
    raw.send("SUB q.a other 1\r\nPING\r\n").await;
    raw.expect("-ERR 'Permissions Violation for Subscription to \"q.a\" using queue \"other\"'\r\nPONG\r\n")
        .await;
    raw.send("SUB q.a workers 2\r\nSUB orders.* 3\r\nPUB orders.new 2\r\nhi\r\n")
        .await;
    raw.expect("MSG orders.new 3 2\r\nhi\r\n").await;
    // What was refused is not used.
    assert_eq!(world.meters(&account).messages_in, 1);
}

#[tokio::test]
async fn the_denied_part_of_a_wildcard_subscription_is_held_back() {
    let world = World::start().await;
    let account = world.account();
    let limited = account.user_with(|claims| {
        claims.limits.permissions.subscribe.deny = vec!["a.secret".into()];
    });
    let mut raw = world.client(&limited).await;
    raw.send("SUB a.* 1\r\nSUB a.* q 2\r\n").await;
    raw.sync().await;
    let mut other = world.client(&account.user()).await;
    other.send("SUB a.* q 9\r\n").await;
    other.sync().await;
    let mut publisher = world.client(&account.user()).await;
    for _ in 0..20 {
        publisher.send("PUB a.secret 1\r\nx\r\n").await;
    }
    publisher.sync().await;
    // The member that may not have it leaves all of them to the other.
    for _ in 0..20 {
        other.expect("MSG a.secret 9 1\r\nx\r\n").await;
    }
    raw.sync().await;
    publisher.send("PUB a.open 1\r\nx\r\n").await;
    publisher.sync().await;
    raw.expect("MSG a.open 1 1\r\nx\r\n").await;
}

#[tokio::test]
async fn leave_to_answer_covers_the_reply_once() {
    let world = World::start().await;
    let account = world.account();
    let service = account.user_with(|claims| {
        claims.limits.permissions.subscribe.allow = vec!["svc".into()];
        claims.limits.permissions.responses = Some(ResponsePermission { max: 2, ttl_ns: 0 });
    });
    let mut answering = world.client(&service).await;
    answering
        .send("SUB svc 1\r\nPUB _INBOX.me 2\r\nno\r\nPING\r\n")
        .await;
    answering
        .expect("-ERR 'Permissions Violation for Publish to \"_INBOX.me\"'\r\nPONG\r\n")
        .await;

    let mut asking = world.client(&account.user()).await;
    asking
        .send("SUB _INBOX.me 1\r\nPUB svc _INBOX.me 1\r\n?\r\n")
        .await;
    answering.expect("MSG svc 1 _INBOX.me 1\r\n?\r\n").await;
    answering
        .send("PUB _INBOX.me 1\r\n1\r\nPUB _INBOX.me 1\r\n2\r\nPUB _INBOX.me 1\r\n3\r\nPING\r\n")
        .await;
    answering
        .expect("-ERR 'Permissions Violation for Publish to \"_INBOX.me\"'\r\nPONG\r\n")
        .await;
    asking
        .expect("MSG _INBOX.me 1 1\r\n1\r\nMSG _INBOX.me 1 1\r\n2\r\n")
        .await;
    asking.sync().await;
}

#[tokio::test]
async fn subjects_of_servers_are_refused_to_everybody() {
    let world = World::start().await;
    let user = world.account().user();
    let mut raw = world.client(&user).await;
    for subject in ["_GR_.x", "$GR.x", "$NRG.", "$NRG.x"] {
        raw.send(format!("PUB {subject} 0\r\n\r\nPING\r\n")).await;
        raw.expect(format!(
            "-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\nPONG\r\n"
        ))
        .await;
    }
    // The prefix alone is nobody's, except where stock servers look no further.
    for free in ["_GR_.", "$GR.", "_GR_", "$NRG"] {
        raw.send(format!("PUB {free} 0\r\n\r\n")).await;
        raw.sync().await;
    }
    for free in ["$JS.ACK.", "$JS.ACK", "_GR_.", "$GR.", "_R_", "$NRG.x"] {
        raw.send(format!("PUB a {free} 0\r\n\r\n")).await;
        raw.sync().await;
    }
    for reply in ["_R_.", "_R_.x", "$JS.ACK.x", "_GR_.x", "$GR.x"] {
        raw.send(format!("PUB a {reply} 0\r\n\r\nPING\r\n")).await;
        raw.expect(format!(
            "-ERR 'Permissions Violation for Publish with Reply of \"{reply}\"'\r\nPONG\r\n"
        ))
        .await;
    }
}

#[tokio::test]
async fn subscriptions_are_bounded_per_connection_and_for_the_account_in_all() {
    let world = World::start().await;
    let mut account = world.account();
    account.limits().subscriptions = Limit::AtMost(5);
    world.apply(&account);
    let user = account.user_with(|claims| claims.limits.subscriptions = Limit::AtMost(2));

    let mut first = world.client(&user).await;
    first.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPING\r\n").await;
    first
        .expect("-ERR 'maximum subscriptions exceeded'\r\nPONG\r\n")
        .await;
    first.send("UNSUB 1\r\nSUB c 3\r\n").await;
    first.sync().await;

    let mut second = world.client(&account.user()).await;
    second
        .send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB d 4\r\nPING\r\n")
        .await;
    second
        .expect("-ERR 'maximum subscriptions exceeded'\r\nPONG\r\n")
        .await;
    assert_eq!(world.live(&account).subscriptions, 5);
    drop(first);
    eventually("there is room again", || world.live(&account).subscriptions == 3).await;
    second.send("SUB d 4\r\nSUB e 5\r\n").await;
    second.sync().await;
    assert_eq!(world.live(&account).subscriptions, 5);
}

#[tokio::test]
async fn connections_above_the_accounts_limit_are_refused() {
    let world = World::start().await;
    let mut account = world.account();
    account.limits().connections = Limit::AtMost(2);
    world.apply(&account);
    let user = account.user();
    let first = world.client(&user).await;
    let _second = world.client(&user).await;
    let mut third = world.greeted().await;
    third.connect(&user, serde_json::json!({})).await;
    third.send("PING\r\n").await;
    third
        .expect_end("-ERR 'maximum account active connections exceeded'\r\n")
        .await;
    drop(first);
    eventually("there is room again", || world.live(&account).connections == 1).await;
    world.client(&user).await;
}
