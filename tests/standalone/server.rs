//! A server for one test, started from a file: ours, or the real one.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tollway_tests::{PATIENCE, Tool, built};

/// A server that runs.
pub(crate) struct Server {
    name: &'static str,
    program: PathBuf,
    child: Child,
    folder: tempfile::TempDir,
    ports: Value,
    reloads: Cell<usize>,
}

/// The node, and the real server where it can be had, both with this file and these flags.
pub(crate) fn both(test: &str, file: &str, flags: &[&str]) -> Vec<Server> {
    let real = Tool::RealServer.find(test);
    let mut servers = vec![Server::start("node", built("tollway-node"), file, flags)];
    servers.extend(real.map(|program| Server::start("real server", program, file, flags)));
    servers
}

impl Server {
    fn start(name: &'static str, program: PathBuf, file: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("server.conf"), file).expect("a file");
        let log = File::create(path("log")).expect("a file");
        let child = Command::new(&program)
            .args(["-c", "server.conf", "-a", "127.0.0.1", "-p", "-1", "-P", "pid"])
            .args(["--ports_file_dir", "."])
            .args(flags)
            .current_dir(folder.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        let mut server = Self {
            name,
            program,
            child,
            folder,
            ports: Value::Null,
            reloads: Cell::new(0),
        };
        server.ports = server.wait(|server| {
            let text = fs::read(server.ports_file()).ok()?;
            serde_json::from_slice(&text).ok()
        });
        server.wait(|server| server.log().contains("Server is ready").then_some(()));
        server
    }

    fn wait<T>(&mut self, mut state: impl FnMut(&Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = state(self) {
                return found;
            }
            let ended = self.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "{}: {}",
                self.name,
                self.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn pid_file(&self) -> String {
        fs::read_to_string(self.folder.path().join("pid")).expect("it is there")
    }

    /// Named as the program that was started.
    pub(crate) fn ports_file(&self) -> PathBuf {
        let name = self.program.file_name().expect("a program").display();
        self.folder.path().join(format!("{name}_{}.ports", self.pid()))
    }

    pub(crate) fn ports(&self) -> &Value {
        &self.ports
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        self.ports["nats"][0].as_str().expect("there is a URL").to_owned()
    }

    pub(crate) fn port(&self) -> String {
        let url = self.url();
        url.rsplit_once(':').expect("a port").1.to_owned()
    }

    /// A page of its monitoring.
    pub(crate) async fn page(&self, path: &str) -> Value {
        let url = self.ports["monitoring"][0].as_str().expect("it is served");
        let answer = reqwest::get(format!("{url}/{path}")).await.expect("it answers");
        answer.json().await.expect("JSON")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("it runs");
    }

    /// Puts another file in place and waits until it counts.
    pub(crate) fn reload(&self, file: &str) {
        fs::write(self.folder.path().join("server.conf"), file).expect("a file");
        self.reloads.set(self.reloads.get() + 1);
        self.signal(Signal::HUP);
        let start = Instant::now();
        while self.log().matches("Reloaded server configuration").count() < self.reloads.get() {
            assert!(start.elapsed() < PATIENCE, "{}: {}", self.name, self.log());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().expect("a child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Over already, when a test stopped it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
