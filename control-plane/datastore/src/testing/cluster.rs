//! A Postgres cluster that lives as long as a test run.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};
use tollway_postgres::{Programs, ServerUser};

use crate::{Datastore, DatastoreOptions};

/// Who made the cluster.
pub(super) const SUPERUSER: &str = "postgres";
/// Who owns test databases: no superuser, but may create roles.
pub(super) const OWNER: &str = "tollway_owner";
/// A migrated database; copies of it cost less than migrating each.
pub(super) const TEMPLATE: &str = "tollway_template";

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the server, and ends it and removes its folder when the process it serves is gone. A shell does
/// this because it outlives a test that is killed, and nothing else of ours would. A test that stopped the
/// server asks for it again with a file. Nothing waits for a disk, for the machine does not crash; but the
/// server does, and what it had committed has to be there again: no `synchronous_commit=off`.
const SUPERVISOR: &str = r#"
serve() {
    "$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off \
        -c full_page_writes=off -c max_connections=400 -c shared_buffers=64MB -c timezone=UTC &
}
serve "$@"
while kill -0 "$3" 2>/dev/null || [ -d "/proc/$3" ]; do
    if [ -e "$2/serve-again" ]; then
        rm "$2/serve-again"
        serve "$@"
    fi
    sleep 1
done
"$1/pg_ctl" -D "$2/data" -m immediate stop
wait
rm -rf "$2"
"#;

/// A running cluster, reached over a unix socket in a folder of its own.
#[derive(Debug, Clone)]
pub struct Cluster {
    folder: PathBuf,
}

impl Cluster {
    /// The cluster of this test run, with the owner and the migrated template in it.
    pub async fn shared() -> Self {
        // nextest runs each test as a child of its own; elsewhere all tests are threads of this process.
        let (run, owner) = match std::env::var("NEXTEST_RUN_ID") {
            Ok(run) => (run.replace('-', ""), std::os::unix::process::parent_id()),
            Err(_) => (format!("pid{}", std::process::id()), std::process::id()),
        };
        let run = &run[..run.len().min(12)];
        Self::start_once(run, owner, true).await
    }

    /// A cluster of this process alone, in which nothing was done yet but creating the owner.
    pub async fn private(name: &str) -> Self {
        let run = format!("{}{name}", std::process::id());
        Self::start_once(&run, std::process::id(), false).await
    }

    /// The URL of a database for a user.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!(
            "postgres:///{database}?host={}&user={user}",
            self.folder.display()
        )
    }

    /// Stops the server as a crash does: connections break, and new ones are refused. For a private cluster.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&self) {
        let programs = Programs::find(None).unwrap_or_else(|error| panic!("{error}"));
        let user = ServerUser::find().unwrap_or_else(|error| panic!("{error}"));
        let mut stop = Command::new(programs.program("pg_ctl"));
        stop.arg("--pgdata")
            .arg(self.folder.join("data"))
            .args(["--mode=immediate", "--wait", "stop"])
            .stdin(Stdio::null());
        user.apply(&mut stop);
        let output = stop.output().expect("pg_ctl can be run");
        assert!(
            output.status.success(),
            "pg_ctl failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts the server again after [`Self::stop`], and waits until it is reachable.
    pub async fn start_again(&self) {
        fs::write(self.folder.join("serve-again"), "").expect("the folder is ours");
        self.wait_until_reachable().await;
    }

    pub(super) async fn superuser(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&self.url(SUPERUSER, database)).await
    }

    async fn start_once(run: &str, owner: u32, with_template: bool) -> Self {
        // Short, because the path of a unix socket may have no more than about 100 bytes.
        let folder = std::env::temp_dir().join(format!("tollway-pg-{run}"));
        match fs::create_dir(&folder) {
            Ok(()) => {
                fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("the folder is ours")
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("failed to create {}: {error}", folder.display()),
        }
        let cluster = Self { folder };
        let lock = File::create(cluster.folder.join("lock")).expect("the folder is ours");
        lock.lock().expect("a local file system can lock files");
        let ready = cluster.folder.join("ready");
        if !ready.exists() {
            cluster.start(owner).await;
            cluster.prepare(with_template).await;
            fs::write(&ready, "").expect("the folder is ours");
        }
        cluster
    }

    #[allow(clippy::zombie_processes, reason = "the supervisor outlives us on purpose")]
    async fn start(&self, owner: u32) {
        let programs = Programs::find(None).unwrap_or_else(|error| panic!("{error}"));
        let user = ServerUser::find().unwrap_or_else(|error| panic!("{error}"));
        user.give(&self.folder).expect("the folder is ours");

        let mut initdb = Command::new(programs.program("initdb"));
        initdb.arg("--pgdata").arg(self.folder.join("data")).args([
            "--username",
            SUPERUSER,
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        initdb.stdin(Stdio::null());
        user.apply(&mut initdb);
        let output = initdb.output().expect("initdb can be run");
        assert!(
            output.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );

        let log = File::create(self.folder.join("log")).expect("the folder is ours");
        let mut supervisor = Command::new("sh");
        supervisor
            .args(["-c", SUPERVISOR, "tollway-test-postgres"])
            .arg(programs.folder())
            .arg(&self.folder)
            .arg(owner.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            // A Ctrl-C is for the tests; the server ends after them.
            .process_group(0);
        user.apply(&mut supervisor);
        supervisor.spawn().expect("sh can be run");
        self.wait_until_reachable().await;
    }

    async fn wait_until_reachable(&self) {
        let started = Instant::now();
        while let Err(error) = self.superuser("postgres").await {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(
                started.elapsed() < START_TIMEOUT,
                "the test Postgres does not start: {error}\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    async fn prepare(&self, with_template: bool) {
        let mut superuser = self
            .superuser("postgres")
            .await
            .expect("the test cluster is reachable");
        let mut run = async |statement: &'static str| {
            superuser
                .execute(statement)
                .await
                .expect("a superuser may prepare the cluster");
        };
        run("CREATE ROLE tollway_owner LOGIN CREATEROLE").await;
        if with_template {
            run("CREATE DATABASE tollway_template OWNER tollway_owner TEMPLATE template0").await;
            let options = DatastoreOptions::from_url(&self.url(OWNER, TEMPLATE)).expect("the URL is ours");
            let datastore = Datastore::connect(&options)
                .await
                .expect("the test cluster is reachable");
            datastore
                .migrate()
                .await
                .expect("the migrations run on an empty database");
            // A template that somebody is connected to cannot be copied.
            datastore.close().await;
        }
    }
}
