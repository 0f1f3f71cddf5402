//! `tollway-node`, the real program.

use std::path::Path;
use std::process::Command;

use crate::port::ReservedPort;
use crate::program::{Program, built};

/// The node of a cell, on its own folder and ports, which it has again after each start.
#[derive(Debug)]
pub struct Node {
    program: Program,
    cell: String,
    fleet_address: String,
    enrolment_token: String,
    client: ReservedPort,
    metrics: ReservedPort,
}

impl Node {
    pub(crate) fn new(parent: &Path, cell: &str, fleet_address: String, enrolment_token: String) -> Self {
        Self {
            program: Program::new(&format!("node-{cell}"), parent),
            cell: cell.to_owned(),
            fleet_address,
            enrolment_token,
            client: ReservedPort::new(),
            metrics: ReservedPort::new(),
        }
    }

    /// Starts it, and waits until clients can connect.
    pub async fn start(&mut self) {
        let mut command = Command::new(built("tollway-node"));
        command
            .arg("--data-dir")
            .arg(self.program.folder())
            .args(["--control-plane", &self.fleet_address])
            .args(["--name", &format!("node-{}", self.cell)])
            .args(["--listen", &self.client.address().to_string()])
            .args(["--metrics-listen", &self.metrics.address().to_string()])
            .args(["--log-format", "json"])
            // Used at the first start, not looked at later.
            .env("TOLLWAY_ENROL_TOKEN", &self.enrolment_token);
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

    /// `nats://…` for clients, the same after each start.
    pub fn url(&self) -> String {
        format!("nats://{}", self.client.address())
    }

    /// `host:port` for clients of raw bytes.
    pub fn address(&self) -> std::net::SocketAddr {
        self.client.address()
    }

    /// `http://…` of metrics and health.
    pub fn metrics_url(&self) -> String {
        format!("http://{}", self.metrics.address())
    }

    /// The name of the cell it serves.
    pub fn cell(&self) -> &str {
        &self.cell
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
}
