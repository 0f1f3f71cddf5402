//! Without Postgres: calls fail fast and say so, nodes stay attached, everything heals.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tollway::bounds::DATABASE_ACQUIRE_WAIT;
use tollway_datastore::testing;
use tollway_proto::fleet::{LiveAccount, LiveReport, UsageReport, control_message, node_message};

use crate::{fixture::Service, gate::Gate, node::FakeNode, world::World};

#[tokio::test]
async fn calls_fail_fast_nodes_stay_and_everything_heals_when_the_database_is_back() {
    let database = testing::database().await;
    let gate = Gate::before(database.url());
    let service = Service::start_on(database, &gate.url()).await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    attached.take_until(&world.account_key).await;

    gate.shut();
    let account = format!("/v1/accounts/{}", world.account);
    let begin = Instant::now();
    let answer = service
        .call(Some(&world.owner), Method::GET, &account, Value::Null)
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "database_unavailable")
    );
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let ready = service.call(None, Method::GET, "/readyz", Value::Null).await;
    assert_eq!(
        (ready.status.as_u16(), ready.code()),
        (503, "database_unavailable")
    );
    assert_eq!(
        service
            .call(None, Method::GET, "/healthz", Value::Null)
            .await
            .status,
        200
    );

    // What the node reports now is acknowledged when it is stored.
    attached
        .send(node_message::Message::Usage(UsageReport {
            sequence: 1,
            rows: Vec::new(),
        }))
        .await;
    assert!(
        tokio::time::timeout(Duration::from_secs(2), attached.from_control.message())
            .await
            .is_err()
    );

    gate.open();
    loop {
        if let control_message::Message::UsageAck(ack) = attached.next().await {
            assert_eq!(ack.sequence, 1);
            break;
        }
    }
    let change = json!({ "limits": { "connections": 4 } });
    let answer = loop {
        let answer = service
            .call(Some(&world.owner), Method::PATCH, &account, change.clone())
            .await;
        if answer.status != 503 {
            break answer;
        }
    };
    assert_eq!(answer.status, 200, "{answer:?}");
    // On the same stream as before.
    attached.take_until(&world.account_key).await;
    assert_eq!(
        service
            .call(None, Method::GET, "/readyz", Value::Null)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_is_open_is_known_when_the_database_is_back_although_nothing_changes_any_more() {
    let database = testing::database().await;
    let gate = Gate::before(database.url());
    let service = Service::start_on(database, &gate.url()).await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    attached.take_until(&world.account_key).await;
    // An acknowledgement that could not be noted would hold up what comes behind it.
    let account = format!("/v1/accounts/{}", world.account);
    until(&service, &world, &format!("{account}/rollout"), "applied", true).await;

    gate.shut();
    // A node tells what is open when it changes, so this is told once.
    attached
        .send(node_message::Message::Live(LiveReport {
            accounts: vec![LiveAccount {
                account: world.account_key.clone(),
                connections: 3,
                subscriptions: 7,
            }],
        }))
        .await;
    // Longer than anything waits for the database before it gives up.
    let begin = Instant::now();
    while begin.elapsed() < DATABASE_ACQUIRE_WAIT * 2 {
        let answer = service
            .call(Some(&world.owner), Method::GET, &account, Value::Null)
            .await;
        assert_eq!(answer.status, 503, "{answer:?}");
    }

    gate.open();
    until(&service, &world, &account, "connections", 3).await;
}

/// Asks until a field of the answer is as it should be.
async fn until(service: &Service, world: &World, path: &str, field: &str, expected: impl Into<Value>) {
    let (begin, expected) = (Instant::now(), expected.into());
    loop {
        let answer = service
            .call(Some(&world.owner), Method::GET, path, Value::Null)
            .await;
        if answer.body[field] == expected {
            return;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{field} is never {expected}: {answer:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
