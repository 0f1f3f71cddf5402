//! A control plane that stops: what is open finishes, what waits is told.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tonic::Code;

use crate::{
    fixture::{Answer, Service},
    node::FakeNode,
    world::World,
};

#[tokio::test]
async fn open_calls_finish_and_streams_end_within_the_bound() {
    let mut service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    attached.take_until(&world.account_key).await;
    // A call that waits for a reply that never comes, for a second.
    let path = format!("/v1/accounts/{}/request", world.account);
    let call = service.request(Some(&world.owner), Method::POST, &path);
    let open = tokio::spawn(Answer::of(
        call.json(&json!({ "subject": "a", "timeout_ms": 1_000 })),
    ));
    attached.next().await;

    let begin = Instant::now();
    let (ended, ()) = tokio::join!(attached.end(), service.control_plane.take().unwrap().stop());
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!(ended.code(), Code::Unavailable);
    let answer = open.await.unwrap();
    assert!(
        matches!(answer.status.as_u16(), 503 | 504),
        "the open call got its answer: {answer:?}"
    );
    for file in ["ports.json", "control.sock"] {
        assert!(!service.folder.path().join(file).exists(), "{file} is left");
    }
}
