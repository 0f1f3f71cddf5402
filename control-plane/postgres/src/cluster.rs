//! The folder of a cluster, and how its server is started.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Programs, ServerUser};

/// The path of a unix socket has 107 bytes at most on Linux, 103 on macOS.
const SOCKET_PATH_BYTES_MAX: usize = 103;
/// What Postgres calls its socket; the number is part of the name though no port is opened.
const SOCKET_NAME: &str = ".s.PGSQL.5432";
const HBA_FILE: &str = "pg_hba.conf";
const IDENT_FILE: &str = "pg_ident.conf";
/// How long a server that lost its parent may take to stop.
const LEFT_OVER_WAIT: Duration = Duration::from_secs(30);

/// A cluster that was made, with what is needed to serve it.
#[derive(Debug)]
pub struct Cluster {
    data: PathBuf,
    socket: PathBuf,
    access: PathBuf,
    programs: Programs,
    user: ServerUser,
}

/// A cluster cannot be made or opened. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The operating system said no.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The server's user stands before a closed door.
    #[error(
        "Postgres runs as the user {user}, who cannot enter {}: choose a data folder outside of it with --data-dir \
         (such as /var/lib/tollway), or set DATABASE_URL to a database of yours",
        folder.display()
    )]
    Closed {
        /// The closed folder.
        folder: PathBuf,
        /// Who cannot enter it.
        user: &'static str,
    },
    /// `initdb` did not make the cluster.
    #[error("initdb could not make the cluster: {0}")]
    Initdb(String),
    /// The data folder was made by something else.
    #[error("{} says {text:?} and is not a Postgres data folder of ours: move it away", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What is in it.
        text: String,
    },
    /// Somebody else made a folder that we need.
    #[error(
        "{} is there and is no folder that Postgres alone can enter: move it away, or choose another data folder",
        .0.display()
    )]
    NotOurs(PathBuf),
    /// A server of an earlier start does not go away.
    #[error(
        "process {0}, a Postgres of an earlier start, does not stop: stop it (kill -INT {0}) and try again"
    )]
    LeftOver(u32),
}

impl Cluster {
    /// The Postgres release that made the cluster in this folder; `None` when there is none yet.
    ///
    /// # Errors
    /// The folder cannot be read, or holds something else.
    pub fn version_of(folder: &Path) -> Result<Option<u32>, ClusterError> {
        let path = folder.join("data/PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(major) => Ok(Some(major)),
                Err(_) => Err(ClusterError::Version {
                    path,
                    // Whoever owns the folder may have made it a link to anything.
                    text: text.chars().take(16).collect(),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path)(source)),
        }
    }

    /// Opens the cluster in `folder`, and makes it when it is not there. Whoever calls this holds a
    /// lock that keeps others from the folder's parent, which must be writable by nobody else: beside
    /// `folder` stand `FOLDER-access` and `FOLDER-socket`.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn open(folder: &Path, programs: Programs, user: ServerUser) -> Result<Self, ClusterError> {
        let beside = |what: &str| {
            let mut name = folder.as_os_str().to_owned();
            name.push(what);
            PathBuf::from(name)
        };
        make_folder(folder, &user)?;
        if let Some((closed, name)) = user.cannot_enter(&folder.join("data")) {
            return Err(ClusterError::Closed {
                folder: closed,
                user: name,
            });
        }
        let socket = socket_folder(&beside("-socket"));
        make_folder(&socket, &user)?;
        let cluster = Self {
            data: folder.join("data"),
            socket,
            access: beside("-access"),
            programs,
            user,
        };
        if !cluster.data.exists() {
            cluster.make(&folder.join("data.new"))?;
        }
        cluster.write_access()?;
        cluster.stop_left_over()?;
        Ok(cluster)
    }

    /// How `user` reaches `database`: for connections of the process that made this value.
    pub fn url(&self, user: &str, database: &str) -> String {
        let socket: String = self
            .socket
            .as_os_str()
            .as_bytes()
            .iter()
            .map(|&byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                    (byte as char).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect();
        format!("postgres:///{database}?host={socket}&user={user}")
    }

    /// The release that serves it.
    pub fn major(&self) -> u32 {
        self.programs.major()
    }

    /// The command that runs the server in the foreground; the caller chooses where its log goes.
    ///
    /// It stops in order on SIGINT (open transactions are rolled back) and, on Linux, by itself when
    /// the **thread** that spawned it ends: spawn it from one that lives as long as the process.
    pub fn server_command(&self) -> Command {
        let mut command = Command::new(self.programs.program("postgres"));
        command.arg("-D").arg(&self.data).arg("-k").arg(&self.socket);
        for (setting, file) in [("hba_file", HBA_FILE), ("ident_file", IDENT_FILE)] {
            let mut value = OsString::from(format!("{setting}="));
            value.push(self.access.join(file));
            command.arg("-c").arg(value);
        }
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "fsync=on",
            "timezone=UTC",
            "log_timezone=UTC",
            "log_destination=stderr",
            "logging_collector=off",
        ] {
            command.args(["-c", setting]);
        }
        // A Ctrl-C in the terminal is for whoever started us; it decides when the database goes.
        command.stdin(Stdio::null()).process_group(0);
        self.user.apply(&mut command);
        end_with_parent(&mut command);
        command
    }

    /// Runs initdb beside the final place, so that a crash in the middle leaves no half cluster.
    fn make(&self, temporary: &Path) -> Result<(), ClusterError> {
        match fs::remove_dir_all(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", temporary)(error));
            }
            _ => {}
        }
        let mut initdb = Command::new(self.programs.program("initdb"));
        initdb.arg("--pgdata").arg(temporary).args([
            "--username=postgres",
            "--auth=reject",
            "--encoding=UTF8",
            "--no-locale",
            "--data-checksums",
        ]);
        initdb.stdin(Stdio::null());
        self.user.apply(&mut initdb);
        let program = self.programs.program("initdb");
        let output = initdb.output().map_err(failed("run", &program))?;
        if !output.status.success() {
            return Err(ClusterError::Initdb(last_words(&output.stderr)));
        }
        fs::rename(temporary, &self.data).map_err(failed("put in place", &self.data))?;
        let parent = self.data.parent().unwrap_or(&self.data);
        fs::File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("sync", parent))
    }

    /// Only we get in, over the socket, under the name that the operating system knows us by.
    ///
    /// The files stand in a folder of our own, not in the server's: as root we must not write where another
    /// user can put a link. Written at each start, because the data may come from a machine where we had
    /// another name. They hold nothing secret, and the server has to read them.
    fn write_access(&self) -> Result<(), ClusterError> {
        match DirBuilder::new().mode(0o755).create(&self.access) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make the folder", &self.access)(error));
            }
            _ => {}
        }
        let own = self.user.own_name().replace('"', "\"\"");
        let files = [
            (HBA_FILE, "local all all peer map=tollway\n".to_owned()),
            (
                IDENT_FILE,
                format!("tollway \"{own}\" tollway\ntollway \"{own}\" postgres\n"),
            ),
        ];
        for (name, text) in files {
            let path = self.access.join(name);
            let temporary = self.access.join(format!("{name}.new"));
            fs::write(&temporary, text)
                .and_then(|()| fs::set_permissions(&temporary, Permissions::from_mode(0o644)))
                .and_then(|()| fs::rename(&temporary, &path))
                .map_err(failed("write", &path))?;
        }
        Ok(())
    }

    /// Waits for the server of an earlier start, whose parent was killed, and asks it to go.
    fn stop_left_over(&self) -> Result<(), ClusterError> {
        let Some(pid) = self.left_over() else {
            return Ok(());
        };
        if let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have gone meanwhile; the loop finds out.
            let _ = kill_process(process, Signal::INT);
        }
        let started = Instant::now();
        while self.left_over() == Some(pid) {
            if started.elapsed() > LEFT_OVER_WAIT {
                return Err(ClusterError::LeftOver(pid));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The server that runs on our data, if one does. The pid file alone proves nothing: after a
    /// crash of the machine its number may belong to anybody.
    fn left_over(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        let pid: u32 = text.lines().next()?.trim().parse().ok()?;
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let data = self.data.as_os_str().as_bytes();
        command_line
            .split(|&byte| byte == 0)
            .any(|word| word == data)
            .then_some(pid)
    }
}

/// Where the socket stands: `folder`, unless its path would be too long for one.
fn socket_folder(folder: &Path) -> PathBuf {
    if folder.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return folder.to_owned();
    }
    // FNV-1a: the same folder gets the same place each time; nothing secret depends on it.
    let hash = folder
        .as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| "/tmp".into(), PathBuf::from);
    runtime.join(format!("tollway-{hash:016x}"))
}

/// A folder of the server's user. One that exists is only looked at: its owner could put a link in its place
/// between our look and whatever we did to it.
fn make_folder(path: &Path, user: &ServerUser) -> Result<(), ClusterError> {
    match DirBuilder::new().mode(0o700).create(path) {
        // Nobody but us can have touched it: the folder around it is ours, or does not let others rename.
        Ok(()) => user.give(path).map_err(failed("give away the folder", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(path).map_err(failed("look at", path))?;
            let private = metadata.mode() & 0o077 == 0;
            if metadata.is_dir() && private && metadata.uid() == user.uid() {
                return Ok(());
            }
            Err(ClusterError::NotOurs(path.to_owned()))
        }
        Err(source) => Err(failed("make the folder", path)(source)),
    }
}

/// The server stops when we are killed: nobody would be left to stop it.
#[cfg(target_os = "linux")]
fn end_with_parent(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe calls are allowed; it makes one
    // system call (prctl) and touches no memory of ours.
    #[allow(
        unsafe_code,
        reason = "the one call that the standard library cannot make for us"
    )]
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(Signal::INT)).map_err(io::Error::from)
        });
    }
}

/// Elsewhere the next start finds it by its pid file.
#[cfg(not(target_os = "linux"))]
fn end_with_parent(_: &mut Command) {}

/// The line that says why: the last one, or the one that begins with `initdb: error:`.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines()
        .find(|line| line.contains("error:"))
        .or_else(|| lines().next_back())
        .unwrap_or("it did not say why")
        .to_owned()
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::Io { step, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(60), "waited for {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn cluster_is_made_once_serves_on_its_socket_alone_and_a_left_over_server_is_stopped() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), Permissions::from_mode(0o711)).unwrap();
        let folder = outer.path().join("postgres");
        assert_eq!(Cluster::version_of(&folder).unwrap(), None);
        let open = || {
            let programs = Programs::find(Cluster::version_of(&folder).unwrap()).unwrap();
            Cluster::open(&folder, programs, ServerUser::find().unwrap()).unwrap()
        };
        let cluster = open();
        assert_eq!(Cluster::version_of(&folder).unwrap(), Some(cluster.major()));
        let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);

        let mut server = cluster.server_command().stderr(Stdio::null()).spawn().unwrap();
        let socket = cluster.socket.join(SOCKET_NAME);
        wait_for("the socket", || UnixStream::connect(&socket).is_ok());
        assert_eq!(cluster.left_over(), Some(server.id()));

        // As after a kill of its parent where no signal tells it: the next start finds it running.
        let reaper = thread::spawn(move || server.wait().unwrap());
        let again = open();
        assert_eq!(again.left_over(), None);
        assert!(reaper.join().unwrap().success());
    }

    #[test]
    fn nothing_is_written_or_given_away_where_the_server_could_have_put_a_link() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), Permissions::from_mode(0o711)).unwrap();
        let folder = outer.path().join("postgres");
        let open = || {
            let programs = Programs::find(Cluster::version_of(&folder).unwrap()).unwrap();
            Cluster::open(&folder, programs, ServerUser::find().unwrap())
        };
        let cluster = open().unwrap();
        // The server's user has what root would otherwise write through.
        let victim = outer.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        for name in ["pg_hba.conf.new", "pg_ident.conf.new"] {
            std::os::unix::fs::symlink(&victim, cluster.data.join(name)).unwrap();
        }
        open().unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(
            fs::metadata(&victim).unwrap().uid(),
            rustix::process::geteuid().as_raw()
        );

        let socket = outer.path().join("postgres-socket");
        fs::remove_dir_all(&socket).unwrap();
        std::os::unix::fs::symlink(outer.path(), &socket).unwrap();
        let told = open().unwrap_err().to_string();
        assert!(
            told.contains("postgres-socket") && told.contains("move it away"),
            "{told}"
        );
    }

    #[test]
    fn secrets_of_our_environment_are_not_in_the_servers() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), Permissions::from_mode(0o711)).unwrap();
        let folder = outer.path().join("postgres");
        let cluster = Cluster::open(
            &folder,
            Programs::find(None).unwrap(),
            ServerUser::find().unwrap(),
        )
        .unwrap();
        let mut command = cluster.server_command();
        let mut server = command.stderr(Stdio::null()).spawn().unwrap();
        let environment = format!("/proc/{}/environ", server.id());
        wait_for("the program is the server", || {
            fs::read(format!("/proc/{}/cmdline", server.id())).is_ok_and(|line| line.starts_with(b"/"))
        });
        let text = fs::read(environment).unwrap();
        let names: Vec<_> = String::from_utf8_lossy(&text)
            .split('\0')
            .filter_map(|entry| Some(entry.split_once('=')?.0.to_owned()))
            // Set by Postgres itself while it starts.
            .filter(|name| !name.starts_with("PG"))
            .collect();
        assert!(
            names
                .iter()
                .all(|name| name == "PATH" || name == "LD_LIBRARY_PATH"),
            "{names:?}"
        );
        kill_process(Pid::from_child(&server), Signal::INT).unwrap();
        server.wait().unwrap();
    }

    #[test]
    fn folder_that_postgres_did_not_make_is_left_alone() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("data")).unwrap();
        fs::write(outer.path().join("data/PG_VERSION"), "nine\n").unwrap();
        let told = Cluster::version_of(outer.path()).unwrap_err().to_string();
        assert!(told.contains("nine") && told.contains("move it away"), "{told}");
    }

    #[test]
    fn long_folders_get_a_short_socket_path_that_stays_the_same() {
        let long = PathBuf::from(format!("/{}", "d".repeat(120)));
        let socket = socket_folder(&long);
        assert!(socket.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        assert_eq!(socket, socket_folder(&long));
        assert_ne!(socket, socket_folder(&long.join("x")));
        assert_eq!(socket_folder(Path::new("/a/b")), Path::new("/a/b"));
    }

    #[test]
    fn urls_escape_the_folder() {
        let cluster = Cluster {
            data: "/d".into(),
            socket: "/my data/50%".into(),
            access: "/a".into(),
            programs: Programs::find(None).unwrap(),
            user: ServerUser::find().unwrap(),
        };
        assert_eq!(
            cluster.url("tollway", "tollway"),
            "postgres:///tollway?host=/my%20data/50%25&user=tollway"
        );
    }

    #[test]
    fn reason_of_initdb_is_one_line() {
        let words = b"creating directory ... ok\ninitdb: error: could not access directory \"/x\": Permission denied\ninitdb: hint: do it\n";
        assert_eq!(
            last_words(words),
            "initdb: error: could not access directory \"/x\": Permission denied"
        );
        assert_eq!(last_words(b"\n"), "it did not say why");
    }
}
