//! The real program.
#![allow(
    clippy::print_stderr,
    reason = "the test runner shows it with the failed test"
)]

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tollway_node::data_folder::Ports;

use crate::{client::Client, control_plane::ControlPlane, eventually, operator::User};

pub(crate) struct Node {
    child: Child,
    folder: PathBuf,
}

/// How a node ended by itself.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Node {
    pub(crate) fn command(folder: &Path, control_plane: SocketAddr) -> Command {
        let any_free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::command_that_listens(folder, control_plane, any_free)
    }

    fn command_that_listens(folder: &Path, control_plane: SocketAddr, listen: SocketAddr) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollway-node"));
        command
            .arg("--data-dir")
            .arg(folder)
            .args(["--control-plane", &control_plane.to_string()])
            .args(["--listen", &listen.to_string(), "--log-format", "json"])
            .env_remove("RUST_LOG")
            .env_remove("TOLLWAY_ENROL_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Starts a node that has the token, if it still needs one.
    pub(crate) fn start(folder: &Path, control_plane: &ControlPlane) -> Self {
        let mut command = Self::command(folder, control_plane.address);
        command
            .env("TOLLWAY_ENROL_TOKEN", &control_plane.token)
            .args(["--name", "test-node"]);
        Self::spawn(command, folder)
    }

    /// Makes room on the disk of a node that was started on a full one.
    pub(crate) fn make_room(&self) {
        let status = Command::new("prlimit")
            .args(["--fsize=unlimited", "--pid", &self.child.id().to_string()])
            .status()
            .expect("prlimit can be run");
        assert!(status.success());
    }

    /// Starts a node that listens there and that no file takes a byte from, as on a full disk. It cannot
    /// say where it listens, nor anything else.
    pub(crate) fn start_on_full_disk(
        folder: &Path,
        control_plane: &ControlPlane,
        listen: SocketAddr,
    ) -> Self {
        let node = Self::command_that_listens(folder, control_plane.address, listen);
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; ulimit -S -f 0; exec \"$@\"", "sh"])
            .arg(node.get_program())
            .args(node.get_args())
            .stdin(Stdio::null());
        // To the test's own stderr: a log in the folder would be another file that takes nothing.
        Self {
            child: command.spawn().expect("sh can be run"),
            folder: folder.to_owned(),
        }
    }

    pub(crate) fn spawn(mut command: Command, folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        // The node takes no folder that others may enter and that holds something already, as our log.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("our folder");
        let log = File::options()
            .append(true)
            .create(true)
            .open(folder.join("stderr"))
            .expect("a log file");
        let child = command.stderr(log).spawn().expect("the program starts");
        Self {
            child,
            folder: folder.to_owned(),
        }
    }

    pub(crate) async fn ports(&mut self) -> Ports {
        let path = self.folder.join("ports.json");
        eventually("the node listens", async || {
            if let Some(status) = self.child.try_wait().expect("our child") {
                panic!("the node ended with {status}: {}", self.log());
            }
            serde_json::from_slice(&fs::read(&path).ok()?).ok()
        })
        .await
    }

    pub(crate) async fn login(&mut self, user: &User) -> Result<Client, String> {
        Client::connect(self.ports().await.client, user).await
    }

    /// Everything that the node ever said on stderr.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).expect("a log file")
    }

    /// As a crash ends it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("our child");
        let status = self.child.wait().expect("our child");
        assert_eq!(status.signal(), Some(9));
        // What a running node would have removed.
        let _ = fs::remove_file(self.folder.join("ports.json"));
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// As an operator asks a program to read its files again.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id")).expect("a process id");
        kill_process(pid, signal).expect("our child");
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let status = eventually("the node ends", async || {
            self.child.try_wait().expect("our child")
        })
        .await;
        Ended {
            status,
            stderr: self.log(),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the node said:\n{}", self.log());
        }
    }
}
