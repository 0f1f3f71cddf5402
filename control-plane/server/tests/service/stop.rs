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
    // A call that waits for a reply that never comes, for a second.
    let path = format!("/v1/accounts/{}/request", world.account);
    let call = service.request(Some(&world.owner), Method::POST, &path);
    let open = tokio::spawn(Answer::of(
        call.json(&json!({ "subject": "a", "timeout_ms": 1_000 })),
    ));
    attached.take_until(&world.account_key).await;
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
    assert!(!service.folder.path().join("ports.json").exists());
}

#[tokio::test]
async fn a_sign_in_link_is_made_through_the_internal_port_and_works_once() {
    let service = Service::start().await;
    let link = tollway::sign_in_link::create(service.folder.path())
        .await
        .unwrap();
    let api = service.control_plane().ports().api.to_string();
    let secret = link
        .strip_prefix(&format!("http://{api}/sign-in?token="))
        .unwrap();
    assert_eq!(secret.len(), 43);
    let app = service.control_plane().app();
    let (cookie, session) = app.sign_in(secret, "a browser").await.unwrap();
    assert_eq!(session.principal.role(), tollway_model::Role::PlatformAdmin);
    assert!(app.sign_in(secret, "a browser").await.is_err());
    let request_id = tollway::request_id::RequestId::generate();
    assert!(app.session(&cookie, request_id.clone()).await.is_ok());
    app.sign_out(&cookie).await.unwrap();
    assert!(app.session(&cookie, request_id).await.is_err());
}
