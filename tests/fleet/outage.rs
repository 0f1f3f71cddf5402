//! Nodes serve from their own disk: without the control plane, without Postgres, and after a crash.

use reqwest::Method;
use serde_json::json;
use tollway_tests::{Creds, Node, Raw, Steady, System, Tenant, eventually};

use crate::bill::Bill;
use crate::metrics;

const REFUSED: &str = "-ERR 'Authorization Violation'";
const TOO_MANY: &str = "-ERR 'maximum account active connections exceeded'";

/// What was decided before the outage.
struct Decided {
    tenant: Tenant,
    /// Of the same user, not used by any live client.
    spare: Creds,
    revoked: Creds,
    suspended: Tenant,
    /// Has room for one connection.
    narrow: Tenant,
}

impl Decided {
    async fn before(system: &System) -> Self {
        let api = system.api();
        let (tenant, suspended, narrow) = (
            api.tenant("cell-a").await,
            api.tenant("cell-a").await,
            api.tenant("cell-a").await,
        );
        let (spare, revoked) = (api.issue(&tenant.user).await, api.issue(&tenant.user).await);
        api.revoke(&revoked).await;
        api.suspend(&suspended.account, "unpaid").await;
        api.limits(&narrow.account, json!({ "connections": 1 })).await;
        Self {
            tenant,
            spare,
            revoked,
            suspended,
            narrow,
        }
    }

    /// All of it is in force, for connections that are made now.
    async fn holds(&self, node: &Node) {
        let address = node.address();
        let mut client = Raw::connect(address, &self.spare).await.expect("old creds work");
        client.send("SUB a.* 1\r\nPUB a.b 2\r\nhi\r\n").await;
        assert_eq!(client.message().await, ("MSG a.b 1 2".to_owned(), b"hi".to_vec()));
        let refused = async |creds: &Creds| Raw::connect(address, creds).await.expect_err("it is kept out");
        assert_eq!(refused(&self.revoked).await, REFUSED);
        assert_eq!(refused(&self.suspended.creds).await, REFUSED);
        let mut only = eventually("the last one is gone", async || {
            Raw::connect(address, &self.narrow.creds).await.ok()
        })
        .await;
        assert_eq!(refused(&self.narrow.creds).await, TOO_MANY);
        only.sync().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_go_on_without_control_plane_and_database_even_when_the_node_crashes() {
    let mut system = System::start_with_own_postgres().await;
    let mut node = system.start_node("cell-a").await;
    let decided = Decided::before(&system).await;
    let steady = Steady::start(&node, &decided.tenant.creds).await;
    steady.goes_on(50).await;

    system.control_plane.kill();
    system.postgres().stop();
    steady.goes_on(200).await;
    assert_eq!(steady.failed(), 0, "no client notices");
    decided.holds(&node).await;

    for _ in 0..2 {
        node.kill();
        node.start().await;
        decided.holds(&node).await;
        // The clients that were there come back by themselves.
        steady.goes_on(200).await;
    }
    assert_eq!(
        metrics::read(&node.metrics_url(), "tollway_node_fleet_connected").await,
        Some(0.0)
    );

    let failed = steady.failed();
    system.postgres().start_again().await;
    system.control_plane.start().await;
    metrics::connected(&node).await;
    let api = system.api();
    let later = api.tenant("cell-a").await;
    Raw::connect(node.address(), &later.creds)
        .await
        .expect("a new account arrives");
    api.resume(&decided.suspended.account).await;
    Raw::connect(node.address(), &decided.suspended.creds)
        .await
        .expect("a resumption arrives");
    api.limits(&decided.narrow.account, json!({ "connections": 2 }))
        .await;
    let _first = Raw::connect(node.address(), &decided.narrow.creds).await.unwrap();
    Raw::connect(node.address(), &decided.narrow.creds)
        .await
        .expect("a raised limit arrives");
    steady.goes_on(50).await;
    assert_eq!(steady.failed(), failed, "no client notices that they are back");
    // What was used meanwhile is billed: each question and its answer, by three lives of the node.
    eventually("usage of the outage arrives", async || {
        let billed = Bill::of(api, &decided.tenant.account).await;
        (billed.messages_in >= 2 * 600).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_notice_nothing_while_the_control_plane_is_stopped_killed_and_started() {
    let mut system = System::start().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let mut connected = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    let steady = Steady::start(&node, &tenant.creds).await;
    for round in 0..4 {
        if round % 2 == 0 {
            system.control_plane.stop().await;
        } else {
            system.control_plane.kill();
        }
        steady.goes_on(50).await;
        system.control_plane.start().await;
        metrics::connected(&node).await;
        let limits = json!({ "connections": 10 + round });
        system.api().limits(&tenant.account, limits).await;
        connected.sync().await;
    }
    assert_eq!(steady.failed(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_refused_without_the_database_and_arrive_when_it_is_back() {
    let system = System::start_with_own_postgres().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let steady = Steady::start(&node, &tenant.creds).await;
    let path = format!("/v1/accounts/{}", tenant.account.id);

    system.postgres().stop();
    let change = json!({ "limits": { "connections": 3 } });
    let answer = api.call(Method::PATCH, &path, &change).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.body["code"]),
        (503, &json!("database_unavailable"))
    );
    // What is open changes meanwhile, and nothing changes it afterwards.
    let mut third = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    steady.goes_on(100).await;
    system.postgres().start_again().await;
    eventually("changes are possible again", async || {
        let answer = api.call(Method::PATCH, &path, &change).await.unwrap();
        answer.status.is_success().then_some(())
    })
    .await;
    api.applied(&tenant.account).await;
    let fourth = Raw::connect(node.address(), &tenant.creds).await.unwrap_err();
    assert_eq!(fourth, TOO_MANY);
    eventually("the API knows what is open", async || {
        (api.get(&path).await["connections"] == 3).then_some(())
    })
    .await;
    third.sync().await;
    assert_eq!(steady.failed(), 0);
}

/// A node that comes up while nobody answers must not wait for anybody.
#[tokio::test]
async fn a_node_stopped_in_order_starts_without_the_control_plane() {
    let mut system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    node.stop().await;
    system.control_plane.stop().await;
    node.start().await;
    Raw::connect(node.address(), &tenant.creds)
        .await
        .expect("old creds work");
    system.control_plane.start().await;
    metrics::connected(&node).await;
    let later = system.api().tenant("cell-a").await;
    Raw::connect(node.address(), &later.creds)
        .await
        .expect("a new account arrives");
}
