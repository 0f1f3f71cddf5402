//! One of our programs as a process.
#![allow(
    clippy::print_stderr,
    reason = "the test runner shows it with the failed test"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::eventually;

/// How much of a log a failed test prints.
const TAIL_LINES: usize = 60;

/// A program with a data folder, which can run, end and run again.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    /// Where it keeps its files, `ports.json` among them.
    folder: PathBuf,
    /// Of all its runs.
    log: PathBuf,
    running: Option<Child>,
}

impl Program {
    /// A program that does not run yet. `name` is what logs call it.
    pub(crate) fn new(name: &str, parent: &Path) -> Self {
        Self {
            name: name.to_owned(),
            folder: parent.join(name),
            log: parent.join(format!("{name}.log")),
            running: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs it until it says in `ports.json` where it listens.
    pub(crate) async fn start(&mut self, mut command: Command) -> Value {
        assert!(self.running.is_none(), "{} runs already", self.name);
        let ports = self.folder.join("ports.json");
        // What a run that was killed left would be taken for the new one's.
        let _ = fs::remove_file(&ports);
        let log = File::options()
            .append(true)
            .create(true)
            .open(&self.log)
            .expect("a log file");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            .env_remove("RUST_LOG");
        self.running = Some(command.spawn().expect("the program can be run"));
        let what = format!("{} listens", self.name);
        eventually(&what, async || {
            if let Some(status) = self.try_wait() {
                panic!("{} did not start: {status}", self.name);
            }
            serde_json::from_slice(&fs::read(&ports).ok()?).ok()
        })
        .await
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        let status = self.running.as_mut()?.try_wait().expect("our child");
        if status.is_some() {
            self.running = None;
        }
        status
    }

    /// Asks it to end, as an operator does, and waits until it has.
    ///
    /// # Panics
    /// When it reports a failure.
    pub(crate) async fn stop(&mut self) {
        let child = self.running.as_ref().expect("the program runs");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), Signal::TERM).expect("our child");
        let what = format!("{} stops", self.name);
        let status = eventually(&what, async || self.try_wait()).await;
        assert!(status.success(), "{} ended with {status}", self.name);
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.running.take().expect("the program runs");
        child.kill().expect("our child");
        child.wait().expect("our child");
    }

    /// Whether it has not ended, by itself or by us.
    pub(crate) fn is_running(&mut self) -> bool {
        self.running.is_some() && self.try_wait().is_none()
    }

    /// The process that runs.
    pub(crate) fn process_id(&self) -> u32 {
        self.running.as_ref().expect("the program runs").id()
    }

    /// Everything that it ever logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
            eprintln!(
                "--- the end of the log of {}:\n{}\n---",
                self.name,
                tail.join("\n")
            );
        }
    }
}

/// A program of this build: in the target folder, beside the folder of the test that runs.
///
/// # Panics
/// When it was not built.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows where it is");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are in target/*/deps");
    let program = target.join(name);
    assert!(
        program.exists(),
        "{} is not there: run `cargo build --workspace` first; `cargo nextest run --workspace` does so by itself",
        program.display()
    );
    program
}
