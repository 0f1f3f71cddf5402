//! The program, started for one test and stopped after it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;

/// How long a state may take to come about: long enough for a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A node that runs, in a folder of its own.
pub(crate) struct Node {
    child: Child,
    folder: tempfile::TempDir,
    /// Where clients connect.
    pub(crate) clients: SocketAddr,
    /// The address of the monitoring pages, when they are served.
    pub(crate) monitoring: Option<String>,
    /// Where websockets connect, when they do.
    pub(crate) websocket: Option<String>,
}

/// The program with these arguments.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollway-node"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// What the program says when it does not go on running.
pub(crate) fn output(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program is built")
}

/// What the program says about a file that it cannot use.
pub(crate) fn refusal(configuration: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("node.conf");
    fs::write(&file, configuration).expect("a file");
    let output = program(&["-c", "node.conf", "-p", "-1", "-a", "127.0.0.1"])
        .current_dir(folder.path())
        .output()
        .expect("the program is built");
    assert_eq!(output.status.code(), Some(1), "{configuration}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Node {
    /// Starts with this file, and these flags beside it.
    pub(crate) fn start(configuration: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("node.conf"), configuration).expect("a file");
        let log = File::create(folder.path().join("stderr")).expect("a file");
        let child = program(&[
            "-c",
            "node.conf",
            "-a",
            "127.0.0.1",
            "-p",
            "-1",
            "--ports_file_dir=.",
        ])
        .args(["-P", "node.pid"])
        .args(flags)
        .current_dir(folder.path())
        .stderr(log)
        .spawn()
        .expect("the program is built");
        let mut node = Self {
            child,
            folder,
            clients: SocketAddr::from(([127, 0, 0, 1], 0)),
            monitoring: None,
            websocket: None,
        };
        node.wait_for_ports();
        node
    }

    fn wait_for_ports(&mut self) {
        let path = self.path(&format!("tollway-node_{}.ports", self.child.id()));
        let start = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(&path) {
                let ports: serde_json::Value = serde_json::from_str(&text).expect("the ports are JSON");
                let url = ports["nats"][0].as_str().expect("there is a URL");
                let address = url.strip_prefix("nats://").expect("of NATS");
                self.clients = address.parse().expect("with an address");
                self.monitoring = ports["monitoring"][0].as_str().map(str::to_owned);
                self.websocket = ports["websocket"][0].as_str().map(str::to_owned);
                return;
            }
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the node ended ({status}): {}", self.log());
            }
            assert!(start.elapsed() < PATIENCE, "no ports file: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    /// Waits until it logged this so often.
    pub(crate) fn wait_for_log(&self, text: &str, times: usize) {
        let start = Instant::now();
        while self.log().matches(text).count() < times {
            assert!(
                start.elapsed() < PATIENCE,
                "never logged {text:?}: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("it runs");
    }

    /// Puts another file in place and has it read.
    pub(crate) fn reload(&self, configuration: &str, answer: &str) {
        let before = self.log().matches(answer).count();
        fs::write(self.path("node.conf"), configuration).expect("a file");
        self.signal(Signal::HUP);
        self.wait_for_log(answer, before + 1);
    }

    /// A connection that has read INFO.
    pub(crate) fn dial(&self) -> Client {
        Client::dial(self.clients)
    }

    /// Waits for its end, which somebody else asked for.
    pub(crate) fn stop_was_clean(&mut self) -> Option<i32> {
        self.child.wait().expect("a child").code()
    }

    /// Ends it as an operator does, and gives its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().expect("a child").code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Over already, when a test stopped it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
