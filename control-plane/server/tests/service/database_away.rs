//! Without Postgres: calls fail fast and say so, nodes stay attached, everything heals.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tollway_datastore::testing;
use tollway_proto::fleet::{UsageReport, control_message, node_message};

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
