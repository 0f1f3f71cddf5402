//! For tests only: a private Postgres, and a fresh migrated database per test.
//!
//! ```no_run
//! # async fn example() {
//! let database = tollway_datastore::testing::database().await;
//! let datastore = database.datastore().await;
//! # }
//! ```
//!
//! All tests of a `cargo nextest` run share one cluster, though each is a process of its own: the first
//! one starts it, and it ends by itself when the run ends, however that happens. It is reached over a
//! unix socket, keeps nothing, and never touches a cluster that is already on the machine.
//!
//! Databases belong to a user who is no superuser and may create roles, which is what we ask for in
//! production.

mod cluster;

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

pub use cluster::Cluster;

use crate::{Datastore, DatastoreOptions};

/// A database of one test.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    url: String,
    superuser_url: String,
}

impl TestDatabase {
    /// How its owner reaches it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How a superuser reaches it: for looking behind row-level security.
    pub fn superuser_url(&self) -> &str {
        &self.superuser_url
    }

    /// A datastore on it, as its owner.
    pub async fn datastore(&self) -> Datastore {
        let options = DatastoreOptions::from_url(&self.url).expect("the helper makes valid URLs");
        Datastore::connect(&options.connections_max(8))
            .await
            .expect("the test database is reachable")
    }

    /// A single connection to it, as a superuser.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.superuser_url)
            .await
            .expect("the test database is reachable")
    }

    /// A single connection to it, as its owner.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.url)
            .await
            .expect("the test database is reachable")
    }
}

/// A fresh database with our schema, in the cluster of the run.
pub async fn database() -> TestDatabase {
    Cluster::shared()
        .await
        .create_database(Some(cluster::TEMPLATE))
        .await
}

/// A fresh empty database in the cluster of the run.
pub async fn empty_database() -> TestDatabase {
    Cluster::shared().await.create_database(None).await
}

impl Cluster {
    /// A fresh database of the owner who is no superuser: empty, or a copy of a template.
    pub async fn create_database(&self, template: Option<&str>) -> TestDatabase {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!(
            "test_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let template = template.unwrap_or("template0");
        let owner = cluster::OWNER;
        let mut connection = self
            .superuser("postgres")
            .await
            .expect("the test cluster is reachable");
        let statement = format!("CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}");
        connection
            .execute(AssertSqlSafe(statement))
            .await
            .expect("a superuser may create a database");
        TestDatabase {
            url: self.url(owner, &name),
            superuser_url: self.url(cluster::SUPERUSER, &name),
        }
    }
}
