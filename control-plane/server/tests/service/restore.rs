//! The database is restored from a backup, and nodes know more than it does.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Row;
use tollway::serve::ControlPlane;
use tollway_datastore::testing::{Cluster, TestDatabase};
use tollway_proto::fleet::Cursor;

use crate::{
    fixture::{Service, settings, text},
    node::{Attached, FakeNode},
    world::World,
};

/// A copy of the database, which nobody is connected to meanwhile.
async fn backup(database: &TestDatabase) -> TestDatabase {
    let mut connection = database.superuser().await;
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    drop(connection);
    Cluster::shared().await.create_database(Some(&name)).await
}

async fn create_account(service: &Service, world: &World, name: &str) -> String {
    let accounts = format!("/v1/organizations/{}/accounts", world.organization);
    let body = json!({ "name": name, "cell": world.cell });
    let account = service.admin(Method::POST, &accounts, body).await;
    text(&account, "public_key").to_owned()
}

/// What a node holds that takes everything up to this account.
async fn follow(attached: &mut Attached, account_key: &str) -> Cursor {
    attached.take_until(account_key).await.cursor
}

async fn restart_on(service: &mut Service, database: &TestDatabase) {
    let settings = settings(service.folder.path(), database.url());
    service.control_plane = Some(ControlPlane::start(settings).await.unwrap());
}

#[tokio::test]
async fn a_node_of_a_lost_history_gets_everything_anew_however_far_the_restored_one_went() {
    let mut service = Service::start().await;
    let world = World::make(&service).await;
    let mut node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    follow(&mut attached, &world.account_key).await;
    drop(attached);
    service.control_plane.take().unwrap().stop().await;
    let restored = backup(&service.database).await;

    // Two accounts that the backup does not have, and that the node serves.
    let lost_database = service.database.clone();
    restart_on(&mut service, &lost_database).await;
    node.address = service.control_plane().ports().fleet;
    let mut attached = node.attach(None).await;
    create_account(&service, &world, "ghost-1").await;
    let ghost = create_account(&service, &world, "ghost-2").await;
    let held = follow(&mut attached, &ghost).await;
    drop(attached);
    service.control_plane.take().unwrap().stop().await;

    // The restored database goes further than the node did before the node is back.
    restart_on(&mut service, &restored).await;
    node.address = service.control_plane().ports().fleet;
    let mut keys = vec![world.account_key.clone()];
    for number in 0..3 {
        keys.push(create_account(&service, &world, &format!("real-{number}")).await);
    }
    let mut attached = node.attach(Some(held)).await;
    let batch = attached.batch().await;
    assert!(
        batch.snapshot && batch.cursor.epoch > held.epoch,
        "a delta would leave the ghosts: {batch:?}"
    );
    assert!(batch.cursor.revision > held.revision, "it was overtaken");
    let mut named: Vec<_> = batch
        .accounts
        .iter()
        .map(|document| document.account.clone())
        .collect();
    named.sort();
    keys.sort();
    assert_eq!(named, keys);
    attached.ack(batch.cursor).await;

    let mut connection = restored.superuser().await;
    let audit = sqlx::query("SELECT target, detail FROM audit_event WHERE detail ? 'epoch_began'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(audit.len(), 1, "one row for one new epoch");
    let cell = service
        .admin(Method::GET, &format!("/v1/cells/{}", world.cell), Value::Null)
        .await;
    assert_eq!(audit[0].get::<String, _>("target"), text(&cell, "id"));
    let detail: Value = audit[0].get("detail");
    assert_eq!(detail["epoch_began"], cell["epoch"]);
    assert_eq!(detail["node_cursor"], format!("{}/{}", held.epoch, held.revision));
}

#[tokio::test]
async fn a_node_that_is_where_the_backup_was_made_gets_a_delta() {
    let mut service = Service::start().await;
    let world = World::make(&service).await;
    let mut node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let held = follow(&mut attached, &world.account_key).await;
    // Acknowledged, so that the backup knows it.
    let path = format!("/v1/accounts/{}/rollout", world.account);
    while service.admin(Method::GET, &path, Value::Null).await["applied"] != json!(true) {
        tokio::task::yield_now().await;
    }
    drop(attached);
    service.control_plane.take().unwrap().stop().await;
    let restored = backup(&service.database).await;
    restart_on(&mut service, &restored).await;
    node.address = service.control_plane().ports().fleet;
    let added = create_account(&service, &world, "added").await;
    let mut attached = node.attach(Some(held)).await;
    let batch = attached.batch().await;
    assert!(!batch.snapshot && batch.cursor.epoch == held.epoch);
    assert_eq!(batch.accounts[0].account, added);
}
