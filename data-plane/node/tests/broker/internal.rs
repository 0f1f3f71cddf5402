//! Requests of the control plane inside an account.

use std::time::Duration;

use bytes::Bytes;
use tollway_claims::ResponsePermission;
use tollway_node::broker::{InternalReply, InternalRequest, InternalRequestError};

use crate::support::{Account, User, World, now};

fn request(account: &Account, user: &User, subject: &'static str) -> InternalRequest {
    InternalRequest {
        account: account.key(),
        user_jwt: user.jwt.clone(),
        request_id: "req-1".into(),
        subject: Bytes::from_static(subject.as_bytes()),
        headers: Bytes::from_static(b"NATS/1.0\r\nX-Request-Id: req-1\r\n\r\n"),
        payload: Bytes::from_static(b"question"),
        deadline: Duration::from_secs(10),
        replies_max: 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_answered_by_a_client_of_the_account() {
    let world = World::start().await;
    let account = world.account();
    let mut service = world.client(&account.user()).await;
    service.send("SUB svc 1\r\n").await;
    service.sync().await;
    let asking = tokio::spawn({
        let (broker, request) = (world.broker.clone(), request(&account, &account.user(), "svc"));
        async move { broker.request(request).await }
    });
    let line = service.line().await;
    let reply = line.split(' ').nth(3).expect("a reply subject").to_owned();
    assert!(
        line.starts_with("HMSG svc 1 _INBOX.") && line.ends_with(" 33 41"),
        "{line}"
    );
    service
        .expect("NATS/1.0\r\nX-Request-Id: req-1\r\n\r\nquestion\r\n")
        .await;
    service
        .send(format!("HPUB {reply} 12 18\r\nNATS/1.0\r\n\r\nanswer\r\n"))
        .await;
    let replies = asking.await.expect("it ran").expect("it was answered");
    let wanted = InternalReply {
        headers: Bytes::from_static(b"NATS/1.0\r\n\r\n"),
        payload: Bytes::from_static(b"answer"),
    };
    assert_eq!(replies, [wanted]);

    // The tenant's clients are counted, the control plane is not.
    let used = world.meters(&account);
    assert_eq!(
        (used.messages_in, used.messages_out, used.connections_opened),
        (1, 1, 1)
    );
    assert_eq!(world.live(&account).connections, 1);
    assert_eq!(world.live(&account).subscriptions, 1);
}

#[tokio::test]
async fn the_ordinary_path_decides_about_internal_requests() {
    let world = World::start().await;
    let (mut account, other) = (world.account(), world.account());
    let ask = |request| world.broker.request(request);

    let nobody = ask(request(&account, &account.user(), "svc")).await;
    assert_eq!(nobody, Err(InternalRequestError::NoResponders));

    let limited = account.user_with(|claims| claims.limits.permissions.publish.allow = vec!["x".into()]);
    let denied = ask(request(&account, &limited, "svc")).await;
    assert_eq!(
        denied,
        Err(InternalRequestError::PermissionDenied(
            "publish to \"svc\"".into()
        ))
    );

    let deaf = account.user_with(|claims| claims.limits.permissions.subscribe.deny = vec![">".into()]);
    let denied = ask(request(&account, &deaf, "svc")).await;
    assert!(matches!(denied, Err(InternalRequestError::PermissionDenied(_))));

    let foreign = ask(request(&account, &other.user(), "svc")).await;
    assert!(matches!(
        foreign,
        Err(InternalRequestError::Unauthorized {
            rule: "other_account",
            ..
        })
    ));

    let expired = account.user_with(|claims| claims.expires_at = Some(now() - 1));
    let refused = ask(request(&account, &expired, "svc")).await;
    assert!(matches!(
        refused,
        Err(InternalRequestError::Unauthorized { rule: "expired", .. })
    ));

    let mut wrong = request(&account, &account.user(), "svc.*");
    assert!(matches!(
        ask(wrong.clone()).await,
        Err(InternalRequestError::InvalidRequest(_))
    ));
    wrong.subject = Bytes::from_static(b"svc");
    wrong.headers = Bytes::from_static(b"X: y\r\n");
    assert!(matches!(
        ask(wrong).await,
        Err(InternalRequestError::InvalidRequest(_))
    ));

    account.suspended = Some("unpaid".into());
    world.apply(&account);
    let suspended = ask(request(&account, &account.user(), "svc")).await;
    assert!(matches!(
        suspended,
        Err(InternalRequestError::Unauthorized {
            rule: "account_suspended",
            ..
        })
    ));
    world.broker.account_remove(&account.key());
    let gone = ask(request(&account, &account.user(), "svc")).await;
    assert_eq!(gone, Err(InternalRequestError::AccountNotServed));
}

#[tokio::test]
async fn replies_are_collected_until_there_are_enough_or_time_is_over() {
    let world = World::start().await;
    let account = world.account();
    let service = account.user_with(|claims| {
        claims.limits.permissions.responses = Some(ResponsePermission { max: 3, ttl_ns: 0 });
    });
    let mut service = world.client(&service).await;
    service.send("SUB svc 1\r\n").await;
    service.sync().await;

    let mut silent = request(&account, &account.user(), "svc");
    silent.deadline = Duration::from_millis(50);
    let late = world.broker.request(silent).await;
    assert_eq!(
        late,
        Err(InternalRequestError::DeadlineExceeded(Duration::from_millis(50)))
    );
    service.line().await;
    for _ in 0..4 {
        service.line().await;
    }

    let mut three = request(&account, &account.user(), "svc");
    three.replies_max = 3;
    let asking = tokio::spawn({
        let broker = world.broker.clone();
        async move { broker.request(three).await }
    });
    let line = service.line().await;
    let reply = line.split(' ').nth(3).expect("a reply subject").to_owned();
    for number in 1..=3 {
        service.send(format!("PUB {reply} 1\r\n{number}\r\n")).await;
    }
    let replies = asking.await.expect("it ran").expect("it was answered");
    let payloads: Vec<_> = replies.iter().map(|reply| &reply.payload[..]).collect();
    assert_eq!(payloads, [b"1", b"2", b"3"]);
}
