//! A node, from its start to its end.
//!
//! The order is what static stability needs: the last known good configuration
//! is in force before the first client is accepted, and neither waits for the
//! control plane. Only a node that never enrolled has to. Nothing that serving
//! needs is a write: a node restarts on a full disk, and says what it could not keep.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tollway_claims::{KeyKind, Signer};
use tollway_websocket::Origin;
use uuid::Uuid;

use crate::broker::{Broker, BrokerSettings, listener};
use crate::client_threads::ClientThreads;
use crate::data_folder::{DataFolder, DataFolderError, Ports};
use crate::error_text;
use crate::fleet::{
    Configuration, EnrolError, EnrolmentTokenError, EnrolmentTokenSource, Identity, IdentityError,
    IdentityStore, LastKnownGood, LastKnownGoodError, Link, LinkParts, enrol,
};
use crate::monitor::system::SystemDesk;
use crate::monitor::{About, FleetSide, Monitor, Side};
use crate::open_files;
use crate::status::NodeStatus;
use crate::transport::{Tls, TlsError, TlsSettings, WebSocketSettings};
use crate::unix_clock::unix_now;
use crate::usage::{ControlClock, JournalError, UsageMeter};

/// Everything a node is told when it starts.
#[derive(Debug)]
pub struct NodeSettings {
    /// The node's own folder.
    pub data_dir: PathBuf,
    /// `host:port` of the fleet port.
    pub control_plane: String,
    /// Needed once.
    pub enrolment_token: EnrolmentTokenSource,
    /// Name in lists; the machine's when absent.
    pub name: Option<String>,
    /// For NATS clients.
    pub listen: SocketAddr,
    /// For those and for websockets, when clients have to use it.
    pub tls: Option<TlsSettings>,
    /// For NATS clients in browsers.
    pub websocket: Option<WebSocketListener>,
    /// Where clients reach the node, when that is not where it listens.
    pub client_url: Option<String>,
    /// For health and metrics.
    pub metrics_listen: SocketAddr,
}

/// Where websockets are served.
#[derive(Debug)]
pub struct WebSocketListener {
    /// The address.
    pub listen: SocketAddr,
    /// Which pages may connect; all when there are none.
    pub origins: Vec<Origin>,
}

/// Why a node did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] DataFolderError),
    /// What enrolment left cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Nobody knows who this node is.
    #[error(transparent)]
    EnrolmentToken(#[from] EnrolmentTokenError),
    /// It did not become a member.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// A port cannot be had.
    #[error(
        "cannot listen on {address} for {purpose}: stop the program that has the port, or choose another with {flag}"
    )]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What for.
        purpose: &'static str,
        /// The flag that chooses it.
        flag: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The operating system does not say which port it gave.
    #[error("cannot find out the address that was listened on")]
    Address(#[source] io::Error),
    /// The configuration on disk cannot be opened.
    #[error(transparent)]
    LastKnownGood(#[from] LastKnownGoodError),
    /// The usage on disk cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No key can be made.
    #[error("this machine has no source of random numbers")]
    Random,
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The threads that serve clients cannot be had.
    #[error("cannot start the threads that serve clients")]
    Threads(#[source] io::Error),
    /// A part that should run as long as the node ended before.
    #[error("the broker failed")]
    Broker(#[source] tokio::task::JoinError),
}

/// Runs a node until `stop`. Clients are served by threads of their own: what runs here never
/// waits for a tenant.
///
/// # Errors
/// When it cannot start; the text says what to do.
pub async fn run(settings: NodeSettings, stop: CancellationToken) -> Result<(), NodeError> {
    open_files::raise();
    let folder = Arc::new(DataFolder::open(&settings.data_dir)?);
    remove_ports(&folder);
    let Some(identity) = identity(&folder, &settings, &stop).await? else {
        return Ok(());
    };
    let clients = ClientThreads::start().map_err(NodeError::Threads)?;
    let tls = settings.tls.map(Tls::load).transpose()?;
    let (client_listener, websocket_listener) = {
        // Their threads wait for its events.
        let _theirs = clients.runtime().enter();
        let of_websockets = settings.websocket.as_ref().map(|websocket| websocket.listen);
        let of_websockets = of_websockets.map(|address| listen(address, "websockets", "--websocket-listen"));
        (
            listen(settings.listen, "NATS clients", "--listen")?,
            of_websockets.transpose()?,
        )
    };
    let metrics_listener = listen(settings.metrics_listen, "health and metrics", "--metrics-listen")?;
    let ports = Ports {
        client: address_of(&client_listener)?,
        metrics: address_of(&metrics_listener)?,
        websocket: websocket_listener.as_ref().map(address_of).transpose()?,
    };

    let boot = Uuid::now_v7();
    let mut broker_settings = broker_settings(&identity, ports.client)?;
    broker_settings.websocket = ports.websocket.map(|address| {
        let mut websocket = WebSocketSettings::new(address.ip().to_string(), address.port());
        websocket.tls.clone_from(&tls);
        let origins = settings.websocket.map(|websocket| websocket.origins);
        websocket.upgrade.origins.allowed = origins.unwrap_or_default();
        websocket
    });
    broker_settings.tls.clone_from(&tls);
    let broker = Broker::new(broker_settings);
    let status = Arc::new(NodeStatus::default());
    let store = LastKnownGood::open(&folder.file("last-known-good.log"))?;
    let configuration = Configuration::load(store, broker.clone(), &identity.trust(), unix_now());
    status.cursor_set(configuration.cursor());
    let clock = Arc::new(ControlClock::local());
    let meters = broker.clone();
    let usage = Arc::new(UsageMeter::start(
        &folder.file("usage.log"),
        boot,
        clock.clone(),
        Box::new(move |visit| meters.meters_visit(visit)),
    )?);
    tracing::info!(
        node = identity.node_id,
        cell = identity.cell_id,
        cell_name = identity.cell_name,
        %boot,
        accounts = configuration.accounts(),
        client = %ports.client,
        metrics = %ports.metrics,
        websocket = ports.websocket.map(tracing::field::display),
        tls = tls.is_some(),
        "serving"
    );

    let stop_serving = stop.child_token();
    let serving = clients.runtime().spawn({
        let (broker, stop) = (broker.clone(), stop_serving.clone());
        async move {
            broker.serve_with(client_listener, websocket_listener, stop).await;
        }
    });
    let scheme = if tls.is_some() { "tls" } else { "nats" };
    let reloading = tls.map(|tls| tokio::spawn(reload_on_hangup(tls)));
    status.listening_set(true);
    let monitor = Monitor {
        broker: broker.clone(),
        side: Side::Fleet(Arc::new(FleetSide {
            status: status.clone(),
            usage: usage.clone(),
        })),
        about: Arc::new(About::new(
            ports.metrics.ip().to_string(),
            ports.metrics.port(),
            String::new(),
            String::new(),
            Vec::new(),
        )),
    };
    let system = tokio::spawn(SystemDesk::new(monitor.clone(), None).run());
    let monitor = tokio::spawn(monitor.serve(metrics_listener));
    let nothing_more_counted = CancellationToken::new();
    let link = Link::new(LinkParts {
        control_plane: settings.control_plane,
        identity: Arc::new(IdentityStore::new(folder.clone(), identity)),
        configuration: Arc::new(Mutex::new(configuration)),
        broker,
        usage: usage.clone(),
        clock,
        status: status.clone(),
        boot,
        client_url: settings
            .client_url
            .unwrap_or_else(|| format!("{scheme}://{}", ports.client)),
    });
    let link = tokio::spawn(link.run(nothing_more_counted.clone()));
    if let Err(error) = folder.write_ports(&ports) {
        let error = error_text::chain(&error);
        tracing::warn!(
            error,
            "serving, but the file that says where could not be written"
        );
    }

    // The broker ends when it was told to; anything else is our own failure, and is not hidden.
    let served = serving.await;
    status.listening_set(false);
    tracing::info!("stopping");
    let finished = tokio::task::spawn_blocking({
        let usage = usage.clone();
        move || usage.finish()
    });
    if finished.await.is_err() {
        tracing::error!("the last checkpoint of the usage failed");
    }
    nothing_more_counted.cancel();
    if link.await.is_err() {
        tracing::error!("the link to the control plane had failed");
    }
    monitor.abort();
    system.abort();
    if let Some(reloading) = reloading {
        reloading.abort();
    }
    remove_ports(&folder);
    served.map_err(NodeError::Broker)
}

/// Reads certificate and key again at each SIGHUP: they are replaced every few weeks, and clients
/// stay connected.
async fn reload_on_hangup(tls: Arc<Tls>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be heard: a new certificate needs a restart");
        return;
    };
    while hangup.recv().await.is_some() {
        let tls = tls.clone();
        match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(Ok(())) => tracing::info!("the certificate was read again"),
            Ok(Err(error)) => {
                let error = error_text::chain(&error);
                tracing::error!(error, "the certificate stays as it was");
            }
            Err(_) => tracing::error!("reading the certificate again failed"),
        }
    }
}

/// A file that stays misleads whoever looks for the ports, which is no reason to serve nobody.
fn remove_ports(folder: &DataFolder) {
    if let Err(error) = folder.remove_ports() {
        tracing::warn!(error = error_text::chain(&error), "the ports file is left");
    }
}

/// Who this node is: from its folder, or by enrolling now. `None` when it was
/// told to stop meanwhile.
async fn identity(
    folder: &DataFolder,
    settings: &NodeSettings,
    stop: &CancellationToken,
) -> Result<Option<Identity>, NodeError> {
    if let Some(mut identity) = Identity::load(folder)? {
        if let Some(name) = &settings.name {
            identity.node_name.clone_from(name);
        }
        return Ok(Some(identity));
    }
    let token = settings.enrolment_token.read()?;
    let name = settings.name.clone().unwrap_or_else(machine_name);
    let enrolled = tokio::select! {
        enrolled = enrol(&settings.control_plane, &token, &name) => enrolled?,
        () = stop.cancelled() => return Ok(None),
    };
    enrolled.save(folder)?;
    tracing::info!(node = enrolled.node_id, cell = enrolled.cell_id, "enrolled");
    Ok(Some(enrolled))
}

fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "node".to_owned() } else { name }
}

fn broker_settings(identity: &Identity, client: SocketAddr) -> Result<BrokerSettings, NodeError> {
    // As with stock servers, the server's id is new at each start.
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| NodeError::Random)?;
    let server = Signer::generate(KeyKind::Server, random).public();
    let mut settings = BrokerSettings::new(&identity.node_name, server.to_string());
    settings.host = client.ip().to_string();
    settings.port = client.port();
    settings.max_connections = open_files::connections_max(settings.max_connections);
    Ok(settings)
}

fn listen(address: SocketAddr, purpose: &'static str, flag: &'static str) -> Result<TcpListener, NodeError> {
    listener::bind(address).map_err(|source| NodeError::Listen {
        address,
        purpose,
        flag,
        source,
    })
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, NodeError> {
    listener.local_addr().map_err(NodeError::Address)
}
