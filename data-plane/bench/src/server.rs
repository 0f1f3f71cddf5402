//! A server under measurement: which program it is, and one running process of it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::process::{Memory, ProcessorTime};
use crate::tenancy::Tenancy;
use crate::{child, real_server, serve_node};

const READY: Duration = Duration::from_secs(30);

/// A program that can be measured.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// The real server.
    Real(PathBuf),
    /// `tollway-bench`, this one or an earlier build, whose `serve-node` is our node.
    Node(PathBuf),
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
        match self {
            Self::Real(program) => start_real(program, tenancy, place, folder),
            Self::Node(program) => start_node(program, tenancy, place, folder),
        }
        .with_context(|| format!("cannot start {self}"))
    }

    /// Its file's name, for lines of progress.
    pub(crate) fn short_name(&self) -> String {
        let (Self::Real(program) | Self::Node(program)) = self;
        program
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// What it says about its version.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let (Self::Real(program) | Self::Node(program)) = self;
        let output = Command::new(program)
            .arg("--version")
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Real(program) | Self::Node(program)) = self;
        program.display().fmt(f)
    }
}

fn start_node(program: &Path, tenancy: &Tenancy, place: Place, folder: TempDir) -> anyhow::Result<Server> {
    serve_node::prepare(folder.path(), tenancy)?;
    let mut command = child::command(program, place.core)?;
    command
        .arg("serve-node")
        .arg(folder.path())
        .stdout(Stdio::piped());
    let mut process = spawn(command, &folder)?;
    let stdout = process.stdout.take().context("its output was asked for")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let Ok(port) = line.trim().parse() else {
        // It is ending, or it is no program of ours.
        let _ = process.kill();
        let _ = process.wait();
        bail!("it did not say its port; it logged: {}", log(&folder));
    };
    Ok(Server::new(process, port, folder))
}

fn start_real(program: &Path, tenancy: &Tenancy, place: Place, folder: TempDir) -> anyhow::Result<Server> {
    let configuration = real_server::prepare(folder.path(), tenancy)?;
    let mut command = child::command(program, place.core)?;
    command.arg("-c").arg(configuration).stdout(Stdio::null());
    let mut server = Server::new(spawn(command, &folder)?, 0, folder);
    let until = Instant::now() + READY;
    loop {
        if let Some(port) = real_server::port(server.folder.path())? {
            server.address.set_port(port);
            return Ok(server);
        }
        if let Some(status) = server.process.try_wait()? {
            bail!("it ended ({status}); it logged: {}", server.log());
        }
        if Instant::now() > until {
            bail!("it did not listen in {READY:?}; it logged: {}", server.log());
        }
        std::thread::sleep(Duration::from_millis(5));
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
    fn new(process: Child, port: u16, folder: TempDir) -> Self {
        Self {
            process,
            address: ([127, 0, 0, 1], port).into(),
            folder,
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
