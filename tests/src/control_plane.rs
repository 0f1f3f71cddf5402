//! `tollway serve`, the real program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::port::ReservedPort;
use crate::program::{Program, built};

/// A control plane on its own folder and ports, which it has again after each start.
#[derive(Debug)]
pub struct ControlPlane {
    program: Program,
    database_url: String,
    api: ReservedPort,
    fleet: ReservedPort,
    metrics: ReservedPort,
}

impl ControlPlane {
    pub(crate) fn new(parent: &Path, database_url: &str) -> Self {
        Self {
            program: Program::new("control-plane", parent),
            database_url: database_url.to_owned(),
            api: ReservedPort::new(),
            fleet: ReservedPort::new(),
            metrics: ReservedPort::new(),
        }
    }

    /// Starts it, and waits until it listens.
    pub async fn start(&mut self) {
        let mut command = Command::new(built("tollway"));
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(self.program.folder())
            .args(["--listen", &self.api.address().to_string()])
            .args(["--fleet-listen", &self.fleet.address().to_string()])
            .args(["--metrics-listen", &self.metrics.address().to_string()])
            .args(["--log-format", "json"])
            .env("DATABASE_URL", &self.database_url)
            .env_remove("TOLLWAY_KEK");
        self.program.start(command).await;
    }

    /// Stops it with SIGTERM and waits for its end, which must be a clean one.
    pub async fn stop(&mut self) {
        self.program.stop().await;
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        self.program.is_running()
    }

    /// `http://…` of REST, gRPC and console.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api.address())
    }

    /// `http://…` of metrics and health.
    pub fn metrics_url(&self) -> String {
        format!("http://{}", self.metrics.address())
    }

    /// `host:port` for nodes.
    pub fn fleet_address(&self) -> String {
        self.fleet.address().to_string()
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.program.folder()
    }

    /// The process that runs.
    pub fn process_id(&self) -> u32 {
        self.program.process_id()
    }

    /// Everything it logged, a JSON object per line.
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// What `tollway sign-in-link` prints: a link that signs one browser in.
    pub fn sign_in_link(&self) -> String {
        let output = Command::new(built("tollway"))
            .arg("sign-in-link")
            .arg("--data-dir")
            .arg(self.program.folder())
            .output()
            .expect("the program can be run");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .expect("a link is text")
            .trim()
            .to_owned()
    }

    pub(crate) fn admin_token_file(&self) -> PathBuf {
        self.program.folder().join("admin.token")
    }
}
