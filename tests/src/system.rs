//! Everything that runs for one test.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use tollway_datastore::testing::{self, Cluster, TestDatabase};

use crate::{Api, ControlPlane, Node, eventually};

/// A database and a control plane; nodes are started from it and belong to the test.
#[derive(Debug)]
pub struct System {
    /// To be stopped, killed and started again.
    pub control_plane: ControlPlane,
    api: Api,
    database: TestDatabase,
    postgres: Option<Cluster>,
    // Last: it is removed after the programs in it have ended.
    folder: TempDir,
}

impl System {
    /// A control plane on a fresh database in the Postgres of the test run.
    pub async fn start() -> Self {
        let database = testing::database().await;
        Self::start_on(database, None).await
    }

    /// A control plane with a Postgres of its own, which can be stopped: see [`Self::postgres`].
    pub async fn start_with_own_postgres() -> Self {
        let cluster = Cluster::private("system").await;
        let database = cluster.create_database(None).await;
        Self::start_on(database, Some(cluster)).await
    }

    async fn start_on(database: TestDatabase, postgres: Option<Cluster>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tollway-test-")
            .tempdir()
            .expect("a temporary folder");
        let mut control_plane = ControlPlane::new(folder.path(), database.url());
        control_plane.start().await;
        let token =
            fs::read_to_string(control_plane.admin_token_file()).expect("the first start writes a token");
        let creds = folder.path().join("creds");
        fs::create_dir(&creds).expect("the folder is ours");
        let api = Api::new(control_plane.api_url(), token.trim().to_owned(), creds);
        Self {
            control_plane,
            api,
            database,
            postgres,
            folder,
        }
    }

    /// The API as the platform admin.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The control plane's database, for looking and reaching behind it.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The database server, to be stopped and started.
    ///
    /// # Panics
    /// When the system shares it with other tests.
    pub fn postgres(&self) -> &Cluster {
        self.postgres
            .as_ref()
            .expect("the system was started with its own Postgres")
    }

    /// Makes a cell and starts its node; waits until it is attached to the control plane.
    pub async fn start_node(&self, cell: &str) -> Node {
        self.api.post("/v1/cells", json!({ "name": cell })).await;
        let token = self
            .api
            .post(&format!("/v1/cells/{cell}/enrolment-tokens"), json!({}))
            .await;
        let token = token["token"].as_str().expect("a token").to_owned();
        let mut node = Node::new(
            self.folder.path(),
            cell,
            self.control_plane.fleet_address(),
            token,
        );
        node.start().await;
        self.attached(&node).await;
        node
    }

    /// Waits until the control plane has the node on the line.
    pub async fn attached(&self, node: &Node) {
        let what = format!("the node of {} attaches", node.cell());
        let path = format!("/v1/cells/{}", node.cell());
        eventually(&what, async || {
            let cell = self.api.get(&path).await;
            let nodes = cell["nodes"].as_array().expect("a list");
            nodes.iter().any(|node| node["connected"] == true).then_some(())
        })
        .await;
    }
}
