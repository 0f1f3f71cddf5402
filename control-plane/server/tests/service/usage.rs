//! What nodes count lands in the ledger once.

use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tollway_proto::fleet::{UsageReport, UsageRow, control_message, node_message};

use crate::{
    fixture::Service,
    node::{Attached, FakeNode},
    world::World,
};

fn row(node: &FakeNode, account: &str, messages_in: u64) -> UsageRow {
    UsageRow {
        boot_id: node.boot_id.clone(),
        account: account.to_owned(),
        hour_unix: OffsetDateTime::now_utc().unix_timestamp() / 3600 * 3600,
        messages_in,
        bytes_in: messages_in * 10,
        messages_out: messages_in * 2,
        bytes_out: messages_in * 20,
        connections_opened: 1,
    }
}

async fn report(attached: &mut Attached, sequence: u64, rows: Vec<UsageRow>) {
    attached
        .send(node_message::Message::Usage(UsageReport { sequence, rows }))
        .await;
    loop {
        if let control_message::Message::UsageAck(ack) = attached.next().await {
            assert_eq!(ack.sequence, sequence);
            return;
        }
    }
}

#[tokio::test]
async fn reports_that_are_repeated_or_late_count_once() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let other = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut attached = node.attach(None).await;
    let late = vec![row(&node, &world.account_key, 5)];
    // Rows that this cell may not bill, or that nobody can read, are left out and acknowledged all the same.
    let mut newest = vec![
        row(&node, &world.account_key, 9),
        row(&node, &other.account_key, 1_000),
    ];
    newest.push(UsageRow {
        boot_id: "not a boot".into(),
        ..row(&node, &world.account_key, 1_000_000)
    });
    report(&mut attached, 2, newest.clone()).await;
    report(&mut attached, 1, late).await;
    report(&mut attached, 3, newest).await;

    let path = format!("/v1/accounts/{}/usage", world.account);
    let usage = service
        .call(Some(&world.viewer), Method::GET, &path, Value::Null)
        .await
        .body;
    let expected = json!({
        "messages_in": 9, "bytes_in": 90, "messages_out": 18, "bytes_out": 180, "connections_opened": 1,
    });
    assert_eq!(usage["total"], expected);
    assert_eq!(usage["hours"].as_array().unwrap().len(), 1);
    assert_eq!(usage["hours"][0]["usage"], expected);

    let path = format!("/v1/accounts/{}/usage", other.account);
    let usage = service
        .call(Some(&other.viewer), Method::GET, &path, Value::Null)
        .await
        .body;
    assert_eq!(usage["hours"], json!([]));

    // The last invoice is written when the account is gone, by those who could read the ones before.
    let account = format!("/v1/accounts/{}", world.account);
    service.admin(Method::DELETE, &account, Value::Null).await;
    for named in [&world.account, &world.account_key] {
        let path = format!("/v1/accounts/{named}/usage");
        for (token, status) in [(&world.viewer, 200), (&world.admin, 200), (&other.owner, 404)] {
            let usage = service.call(Some(token), Method::GET, &path, Value::Null).await;
            assert_eq!(usage.status.as_u16(), status, "{usage:?}");
            if status == 200 {
                assert_eq!(usage.body["total"], expected);
            }
        }
    }

    let metrics = reqwest::get(format!(
        "http://{}/metrics",
        service.control_plane().ports().metrics
    ))
    .await
    .unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("tollway_fleet_nodes_connected 1"), "{metrics}");
    assert!(metrics.contains("tollway_usage_rows_stored_total 3"), "{metrics}");
    assert!(
        metrics.contains("route=\"/v1/accounts/{account}/usage\",status=\"200\""),
        "{metrics}"
    );
    assert!(metrics.contains("tollway_cell_revision_lag{cell="), "{metrics}");
    assert!(
        metrics.contains("tollway_database_connections{state=\"open\"}"),
        "{metrics}"
    );
}
