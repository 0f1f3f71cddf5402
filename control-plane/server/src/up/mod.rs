//! `tollway up`: everything on one machine, from nothing to a message.
//!
//! ```text
//!   tollway up ─┬─ Postgres (child, private)      or DATABASE_URL
//!               ├─ control plane (this process)
//!               ├─ tollway-node of cell-a (child)
//!               └─ tollway-node of cell-b (child)
//! ```
//!
//! It is the same code as in production with defaults filled in: the control plane starts as `tollway serve`
//! does, and each node enrols with a one-time token and attaches over mutual TLS. Children are started from the
//! main thread and die with it; one that ends by itself is started again. Stopping goes the other way round:
//! nodes, so that their last usage arrives, then the control plane, then Postgres.

mod announcement;
mod cell_node;
mod database;
mod demo;
mod demo_programs;
mod detach;
mod down;
mod error;
mod facts;
mod folder;
mod instance_lock;
mod language_tools;
mod own_program;
mod preflight;
mod progress;
mod settings;
mod shell_word;
mod signals;
mod supervised;

use crate::{
    app::{App, OpContext},
    request_id::RequestId,
    serve::{ControlPlane, ServeSettings},
    sign_in_link,
    telemetry::{self, LogFormat},
};
use tollway_authz::Principal;

pub use down::{DownError, down};
pub use error::UpError;
pub use settings::{UpSettings, default_data_dir};

use announcement::announcement;
use cell_node::CellNode;
use database::Database;
use demo::Demo;
use facts::Facts;
use folder::UpFolder;
use instance_lock::InstanceLock;
use language_tools::LanguageTools;
use progress::Progress;
use signals::Signals;

/// Starts everything, says where it is, and runs until a signal.
///
/// Call it on the main thread: children are told to end when the thread that started them does.
///
/// # Errors
/// Something did not start. What had started is stopped again.
pub async fn run(settings: UpSettings, log_format: LogFormat) -> Result<(), UpError> {
    // Before anything is started: a signal during the start stops what runs by then.
    let mut signals = Signals::install()?;
    let folder = UpFolder::open(&settings.data_dir)?;
    let lock = InstanceLock::take(&folder)?;
    preflight::disk_space(&folder)?;
    preflight::ports(&settings)?;
    telemetry::start_to_file(log_format, folder.log("control-plane")?);

    let mut progress = Progress::new();
    progress.title(folder.path());
    let mut running = Running::default();
    let started = tokio::select! {
        started = running.start(&settings, &folder, log_format, &mut progress) => Some(started),
        () = signals.stop() => None,
    };
    let outcome = match started {
        Some(Ok(facts)) => {
            let link = sign_in_link::create(&folder.control_plane()).await;
            match link {
                Ok(link) => {
                    folder.write_facts(&facts)?;
                    let tools = LanguageTools::look();
                    let text = announcement(&facts, &link, settings.detached, &tools);
                    progress.end(&text, settings.detached);
                    tokio::select! {
                        () = running.keep_running() => {}
                        () = signals.stop() => {}
                    }
                    Ok(())
                }
                Err(error) => Err(error.into()),
            }
        }
        Some(Err(error)) => Err(error),
        None => Ok(()),
    };
    progress.stopping(outcome.is_err());
    // A second signal means now: children are killed, and what they keep on disk is made for that.
    let in_order = tokio::select! {
        () = running.stop() => true,
        () = signals.stop() => false,
    };
    if !in_order {
        running.kill().await;
    }
    folder.remove_facts()?;
    drop(lock);
    progress.stopped();
    outcome
}

/// Starts `tollway up` in the background, and returns when it runs: `false` when it ended instead, and has
/// said why on stderr.
///
/// # Errors
/// It could not be started at all.
pub async fn run_detached() -> Result<bool, UpError> {
    detach::run().await
}

/// What runs, in the order in which it was started.
#[derive(Default)]
struct Running {
    database: Option<Database>,
    control_plane: Option<ControlPlane>,
    nodes: Vec<CellNode>,
}

impl Running {
    /// Each part is put into its place before it is waited for, so that [`Self::stop`] finds it whenever
    /// this is dropped.
    async fn start(
        &mut self,
        settings: &UpSettings,
        folder: &UpFolder,
        log_format: LogFormat,
        progress: &mut Progress,
    ) -> Result<Facts, UpError> {
        // What is not there is said before anything is started.
        let program = settings.node_program()?;
        progress.begin("Postgres");
        let database = self
            .database
            .insert(Database::choose(settings.database_url.clone(), folder)?);
        database.start().await?;
        progress.done(&database.to_string());

        progress.begin("control plane");
        let control_plane = ControlPlane::start(ServeSettings {
            data_dir: folder.control_plane(),
            database_url: database.url(),
            listen: settings.address(settings.api_port),
            fleet_listen: settings.address(settings.fleet_port),
            metrics_listen: settings.address(settings.metrics_port),
            kek_file: None,
        })
        .await
        .map_err(UpError::control_plane)?;
        let control_plane = self.control_plane.insert(control_plane);
        let ports = control_plane.ports();
        progress.done(&format!("http://{}", ports.api));

        for (name, port) in demo::CELLS.into_iter().zip(settings.nats_ports) {
            progress.begin(name);
            let node = CellNode::new(cell_node::CellNodeSettings {
                cell: name,
                program: program.clone(),
                folder: folder.node(name),
                log: folder.log_path(name),
                listen: settings.address(port),
                fleet: ports.fleet,
                log_format,
            });
            self.nodes.push(node);
            let node = self.nodes.last_mut().expect("it was just pushed");
            node.start(control_plane.app()).await?;
            progress.done(&node.url());
        }

        progress.begin("demo");
        let demo = Demo::make_or_resume(control_plane.app(), folder).await?;
        progress.done(&demo.summary());
        Ok(Facts::new(folder, ports, &self.nodes, demo))
    }

    /// Starts children again that end by themselves. Never returns.
    async fn keep_running(&mut self) {
        let nodes = self.nodes.iter_mut().map(CellNode::keep_running);
        let database = async {
            match &mut self.database {
                Some(database) => database.keep_running().await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(futures_util::future::join_all(nodes), database);
    }

    async fn stop(&mut self) {
        futures_util::future::join_all(self.nodes.iter_mut().map(CellNode::stop)).await;
        if let Some(control_plane) = self.control_plane.take() {
            control_plane.stop().await;
        }
        if let Some(database) = &mut self.database {
            database.stop().await;
        }
    }

    async fn kill(&mut self) {
        for node in &mut self.nodes {
            node.kill().await;
        }
        if let Some(database) = &mut self.database {
            database.kill().await;
        }
    }
}

/// A call by this command itself; the audit log says so. Each change has one of its own, and with it its own time:
/// lists are in the order of creation.
fn own_call(app: &App) -> OpContext {
    app.op(Principal::system("up"), RequestId::generate())
}
