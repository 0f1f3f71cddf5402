//! Questions into an account, answered by its node.

use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use tollway_claims::UserClaims;
use tollway_proto::fleet::{Reply, RequestFailure, Response, node_message, response::Outcome};

use crate::{
    fixture::{Answer, Service},
    node::{Attached, FakeNode},
    world::World,
};

async fn answer_with(attached: &Attached, id: u64, outcome: Outcome) {
    let response = Response {
        id,
        outcome: Some(outcome),
        last: true,
    };
    attached.send(node_message::Message::Response(response)).await;
}

#[tokio::test]
async fn a_question_reaches_the_node_with_a_short_lived_token_and_its_reply_comes_back() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let body = json!({ "subject": "orders.get", "payload": "aGVsbG8=", "timeout_ms": 5000 });
    let path = format!("/v1/accounts/{}/request", world.account);
    let call = service
        .request(Some(&world.developer), Method::POST, &path)
        .json(&body);
    let asking = tokio::spawn(Answer::of(call.header("x-request-id", "ask-1")));

    let request = attached.question().await;
    assert_eq!(
        (request.subject.as_str(), request.payload.as_slice()),
        ("orders.get", b"hello".as_slice())
    );
    assert_eq!(
        (request.account.as_str(), request.request_id.as_str()),
        (world.account_key.as_str(), "ask-1")
    );
    assert_eq!((request.deadline_ms, request.replies_max), (5000, 1));
    let claims = UserClaims::decode(&request.user_jwt).unwrap();
    assert_eq!(claims.account().to_string(), world.account_key);
    assert_eq!(claims.limits.allowed_connection_types, ["IN_PROCESS"]);
    let left = claims.expires_at.unwrap() - OffsetDateTime::now_utc().unix_timestamp();
    assert!((0..=60).contains(&left));

    let reply = Reply {
        headers: b"NATS/1.0\r\nA: b\r\n\r\n".to_vec(),
        payload: b"there".to_vec(),
    };
    answer_with(&attached, request.id, Outcome::Reply(reply)).await;
    let answer = asking.await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.body,
        json!({ "payload": "dGhlcmU=", "headers": "TkFUUy8xLjANCkE6IGINCg0K" })
    );
}

#[tokio::test]
async fn what_the_node_says_no_with_is_a_problem_of_its_own() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let cases = [
        ("no_responders", 409, "no_responders"),
        ("deadline_exceeded", 504, "deadline_exceeded"),
        ("account_not_served", 409, "request_refused"),
        ("something_new", 409, "request_refused"),
    ];
    for (failure, status, code) in cases {
        let path = format!("/v1/accounts/{}/request", world.account);
        let call = service
            .request(Some(&world.developer), Method::POST, &path)
            .json(&json!({ "subject": "a" }));
        let asking = tokio::spawn(Answer::of(call));
        let request = attached.question().await;
        let failure = RequestFailure {
            code: failure.into(),
            reason: "because".into(),
        };
        answer_with(&attached, request.id, Outcome::Failure(failure)).await;
        let answer = asking.await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code));
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_or_goes_away_keeps_nobody_waiting() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let path = format!("/v1/accounts/{}/request", world.account);
    let body = json!({ "subject": "a", "timeout_ms": 200 });
    let ask = |body| service.call(Some(&world.developer), Method::POST, &path, body);
    let answer = ask(body.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "cell_away"));
    assert!(answer.headers.contains_key("retry-after"));

    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let answer = ask(body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (504, "deadline_exceeded")
    );
    attached.question().await;

    let leaving = async {
        attached.question().await;
        drop(attached);
    };
    let (answer, ()) = tokio::join!(ask(json!({ "subject": "a", "timeout_ms": 10_000 })), leaving);
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "cell_away"));
}
