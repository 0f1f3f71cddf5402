//! The end of a cell, over REST.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tonic::Code;

use crate::{
    fixture::{Service, text},
    node::{FakeNode, enrolment_token},
    world::World,
};

#[tokio::test]
async fn a_cell_is_deleted_when_no_account_is_left_and_its_node_is_sent_away() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let unused = enrolment_token(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let cursor = attached.take_until(&world.account_key).await.cursor;
    attached.ack(cursor).await;
    let (cell, account) = (
        format!("/v1/cells/{}", world.cell),
        format!("/v1/accounts/{}", world.account),
    );
    let made = service.admin(Method::GET, &account, Value::Null).await;
    let delete = async || {
        service
            .call(Some(&world.admin), Method::DELETE, &cell, Value::Null)
            .await
    };

    let refused = delete().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "cell_not_empty"));
    let detail = text(&refused.body, "detail");
    assert!(
        detail.contains("1 account") && detail.contains(text(&made, "name")),
        "{detail}"
    );
    // It serves on: a refusal takes nothing away.
    service.admin(Method::DELETE, &account, Value::Null).await;
    let removal = attached.batch().await;
    assert_eq!(removal.removed, std::slice::from_ref(&world.account_key));

    assert_eq!(delete().await.status, StatusCode::NO_CONTENT);
    attached.end().await;
    for method in [Method::GET, Method::DELETE] {
        let gone = service.call(Some(&world.admin), method, &cell, Value::Null).await;
        assert_eq!(gone.code(), "not_found");
    }
    let refused = node.try_attach(None).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    let refused = FakeNode::enrol_with(&service, &unused, "node-1")
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");

    let mut connection = service.database.superuser().await;
    let audited: (String, Value) =
        sqlx::query_as("SELECT actor, detail FROM audit_event WHERE action = 'cell.delete'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(audited.0.starts_with("tok_"), "{audited:?}");
    assert_eq!(audited.1["name"], world.cell);
    assert_eq!(audited.1["nodes"][0], node.enrolled.node_id);

    // The name is free for another one.
    let again = service
        .admin(
            Method::POST,
            "/v1/cells",
            serde_json::json!({ "name": world.cell }),
        )
        .await;
    assert_eq!(text(&again, "name"), world.cell);
}
