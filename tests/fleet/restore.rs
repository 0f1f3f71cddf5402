//! The database is restored from a backup while nodes hold what came after it.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tollway_tests::{Node, Raw, System, Tenant, eventually};

const REFUSED: &str = "-ERR 'Authorization Violation'";

/// The database's name, and a connection that does not hold it.
async fn beside(system: &System) -> (String, PgConnection) {
    let mut connection = system.database().superuser().await;
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut connection)
        .await
        .expect("a database has a name");
    let url = system
        .database()
        .superuser_url()
        .replace(&format!("/{name}?"), "/postgres?");
    (
        name,
        PgConnection::connect(&url).await.expect("the superuser gets in"),
    )
}

/// Copies the database. Nobody may be connected to it.
async fn backup(system: &System) {
    let (name, mut beside) = beside(system).await;
    let copy = format!("CREATE DATABASE {name}_backup TEMPLATE {name} OWNER tollway_owner");
    beside
        .execute(AssertSqlSafe(copy))
        .await
        .expect("the superuser may copy a database");
}

/// Puts the copy in its place.
async fn restore(system: &System) {
    let (name, mut beside) = beside(system).await;
    for statement in [
        format!("DROP DATABASE {name}"),
        format!("ALTER DATABASE {name}_backup RENAME TO {name}"),
    ] {
        beside
            .execute(AssertSqlSafe(statement))
            .await
            .expect("the superuser may copy a database");
    }
}

async fn epoch(system: &System) -> u64 {
    system.api().cell("cell-a").await["epoch"]
        .as_u64()
        .expect("a number")
}

/// A tenant of a cell whose node is away, so that nothing can be waited for.
async fn tenant_without_node(system: &System) -> Tenant {
    let api = system.api();
    let organization = api.organization().await;
    let account = api.account(&organization, "orders", "cell-a").await;
    let user = api.user(&account, "app").await;
    let creds = api.issue(&user).await;
    Tenant { account, user, creds }
}

async fn serves(node: &Node, tenant: &Tenant) {
    eventually("the account is served", async || {
        Raw::connect(node.address(), &tenant.creds).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_of_a_lost_history_are_not_served_although_the_restored_one_went_further() {
    let mut system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let kept = system.api().tenant("cell-a").await;
    serves(&node, &kept).await;
    system.control_plane.stop().await;
    backup(&system).await;

    system.control_plane.start().await;
    let ghosts = [
        system.api().tenant("cell-a").await,
        system.api().tenant("cell-a").await,
    ];
    serves(&node, &ghosts[1]).await;
    let before = epoch(&system).await;
    node.stop().await;
    system.control_plane.stop().await;

    restore(&system).await;
    system.control_plane.start().await;
    let mut later = Vec::new();
    for _ in 0..4 {
        later.push(tenant_without_node(&system).await);
    }
    node.start().await;
    for tenant in later.iter().chain([&kept]) {
        serves(&node, tenant).await;
    }
    for ghost in &ghosts {
        let refused = Raw::connect(node.address(), &ghost.creds).await;
        assert_eq!(refused.expect_err("no table has the account"), REFUSED);
    }
    let renewed = epoch(&system).await;
    assert!(renewed > before, "it was noticed");

    // Once: what the node holds now is of this history, also after restarts.
    node.kill();
    system.control_plane.stop().await;
    system.control_plane.start().await;
    node.start().await;
    let last = system.api().tenant("cell-a").await;
    serves(&node, &last).await;
    assert_eq!(epoch(&system).await, renewed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_accounts_are_gone_also_when_they_were_all_and_the_node_needs_a_snapshot() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    serves(&node, &tenant).await;
    // Something behind the account's document that cannot be read, so that only a snapshot will do.
    node.kill();
    let log = node.folder().join("last-known-good.log");
    let mut content = std::fs::read(&log).unwrap();
    let whole = content.clone();
    content.extend_from_slice(b"\xF7rec damaged");
    content.extend_from_slice(&whole[16..]);
    std::fs::write(&log, content).unwrap();
    system
        .api()
        .delete(&format!("/v1/accounts/{}", tenant.account.id))
        .await;
    node.start().await;
    eventually("the deleted account is gone", async || {
        let refused = Raw::connect(node.address(), &tenant.creds).await.err()?;
        (refused == REFUSED).then_some(())
    })
    .await;
    assert!(node.log().contains("asking for a snapshot"));
    let cell = system.api().cell("cell-a").await;
    assert!(cell["update_refused"].is_null(), "{cell}");
}
