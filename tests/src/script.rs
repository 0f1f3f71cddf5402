//! A program in another language that plays a client, step by step with the test.
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::{Tool, in_time, tool};

/// A running script. The two talk in lines over its standard streams: the script prints what it sees,
/// the test says when to go on. It is killed when the value is dropped,
/// and what it started with it.
#[derive(Debug)]
pub struct Script {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
}

impl Script {
    /// A Python file of this package with nats-py at hand. `None` when Python is not there and the test
    /// `test` cannot be made.
    pub fn python(test: &str, file: &str) -> Option<Command> {
        let mut command = Command::new(Tool::Python.find(test)?);
        command.arg(tool::source(file)).env("PYTHONUNBUFFERED", "1");
        Some(command)
    }

    /// A Node file of this package with the client libraries at hand; `None` as for Python.
    pub fn node(test: &str, file: &str, folder: &Path) -> Option<Command> {
        Self::node_beside(Tool::NodeDir, test, file, folder)
    }

    /// The same with the packages of the browser tests.
    pub fn browser(test: &str, file: &str, folder: &Path) -> Option<Command> {
        Self::node_beside(Tool::BrowserDir, test, file, folder)
    }

    /// Node looks for packages beside a file, not where it is told to: the scripts are copied into
    /// `folder`, which belongs to the test, beside a link to the packages.
    fn node_beside(packages: Tool, test: &str, file: &str, folder: &Path) -> Option<Command> {
        let node = Tool::Node.find(test)?;
        let packages = packages.find(test)?.join("node_modules");
        let file = tool::source(file);
        let beside = file.parent().expect("a file has a folder");
        let scripts = folder.join(format!("scripts-{}", beside.file_name()?.display()));
        if !scripts.exists() {
            fs::create_dir(&scripts).expect("the folder is the test's");
            std::os::unix::fs::symlink(&packages, scripts.join("node_modules"))
                .expect("the folder is the test's");
            for script in fs::read_dir(beside).expect("the repository is there").flatten() {
                if script.path().extension() == Some(OsStr::new("mjs")) {
                    fs::copy(script.path(), scripts.join(script.file_name()))
                        .expect("the folder is the test's");
                }
            }
        }
        let mut command = Command::new(node);
        command.arg(scripts.join(file.file_name()?));
        Some(command)
    }

    /// Runs it.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // It may be a shell with programs of its own, which must not outlive the test either.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {:?}: {error}", command.as_std().get_program()));
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        Self {
            stdin: child.stdin.take(),
            lines: BufReader::new(stdout).lines(),
            stderr: tokio::spawn(all_of(stderr)),
            child,
        }
    }

    /// The next line that it prints.
    ///
    /// # Panics
    /// When it ends instead; its errors are shown.
    pub async fn line(&mut self) -> String {
        let line = in_time("the script says something", self.lines.next_line()).await;
        match line.expect("scripts print text") {
            Some(line) => line,
            None => self.failed("the script ended early").await,
        }
    }

    /// The next line must be this one.
    pub async fn says(&mut self, expected: &str) {
        let line = self.line().await;
        if line != expected {
            self.failed(&format!("the script said {line:?}, not {expected:?}"))
                .await;
        }
    }

    /// Says a line to it.
    pub async fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("nobody closed it");
        let line = format!("{line}\n");
        if stdin.write_all(line.as_bytes()).await.is_err() {
            self.failed("the script does not listen any more").await;
        }
    }

    /// Waits for its end, which must be a success, and gives what it printed meanwhile.
    pub async fn finish(mut self) -> Vec<String> {
        drop(self.stdin.take());
        let mut rest = Vec::new();
        while let Some(line) = in_time("the script ends", self.lines.next_line())
            .await
            .expect("scripts print text")
        {
            rest.push(line);
        }
        let status = in_time("the script ends", self.child.wait())
            .await
            .expect("our child");
        if !status.success() {
            self.failed(&format!("the script ended with {status}: {rest:?}"))
                .await;
        }
        rest
    }

    fn kill(&self) {
        // It has no number any more once its end was seen: another program may have it.
        if let Some(group) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // Nothing to do when all of them ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    async fn failed(&mut self, what: &str) -> ! {
        self.kill();
        let errors = in_time("the script's errors end", &mut self.stderr)
            .await
            .unwrap_or_default();
        panic!("{what}\n{errors}");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn all_of(mut stream: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    // What was read until then is what there is to show.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
