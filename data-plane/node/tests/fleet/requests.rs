//! The request lane.

use tollway_node::fleet::bounds::REQUESTS_PER_ACCOUNT_MAX;
use tollway_proto::fleet::control_message::Message as Control;
use tollway_proto::fleet::node_message::Message as FromNode;
use tollway_proto::fleet::response::Outcome;
use tollway_proto::fleet::{Request, Response};

use crate::control_plane::{Attached, ControlPlane};
use crate::node::Node;
use crate::operator::{Account, User};

fn request(id: u64, account: &Account, user: &User, subject: &str) -> Control {
    Control::Request(Request {
        id,
        request_id: format!("req-{id}"),
        account: account.key(),
        user_jwt: user.jwt.clone(),
        subject: subject.into(),
        headers: b"NATS/1.0\r\nA: b\r\n\r\n".to_vec(),
        payload: b"question".to_vec(),
        deadline_ms: 10_000,
        replies_max: 1,
    })
}

async fn response(stream: &mut Attached) -> Response {
    let next = |message| match message {
        FromNode::Response(response) => Some(response),
        _ => None,
    };
    stream.next(next).await
}

fn failure_code(response: &Response) -> &str {
    match &response.outcome {
        Some(Outcome::Failure(failure)) => &failure.code,
        other => panic!("no failure: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_by_the_accounts_own_clients_under_the_users_rights() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let (account, other) = (Account::new(), Account::new());
    stream
        .snapshot(
            (1, 1),
            vec![account.document(&operator), other.document(&operator)],
        )
        .await;

    let mut service = node.login(&account.user()).await.unwrap();
    service.send("SUB svc 1\r\n").await;
    service.sync().await;
    let mut sleepy = node.login(&account.user()).await.unwrap();
    sleepy.send("SUB sleep 1\r\n").await;
    sleepy.sync().await;

    let user = account.user();
    // One that nobody answers for long does not hold up the next.
    stream.send(request(1, &account, &user, "sleep")).await;
    stream.send(request(2, &account, &user, "svc")).await;
    let line = service.line().await;
    let reply_to = line.split(' ').nth(3).unwrap();
    assert_eq!(service.payload(26).await, b"NATS/1.0\r\nA: b\r\n\r\nquestion");
    service.send(&format!("PUB {reply_to} 6\r\nanswer\r\n")).await;
    let answer = response(&mut stream).await;
    assert_eq!((answer.id, answer.last), (2, true));
    let Some(Outcome::Reply(reply)) = answer.outcome else {
        panic!("no reply: {answer:?}");
    };
    assert_eq!(reply.payload, b"answer");

    stream.send(request(3, &account, &user, "nobody")).await;
    let answer = response(&mut stream).await;
    assert_eq!(
        (answer.id, answer.last, failure_code(&answer)),
        (3, true, "no_responders")
    );

    // The user JWT decides, not the name in the request.
    stream.send(request(4, &other, &user, "svc")).await;
    assert_eq!(failure_code(&response(&mut stream).await), "unauthorized");
    stream.send(request(5, &Account::new(), &user, "svc")).await;
    assert_eq!(failure_code(&response(&mut stream).await), "account_not_served");
    let mut nonsense = request(6, &account, &user, "svc");
    if let Control::Request(request) = &mut nonsense {
        request.account = "orders".into();
    }
    stream.send(nonsense).await;
    assert_eq!(failure_code(&response(&mut stream).await), "invalid_request");

    let log = node.log();
    assert!(
        log.contains(r#""request_id":"req-2""#) && log.contains(r#""request_id":"req-3""#),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_whose_service_never_answers_leaves_room_for_the_requests_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let (account, other) = (Account::new(), Account::new());
    stream
        .snapshot(
            (1, 1),
            vec![account.document(&operator), other.document(&operator)],
        )
        .await;
    let mut silent = node.login(&account.user()).await.unwrap();
    silent.send("SUB sleep 1\r\n").await;
    silent.sync().await;

    let (user, others_user) = (account.user(), other.user());
    for id in 1..=REQUESTS_PER_ACCOUNT_MAX as u64 {
        stream.send(request(id, &account, &user, "sleep")).await;
    }
    stream.send(request(1_000, &account, &user, "sleep")).await;
    let answer = response(&mut stream).await;
    assert_eq!((answer.id, failure_code(&answer)), (1_000, "overloaded"));
    stream.send(request(1_001, &other, &others_user, "nobody")).await;
    let answer = response(&mut stream).await;
    assert_eq!((answer.id, failure_code(&answer)), (1_001, "no_responders"));
}
