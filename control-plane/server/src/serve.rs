//! One control plane, wired together: started, running, stopped.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tollway_datastore::{ConnectError, Datastore, DatastoreOptions, InvalidDatabaseUrl, MigrateError};

use crate::{
    app::{App, AppParts},
    bootstrap::{self, BootstrapError},
    bounds::STOP_WAIT,
    clock,
    data_folder::{DataFolder, DataFolderError, Ports},
    fleet::{self, FleetHub, FleetTls, FleetTlsError, pass_signals},
    http,
    jobs::clean_up,
    listen::{self, ListenError},
    local_socket,
    metrics::Metrics,
    open_files,
    secrets::{KEK_VARIABLE, KekError, KekSource, KeyEncryptionKey},
};

/// How to start a control plane.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// The folder of this process: key, first token, ports.
    pub data_dir: PathBuf,
    /// Postgres.
    pub database_url: String,
    /// REST, gRPC and console. Port 0 is any free one, here and below.
    pub listen: SocketAddr,
    /// Nodes.
    pub fleet_listen: SocketAddr,
    /// Metrics and health.
    pub metrics_listen: SocketAddr,
    /// The key-encryption key's file; `kek` in the data folder when absent. The environment comes first.
    pub kek_file: Option<PathBuf>,
}

/// Why a control plane did not start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] DataFolderError),
    /// The key-encryption key.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// The database URL.
    #[error(transparent)]
    DatabaseUrl(#[from] InvalidDatabaseUrl),
    /// The database.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The schema.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The installation.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The fleet listener's certificate.
    #[error(transparent)]
    FleetTls(#[from] FleetTlsError),
    /// A port.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// A control plane that serves. Stop it with [`Self::stop`]; dropping it leaves it running.
pub struct ControlPlane {
    app: App,
    folder: DataFolder,
    ports: Ports,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl ControlPlane {
    /// Migrates if need be, makes the installation if there is none, and serves.
    pub async fn start(settings: ServeSettings) -> Result<Self, StartError> {
        open_files::raise();
        let folder = DataFolder::open(&settings.data_dir)?;
        // Whoever waits for the file must not find the one of the last run.
        folder.remove_ports()?;
        let datastore = Datastore::connect(&DatastoreOptions::from_url(&settings.database_url)?).await?;
        datastore.schema_ensure().await?;
        let kek = kek_source(&folder, settings.kek_file)?;
        let installation = bootstrap::bootstrap(&datastore, kek, &folder).await?;

        let authority = Arc::new(installation.authority);
        let tls = Arc::new(FleetTls::new(Arc::clone(&authority), clock::now())?);
        let public = listen::bind(settings.listen, "the API and the console", "--listen")?;
        let nodes = listen::bind(settings.fleet_listen, "nodes", "--fleet-listen")?;
        let internal = listen::bind(settings.metrics_listen, "metrics", "--metrics-listen")?;
        let local =
            local_socket::bind(&settings.data_dir).map_err(DataFolderError::socket(&settings.data_dir))?;
        let ports = Ports {
            api: listen::address(&public, settings.listen),
            fleet: listen::address(&nodes, settings.fleet_listen),
            metrics: listen::address(&internal, settings.metrics_listen),
        };

        let metrics = Metrics::new();
        let hub = FleetHub::new(metrics.clone());
        let operator = installation.operator;
        let app = App::new(AppParts {
            datastore,
            kek: installation.kek,
            operator,
            authority,
            hub,
            metrics,
        });
        let stop = CancellationToken::new();
        let public_router = http::public_router(app.clone()).await;
        let tasks = vec![
            tokio::spawn(listen::serve(public, public_router, stop.clone())),
            tokio::spawn(listen::serve(
                internal,
                http::internal_router(app.clone()),
                stop.clone(),
            )),
            tokio::spawn(local_socket::serve(
                local,
                http::local_router(app.clone()),
                stop.clone(),
            )),
            tokio::spawn(fleet::serve(nodes, tls, app.clone(), stop.clone())),
            tokio::spawn(pass_signals(
                app.fleet_datastore().clone(),
                app.hub().clone(),
                stop.clone(),
            )),
            tokio::spawn(clean_up(app.fleet_datastore().clone(), stop.clone())),
        ];
        folder.write_ports(&ports)?;
        tracing::info!(api = %ports.api, fleet = %ports.fleet, metrics = %ports.metrics, "the control plane serves");
        Ok(Self {
            app,
            folder,
            ports,
            stop,
            tasks,
        })
    }

    /// Where it listens.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// What its calls share.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Finishes open calls and ends streams, each within a bound, and closes the database.
    pub async fn stop(self) {
        tracing::info!("the control plane stops");
        self.stop.cancel();
        for task in self.tasks {
            // Each task has its own bound; a task that panicked has said so.
            let _ = task.await;
        }
        let closed = async {
            self.app.datastore().close().await;
            self.app.fleet_datastore().close().await;
        };
        if timeout(STOP_WAIT, closed).await.is_err() {
            tracing::warn!("some database connections did not close in time");
        }
        if let Err(error) = self.folder.remove_ports() {
            tracing::warn!(error = crate::app::chain(&error), "the ports file is left");
        }
        if let Err(error) = local_socket::remove(self.folder.path()) {
            tracing::warn!(%error, "the socket in the data folder is left");
        }
    }
}

fn kek_source(folder: &DataFolder, file: Option<PathBuf>) -> Result<KekSource, KekError> {
    match std::env::var(KEK_VARIABLE) {
        Ok(text) if !text.is_empty() => {
            KeyEncryptionKey::from_base64(&text, KEK_VARIABLE).map(KekSource::Given)
        }
        _ => Ok(KekSource::File(file.unwrap_or_else(|| folder.kek_file()))),
    }
}
