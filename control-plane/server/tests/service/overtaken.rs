//! Streams that do not count any more: a newer one began, or the node was enrolled again. Whoever has the
//! stolen key of a replaced node must hear and say nothing, at whichever control plane.

use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tollway::serve::ControlPlane;
use tollway_proto::fleet::{Hello, NodeMessage, UsageReport, UsageRow, node_message};
use tonic::Code;

use crate::{
    fixture::{Answer, Service, settings},
    node::{FakeNode, enrolment_token},
    world::World,
};

fn hello(node: &FakeNode) -> NodeMessage {
    NodeMessage {
        message: Some(node_message::Message::Hello(Hello {
            software_version: "test".into(),
            boot_id: node.boot_id.clone(),
            cursor: None,
            client_url: "nats://127.0.0.1:4222".into(),
        })),
    }
}

#[tokio::test]
async fn a_stream_that_was_opened_before_the_node_was_enrolled_again_does_not_begin_after_it() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let former = FakeNode::enrol(&service, &world.cell).await;
    let (to_control, messages) = mpsc::channel(1);
    let mut pending = former
        .client()
        .await
        .attach(ReceiverStream::new(messages))
        .await
        .unwrap()
        .into_inner();

    let present = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = present.attach(None).await;
    attached.take_until(&world.account_key).await;

    to_control.send(hello(&former)).await.unwrap();
    assert_eq!(
        pending.message().await.unwrap_err().code(),
        Code::PermissionDenied
    );
    // The present one was not disturbed.
    let question = json!({ "subject": "a", "payload": "", "timeout_ms": 5000 });
    let path = format!("/v1/accounts/{}/request", world.account);
    let asking = tokio::spawn(Answer::of(
        service
            .request(Some(&world.developer), Method::POST, &path)
            .json(&question),
    ));
    attached.question().await;
    drop(attached);
    asking.await.unwrap();
}

/// Another control plane over the same database, with the key of the first.
async fn another(service: &Service) -> (tempfile::TempDir, ControlPlane) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), service.database.url());
    settings.kek_file = Some(service.folder.path().join("kek"));
    let control_plane = ControlPlane::start(settings).await.unwrap();
    (folder, control_plane)
}

#[tokio::test]
async fn a_void_stream_ends_at_every_control_plane_and_nothing_it_says_counts() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let (_folder, other) = another(&service).await;
    let mut former = FakeNode::enrol(&service, &world.cell).await;
    former.address = other.ports().fleet;
    let mut stolen = former.attach(None).await;
    stolen.take_until(&world.account_key).await;

    // The other control plane does not hear of it at once, so what is in its queue comes after.
    let token = enrolment_token(&service, &world.cell).await;
    let report = UsageReport {
        sequence: 1,
        rows: vec![UsageRow {
            boot_id: former.boot_id.clone(),
            account: world.account_key.clone(),
            hour_unix: OffsetDateTime::now_utc().unix_timestamp() / 3600 * 3600,
            messages_in: 777,
            ..UsageRow::default()
        }],
    };
    let present = FakeNode::enrol_with(&service, &token, "node-1").await.unwrap();
    // The stream may have ended already, which is as good.
    let _ = stolen
        .to_control
        .send(NodeMessage {
            message: Some(node_message::Message::Usage(report)),
        })
        .await;
    assert_eq!(stolen.end().await.code(), Code::Aborted);
    let usage = service
        .admin(
            Method::GET,
            &format!("/v1/accounts/{}/usage", world.account),
            json!(null),
        )
        .await;
    assert_eq!(usage["total"]["messages_in"], 0, "{usage}");

    let mut attached = present.attach(None).await;
    attached.take_until(&world.account_key).await;
    other.stop().await;
}

#[tokio::test]
async fn a_newer_stream_at_another_control_plane_ends_the_older() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let (_folder, other) = another(&service).await;
    let mut node = FakeNode::enrol(&service, &world.cell).await;
    let mut older = node.attach(None).await;
    older.take_until(&world.account_key).await;
    node.address = other.ports().fleet;
    let mut newer = node.attach(None).await;
    newer.take_until(&world.account_key).await;
    assert_eq!(older.end().await.code(), Code::Aborted);
    other.stop().await;
}
