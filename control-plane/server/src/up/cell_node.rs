//! The node of one cell, as a child process.

use std::{
    fs, io, net::SocketAddr, os::unix::process::CommandExt, path::PathBuf, process::Command, time::Duration,
};

use clap::ValueEnum;
use rustix::process::Signal;
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use tollway_api as api;
use zeroize::Zeroizing;

use super::{UpError, own_call, supervised::Supervised};
use crate::{
    app::{App, AppError, cell},
    telemetry::LogFormat,
};

/// Longer than a node needs for its last checkpoint and report.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// How long a node may take to enrol, open its ports and attach.
const READY_WAIT: Duration = Duration::from_secs(60);
/// How often we look whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// What of our environment is not for a node to know.
const SECRET_VARIABLES: [&str; 2] = ["DATABASE_URL", crate::secrets::KEK_VARIABLE];
const TOKEN_VARIABLE: &str = "TOLLWAY_ENROL_TOKEN";

/// How to start a node.
pub(super) struct CellNodeSettings {
    pub(super) cell: &'static str,
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) log: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) fleet: SocketAddr,
    pub(super) log_format: LogFormat,
}

/// See the module.
pub(super) struct CellNode {
    settings: CellNodeSettings,
    process: Supervised,
    ports: Option<NodePorts>,
}

/// What the node writes into its folder.
#[derive(Debug, Clone, Copy, Deserialize)]
struct NodePorts {
    client: SocketAddr,
    metrics: SocketAddr,
}

impl CellNode {
    pub(super) fn new(settings: CellNodeSettings) -> Self {
        let what = format!("the node of {}", settings.cell);
        let process = Supervised::new(what, settings.log.clone(), Signal::TERM, STOP_WAIT);
        Self {
            settings,
            process,
            ports: None,
        }
    }

    /// Makes the cell when it is not there, starts the node, and waits until it is attached.
    pub(super) async fn start(&mut self, app: &App) -> Result<(), UpError> {
        let name = self.settings.cell;
        if let Err(error) = cell::get(&own_call(app), name).await {
            if !is_not_found(&error) {
                return Err(UpError::demo("look for a cell")(error));
            }
            let new = api::NewCell {
                name: name.to_owned(),
            };
            cell::create(&own_call(app), new)
                .await
                .map_err(UpError::demo("create a cell"))?;
        }
        let mut command = self.settings.command();
        if !self.settings.is_enrolled() {
            let new = api::NewEnrolmentToken {
                lifetime_seconds: None,
            };
            let token = cell::create_enrolment_token(&own_call(app), name, new)
                .await
                .map_err(UpError::demo("make an enrolment token"))?;
            let token = Zeroizing::new(token.token);
            command.env(TOKEN_VARIABLE, token.as_str());
        }
        match fs::remove_file(self.settings.ports_file()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(UpError::file("remove", self.settings.ports_file())(error));
            }
            _ => {}
        }
        self.process.start(command)?;
        let ready = timeout(READY_WAIT, ready(app, name, self.settings.ports_file()));
        let ready = async { Ok::<_, UpError>(ready.await) };
        match self.process.ready(ready).await? {
            Ok(ports) => {
                self.ports = Some(ports?);
                Ok(())
            }
            Err(_) => Err(self.process.not_ready()),
        }
    }

    /// Where clients reach it.
    pub(super) fn url(&self) -> String {
        self.ports
            .map(|ports| format!("nats://{}", ports.client))
            .unwrap_or_default()
    }

    /// Where its metrics are.
    pub(super) fn metrics_url(&self) -> String {
        self.ports
            .map(|ports| format!("http://{}/metrics", ports.metrics))
            .unwrap_or_default()
    }

    pub(super) fn cell(&self) -> &'static str {
        self.settings.cell
    }

    pub(super) async fn keep_running(&mut self) {
        let Self {
            settings,
            process,
            ports,
        } = self;
        // Clients know the port that it had.
        let listen = ports.map_or(settings.listen, |ports| ports.client);
        process
            .keep_running(|| CellNodeSettings::command_on(settings, listen))
            .await;
    }

    pub(super) async fn stop(&mut self) {
        self.process.stop().await;
    }

    pub(super) async fn kill(&mut self) {
        self.process.kill().await;
    }
}

impl CellNodeSettings {
    fn command(&self) -> Command {
        self.command_on(self.listen)
    }

    fn command_on(&self, listen: SocketAddr) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--data-dir")
            .arg(&self.folder)
            .arg("--control-plane")
            .arg(self.fleet.to_string())
            .args(["--name", self.cell])
            .arg("--listen")
            .arg(listen.to_string())
            .args(["--metrics-listen", "127.0.0.1:0"])
            .arg("--end-with-parent");
        if let Some(format) = self.log_format.to_possible_value() {
            command.args(["--log-format", format.get_name()]);
        }
        for variable in SECRET_VARIABLES {
            command.env_remove(variable);
        }
        // A Ctrl-C in the terminal is for us: we decide who stops when.
        command.current_dir("/").process_group(0);
        command
    }

    fn is_enrolled(&self) -> bool {
        self.folder.join("identity.json").exists()
    }

    fn ports_file(&self) -> PathBuf {
        self.folder.join("ports.json")
    }
}

/// It listens, and the control plane hears it.
async fn ready(app: &App, cell: &str, ports_file: PathBuf) -> Result<NodePorts, UpError> {
    let ports = loop {
        // The file appears whole; until then there is nothing to read.
        match fs::read(&ports_file).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(ports)) => break ports,
            _ => sleep(LOOK_INTERVAL).await,
        }
    };
    loop {
        let cell = cell::get(&own_call(app), cell)
            .await
            .map_err(UpError::demo("look at a cell"))?;
        if cell.nodes.iter().any(|node| node.connected) {
            return Ok(ports);
        }
        sleep(LOOK_INTERVAL).await;
    }
}

fn is_not_found(error: &AppError) -> bool {
    matches!(error, AppError::Problem(problem) if problem.code == api::ProblemCode::NotFound)
}
