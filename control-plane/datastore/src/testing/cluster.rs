//! A Postgres cluster that lives as long as a test run.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};

use crate::{Datastore, DatastoreOptions};

/// Who made the cluster.
pub(super) const SUPERUSER: &str = "postgres";
/// Who owns test databases: no superuser, but may create roles.
pub(super) const OWNER: &str = "tollway_owner";
/// A migrated database; copies of it cost less than migrating each.
pub(super) const TEMPLATE: &str = "tollway_template";

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the server, and ends it and removes its folder when the process it serves is gone. A shell does
/// this because it outlives a test that is killed, and nothing else of ours would.
const SUPERVISOR: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
    -c full_page_writes=off -c max_connections=400 -c shared_buffers=64MB -c timezone=UTC &
server=$!
while kill -0 "$server" 2>/dev/null; do
    if ! kill -0 "$3" 2>/dev/null && ! [ -d "/proc/$3" ]; then
        kill -QUIT "$server"
        wait "$server"
        rm -rf "$2"
        exit
    fi
    sleep 1
done
"#;

/// A running cluster, reached over a unix socket in a folder of its own.
#[derive(Debug, Clone)]
pub struct Cluster {
    folder: PathBuf,
}

/// The user that the server runs as: Postgres refuses to run as root.
#[derive(Clone, Copy)]
struct ServerUser {
    uid: u32,
    gid: u32,
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
        let binaries = find_binaries();
        let user = server_user(&self.folder.join("lock"));
        let as_user = |command: &mut Command| {
            command.current_dir("/").stdin(Stdio::null());
            if let Some(ServerUser { uid, gid }) = user {
                command.uid(uid).gid(gid);
            }
        };
        if let Some(ServerUser { uid, gid }) = user {
            std::os::unix::fs::chown(&self.folder, Some(uid), Some(gid)).expect("root may give files away");
        }

        let mut initdb = Command::new(binaries.join("initdb"));
        initdb.arg("--pgdata").arg(self.folder.join("data")).args([
            "--username",
            SUPERUSER,
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        as_user(&mut initdb);
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
            .arg(&binaries)
            .arg(&self.folder)
            .arg(owner.to_string())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            // A Ctrl-C is for the tests; the server ends after them.
            .process_group(0);
        as_user(&mut supervisor);
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

/// The folder of `initdb` and `postgres`: `TOLLWAY_POSTGRES_BIN`, the newest one of Debian, or from PATH.
fn find_binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("TOLLWAY_POSTGRES_BIN") {
        return folder.into();
    }
    let major = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((major(&entry.path())?, entry.path().join("bin"))))
        .filter(|(_, binaries)| binaries.join("initdb").exists())
        .max();
    if let Some((_, binaries)) = newest {
        return binaries;
    }
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .find(|folder| folder.join("initdb").exists())
        .expect("tests need Postgres: apt-get install postgresql, or set TOLLWAY_POSTGRES_BIN")
}

/// `None` when we are not root. The user must have a row in the password file, or Postgres refuses.
fn server_user(own_file: &Path) -> Option<ServerUser> {
    let we_are_root = fs::metadata(own_file).expect("the file was just made").uid() == 0;
    if !we_are_root {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("a system with root has a password file");
    let find = |name: &str| {
        let fields: Vec<&str> = users.lines().map(|line| line.split(':')).find_map(|fields| {
            let fields: Vec<&str> = fields.collect();
            (fields.first() == Some(&name)).then_some(fields)
        })?;
        Some(ServerUser {
            uid: fields.get(2)?.parse().ok()?,
            gid: fields.get(3)?.parse().ok()?,
        })
    };
    let user = find("postgres").or_else(|| find("nobody"));
    Some(user.expect("Postgres does not run as root, and there is neither a user postgres nor nobody"))
}
