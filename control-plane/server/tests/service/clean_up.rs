//! Old rows go by themselves.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::{fixture::Service, node::FakeNode, world::World};

#[tokio::test]
async fn what_was_deleted_and_acknowledged_long_ago_goes_at_the_next_start() {
    let mut service = Service::start().await;
    let world = World::make(&service).await;
    let mut node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let before = attached.take_until(&world.account_key).await.cursor;
    let account = format!("/v1/accounts/{}", world.account);
    service.admin(Method::DELETE, &account, Value::Null).await;
    let after = attached.take_until(&world.account_key).await.cursor;
    let cell = format!("/v1/cells/{}", world.cell);
    while service.admin(Method::GET, &cell, Value::Null).await["applied_revision"] != json!(after.revision) {
        tokio::task::yield_now().await;
    }
    drop(attached);

    let mut connection = service.database.superuser().await;
    connection
        .execute("UPDATE cell_revision SET made_at = made_at - interval '25 hours'")
        .await
        .unwrap();
    connection
        .execute("UPDATE enrolment_token SET expires_at = expires_at - interval '25 hours'")
        .await
        .unwrap();
    service.restart().await;
    for table in ["cell_document", "enrolment_token"] {
        loop {
            let statement = format!("SELECT count(*) FROM {table}");
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(statement))
                .fetch_one(&mut connection)
                .await
                .unwrap();
            if rows == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    }

    // A node that did not hear of the removal cannot be told by a delta any more.
    node.address = service.control_plane().ports().fleet;
    let mut attached = node.attach(Some(before)).await;
    let batch = attached.batch().await;
    assert!(batch.snapshot && batch.accounts.is_empty() && batch.cursor.epoch > before.epoch);
    drop(attached);
    // One that did needs nothing.
    let mut attached = node.attach(Some(batch.cursor)).await;
    attached.ack(batch.cursor).await;
    let organization = format!("/v1/organizations/{}/accounts", world.organization);
    let body = json!({ "name": "next", "cell": world.cell });
    service.admin(Method::POST, &organization, body).await;
    let mut next = attached.batch().await;
    while next.accounts.is_empty() {
        next = attached.batch().await;
    }
    assert_eq!(next.cursor.epoch, batch.cursor.epoch);
}
