//! A server under measurement: which program it is, and one running process of it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::process::{Memory, ProcessorTime};
use crate::tenancy::Tenancy;
use crate::{child, configuration};

const READY: Duration = Duration::from_secs(30);

/// A program that can be measured: it reads the same configuration as the others.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Whether it is the real server, which knows nothing of what accounts say to our node alone.
    pub(crate) is_real: bool,
}

/// What both servers of a comparison have in common.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    /// The processor that the server has to itself; all of them when absent.
    pub(crate) core: Option<usize>,
}

/// One running process. It is killed when this is dropped, and when the benchmark dies.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Program {
    /// Starts it with a folder of its own, and waits until it listens.
    pub(crate) fn start(&self, tenancy: &Tenancy, place: Place) -> anyhow::Result<Server> {
        let folder = tempfile::Builder::new().prefix("tollway-bench-").tempdir()?;
        let configuration = configuration::prepare(folder.path(), tenancy)?;
        let mut command = child::command(&self.path, place.core)?;
        command.arg("-c").arg(configuration).stdout(Stdio::null());
        let process = spawn(command, &folder).with_context(|| format!("cannot start {self}"))?;
        let mut server = Server::new(process, folder);
        server
            .wait_until_ready()
            .with_context(|| format!("cannot start {self}"))?;
        Ok(server)
    }

    /// Its file's name, for lines of progress.
    pub(crate) fn short_name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// What it says about its version.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.path)
            .arg("--version")
            .output()
            .with_context(|| format!("cannot run {self}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.display().fmt(f)
    }
}

fn spawn(mut command: Command, folder: &TempDir) -> anyhow::Result<Child> {
    let log = File::create(folder.path().join("log"))?;
    Ok(command.stdin(Stdio::null()).stderr(log).spawn()?)
}

/// The last lines that a server logged.
fn log(folder: &TempDir) -> String {
    let text = std::fs::read(folder.path().join("log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

impl Server {
    fn new(process: Child, folder: TempDir) -> Self {
        Self {
            process,
            address: ([127, 0, 0, 1], 0).into(),
            folder,
        }
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + READY;
        loop {
            if let Some(port) = configuration::port(self.folder.path())? {
                self.address.set_port(port);
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended ({status}); it logged: {}", self.log());
            }
            if Instant::now() > until {
                bail!("it did not listen in {READY:?}; it logged: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn processor_time(&self) -> anyhow::Result<ProcessorTime> {
        ProcessorTime::of(self.process.id())
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.process.id())
    }

    /// The last lines that it logged.
    pub(crate) fn log(&self) -> String {
        log(&self.folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is kept of it, so there is nothing to end in good order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
