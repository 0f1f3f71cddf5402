//! The database is restored from a backup, and nodes know more than it does.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Row;
use time::OffsetDateTime;
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

fn unix_now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
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
    let cell = &node.enrolled.cell_id;
    node.trust()
        .verify_epoch(&batch.epoch_statement, cell, batch.cursor.epoch, unix_now())
        .expect("the operator began it");
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

/// Somebody who can write to the database puts back what was signed before the account was suspended.
#[tokio::test]
async fn rows_that_were_put_back_by_hand_begin_no_epoch() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let first = attached.take_until(&world.account_key).await;
    let (cell, epoch) = (&node.enrolled.cell_id, first.cursor.epoch);
    node.trust()
        .verify_epoch(&first.epoch_statement, cell, epoch, unix_now())
        .expect("the operator began the first one, too");
    let suspend = format!("/v1/accounts/{}/suspend", world.account);
    service
        .admin(Method::POST, &suspend, json!({ "reason": "unpaid" }))
        .await;
    let held = follow(&mut attached, &world.account_key).await;
    drop(attached);

    let before = &first.accounts[0];
    let mut superuser = service.database.superuser().await;
    let put_back = "UPDATE cell_document SET account_jwt = $1, statement_jwt = $2 WHERE account_key = $3";
    sqlx::query(put_back)
        .bind(&before.account_jwt)
        .bind(&before.statement_jwt)
        .bind(&before.account)
        .execute(&mut superuser)
        .await
        .unwrap();
    // With an older epoch, and in an epoch that looks like the one before a restore.
    for (rows, reason) in [
        (
            "UPDATE cell SET epoch = epoch - 1000, revision = 1",
            "is not the one that was signed",
        ),
        (
            "UPDATE cell SET epoch = epoch + 1000",
            "has version 1, the account 2",
        ),
    ] {
        sqlx::query("UPDATE cell_revision SET mark = mark # 1")
            .execute(&mut superuser)
            .await
            .unwrap();
        sqlx::query(rows).execute(&mut superuser).await.unwrap();
        let attached = node.attach(Some(held)).await;
        let path = format!("/v1/cells/{}", world.cell);
        let told = async || {
            let cell = service.admin(Method::GET, &path, Value::Null).await;
            let refusal = &cell["update_refused"];
            (refusal["code"] == "epoch_doubted").then(|| text(refusal, "reason").to_owned())
        };
        let said = loop {
            match told().await {
                Some(said) if said.contains(reason) => break said,
                _ => tokio::task::yield_now().await,
            }
        };
        assert!(said.starts_with("no new epoch begins: "), "{said}");
        drop(attached);
    }
    let cell = service
        .admin(Method::GET, &format!("/v1/cells/{}", world.cell), Value::Null)
        .await;
    assert_eq!(cell["epoch"], json!(epoch));
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
