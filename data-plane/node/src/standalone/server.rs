//! A node of its own, from its start to its end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tollway_claims::{KeyKind, Signer};

use super::configuration::{Address, Configuration, ConfigurationError};
use super::flags::Flags;
use super::log::{Log, LogError};
use super::ports_file::{PortsFile, write_pid};
use super::transports::Websocket;
use crate::broker::{Broker, PROTOCOL_VERSION, listener, operator_runtime};
use crate::client_threads::ClientThreads;
use crate::monitor::system::{ReloadOrder, SystemDesk};
use crate::monitor::{About, Monitor, Side};
use crate::transport::TlsError;
use crate::unix_clock::unix_now;
use crate::{error_text, open_files};

/// Why a node of its own did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// What it is told.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// Where it logs to.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A port cannot be had.
    #[error("cannot listen on {host}:{port} for {purpose}")]
    Listen {
        /// The address.
        host: String,
        /// The port.
        port: u16,
        /// What for.
        purpose: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file that others wait for.
    #[error("cannot write {path}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No key can be made.
    #[error("this machine has no source of random numbers")]
    Random,
    /// The operating system refuses threads or signals.
    #[error("cannot start the threads that serve clients")]
    Threads(#[source] io::Error),
    /// A part that should run as long as the node ended before.
    #[error("the broker failed")]
    Broker(#[source] tokio::task::JoinError),
}

/// Runs until a signal ends it.
pub(super) fn start(flags: Flags) -> Result<(), StandaloneError> {
    // First: a parent that ends from here on takes us with it.
    #[cfg(target_os = "linux")]
    if flags.end_with_parent {
        let term = rustix::process::Signal::TERM;
        rustix::process::set_parent_process_death_signal(Some(term))
            .map_err(|error| StandaloneError::Threads(error.into()))?;
    }
    // Before there is a log: what is wrong with it is for whoever starts the program.
    let configuration = Configuration::load(&flags, unix_now())?;
    let log = Log::start(&configuration.log)?;
    let runtime = operator_runtime().map_err(StandaloneError::Threads)?;
    runtime.block_on(run(flags, configuration, log))
}

async fn run(flags: Flags, configuration: Configuration, log: Log) -> Result<(), StandaloneError> {
    let mut signals = Signals::new().map_err(StandaloneError::Threads)?;
    open_files::raise();
    let server_id = server_id()?;
    tracing::info!("Starting tollway-node");
    tracing::info!(
        "  Version:  {} (as nats-server {PROTOCOL_VERSION})",
        env!("CARGO_PKG_VERSION")
    );
    tracing::info!(
        "  Name:     {}",
        configuration.server_name.as_deref().unwrap_or(&server_id)
    );
    tracing::info!("  ID:       {server_id}");
    if let Some(path) = &flags.config {
        tracing::info!("Using configuration file: {path} ({})", configuration.digest);
    }
    for notice in &configuration.notices {
        tracing::warn!("{notice}");
    }

    let threads = ClientThreads::start().map_err(StandaloneError::Threads)?;
    let listeners = Listeners::open(&configuration, &threads)?;
    let at = listeners.addresses()?;
    if let Some(path) = &configuration.pid_file {
        write_pid(path).map_err(file(path))?;
    }

    let websocket_port = at.websocket.map_or(0, |address| address.port());
    let settings = configuration.broker_settings(server_id, at.clients.port(), websocket_port);
    let broker = Broker::new(settings);
    let about = Arc::new(About::new(
        configuration
            .monitoring
            .as_ref()
            .map(|address| address.host.clone())
            .unwrap_or_default(),
        at.monitoring.map_or(0, |address| address.port()),
        configuration.base_path.clone(),
        configuration.digest.clone(),
        configuration.tags.clone(),
    ));
    let mut running = Running {
        flags,
        broker,
        log,
        configuration,
        about: about.clone(),
    };
    running.put_in_force();
    let stop = CancellationToken::new();
    let serving = threads.runtime().spawn({
        let (broker, stop) = (running.broker.clone(), stop.child_token());
        let (clients, websocket) = (listeners.clients, listeners.websocket);
        async move { broker.serve_with(clients, websocket, stop).await }
    });
    let monitor = Monitor {
        broker: running.broker.clone(),
        side: Side::Standalone,
        about,
    };
    let (reload, mut reloads) = mpsc::channel(1);
    tokio::spawn(SystemDesk::new(monitor.clone(), Some(reload)).run());
    if let Some(listener) = listeners.monitoring {
        tokio::spawn(monitor.serve(listener));
    }
    at.tell(&running.configuration);
    let folder = running.configuration.ports_file_dir.as_ref();
    let ports_file = folder.map(|folder| {
        let websocket = running.configuration.websocket.as_ref();
        let websocket = websocket.map(Websocket::scheme).zip(at.websocket);
        PortsFile::write(folder, at.clients, at.monitoring, websocket).map_err(file(folder))
    });
    let ports_file = ports_file.transpose()?;
    tracing::info!("Server is ready");
    if running.configuration.is_open && !at.clients.ip().is_loopback() {
        tracing::warn!(
            "Anybody who reaches this address may connect: no user, token or operator is configured"
        );
    }

    let mut serving = serving;
    let served = tokio::select! {
        // After it was told to leave, when the last client has gone.
        served = &mut serving => Some(served),
        () = running.until_told(&mut signals, &mut reloads) => None,
    };
    tracing::info!("Initiating Shutdown...");
    stop.cancel();
    let served = match served {
        Some(served) => served,
        None => serving.await,
    };
    drop(ports_file);
    tracing::info!("Server Exiting..");
    served.map_err(StandaloneError::Broker)
}

/// What listens, from before there is a broker.
struct Listeners {
    clients: TcpListener,
    websocket: Option<TcpListener>,
    monitoring: Option<TcpListener>,
}

/// Where it does.
struct Addresses {
    clients: SocketAddr,
    websocket: Option<SocketAddr>,
    monitoring: Option<SocketAddr>,
}

impl Listeners {
    fn open(configuration: &Configuration, threads: &ClientThreads) -> Result<Self, StandaloneError> {
        let (clients, websocket) = {
            // Their threads wait for its events.
            let _theirs = threads.runtime().enter();
            let websocket = configuration.websocket.as_ref();
            let websocket = websocket.map(|websocket| listen(&websocket.address, "websockets"));
            (
                listen(&configuration.clients, "NATS clients")?,
                websocket.transpose()?,
            )
        };
        let monitoring = configuration.monitoring.as_ref();
        let monitoring = monitoring.map(|address| listen(address, "monitoring"));
        Ok(Self {
            clients,
            websocket,
            monitoring: monitoring.transpose()?,
        })
    }

    fn addresses(&self) -> Result<Addresses, StandaloneError> {
        Ok(Addresses {
            clients: address_of(&self.clients)?,
            websocket: self.websocket.as_ref().map(address_of).transpose()?,
            monitoring: self.monitoring.as_ref().map(address_of).transpose()?,
        })
    }
}

impl Addresses {
    /// Writes the lines that programs wait for.
    fn tell(&self, configuration: &Configuration) {
        if let (Some(bound), Some(address)) = (self.monitoring, &configuration.monitoring) {
            tracing::info!("Starting http monitor on {}", shown(&address.host, bound.port()));
        }
        if let (Some(bound), Some(websocket)) = (self.websocket, &configuration.websocket) {
            let address = shown(&websocket.address.host, bound.port());
            tracing::info!(
                "Listening for websocket clients on {}://{address}",
                websocket.scheme()
            );
        }
        let address = shown(&configuration.clients.host, self.clients.port());
        tracing::info!("Listening for client connections on {address}");
        match &configuration.tls {
            Some(loaded) if loaded.settings.allow_plain => {
                tracing::info!("TLS available for client connections");
            }
            Some(_) => tracing::info!("TLS required for client connections"),
            None => {}
        }
    }
}

/// A node of its own that serves.
struct Running {
    flags: Flags,
    broker: Broker,
    log: Log,
    configuration: Configuration,
    about: Arc<About>,
}

impl Running {
    /// Does what signals say, until one says to end.
    async fn until_told(&mut self, signals: &mut Signals, reloads: &mut mpsc::Receiver<ReloadOrder>) {
        loop {
            let told = tokio::select! {
                told = signals.next() => told,
                // Its other end is there as long as the node.
                Some(order) = reloads.recv() => Told::ReloadFor(order),
            };
            match told {
                Told::End(name) => {
                    tracing::info!("Trapped {name:?} signal");
                    return;
                }
                Told::LameDuck => {
                    tracing::info!("Entering lame duck mode, stop accepting new clients");
                    self.broker.leave(self.configuration.leaving);
                }
                Told::Reload => {
                    tracing::info!("Trapped \"hangup\" signal");
                    // It has said so in the log.
                    let _ = self.reload();
                }
                Told::ReloadFor(order) => {
                    tracing::info!("Reload requested in the system account");
                    let _ = order.send(self.reload());
                }
                Told::Reopen => match self.log.reopen(&self.configuration.log) {
                    Ok(()) => tracing::info!("File log re-opened"),
                    Err(error) => tracing::error!("{}", error_text::chain(&error)),
                },
            }
        }
    }

    /// Reads the file again. What is wrong with it leaves everything as it is, and is logged and given.
    fn reload(&mut self) -> Result<(), String> {
        let reloaded = self.read_again();
        match &reloaded {
            Ok(()) => tracing::info!("Reloaded server configuration"),
            Err(error) => tracing::error!("Failed to reload server configuration: {error}"),
        }
        reloaded
    }

    fn read_again(&mut self) -> Result<(), String> {
        if self.flags.config.is_none() {
            return Err("can only reload config when a file is provided using -c or --config".to_owned());
        }
        let configuration =
            Configuration::load(&self.flags, unix_now()).map_err(|error| error_text::chain(&error))?;
        self.log
            .change(&configuration.log)
            .map_err(|error| error_text::chain(&error))?;
        for notice in &configuration.notices {
            tracing::warn!("{notice}");
        }
        for what in self.configuration.needs_a_restart(&configuration) {
            tracing::warn!("Reloaded: {what} changed, which counts after a restart");
        }
        let configuration = self
            .keep_transports(configuration)
            .map_err(|error| error_text::chain(&error))?;
        self.about
            .configuration_set(configuration.digest.clone(), configuration.tags.clone());
        self.configuration = configuration;
        self.put_in_force();
        Ok(())
    }

    /// Listeners stay as they are; what certificates they show is what the files hold now.
    fn keep_transports(&mut self, mut configuration: Configuration) -> Result<Configuration, TlsError> {
        let mut tls = self.configuration.tls.take();
        let mut websocket = self.configuration.websocket.take();
        let mut replaced = Ok(());
        if let (Some(kept), Some(new)) = (&mut tls, &configuration.tls) {
            replaced = kept.replace(new);
        }
        let new = configuration.websocket.as_ref().and_then(|new| new.tls.as_ref());
        let kept = websocket.as_mut().and_then(|kept| kept.tls.as_mut());
        if let (Ok(()), Some(kept), Some(new)) = (&replaced, kept, new) {
            replaced = kept.replace(new);
        }
        if let Err(error) = replaced {
            (self.configuration.tls, self.configuration.websocket) = (tls, websocket);
            return Err(error);
        }
        (configuration.tls, configuration.websocket) = (tls, websocket);
        Ok(configuration)
    }

    fn put_in_force(&mut self) {
        self.broker.tags_set(self.configuration.tags.clone());
        let accounts = std::mem::take(&mut self.configuration.accounts);
        let authority = self.configuration.authority.take();
        if let Some(authority) = authority {
            self.broker.configure(authority, accounts, unix_now());
        }
    }
}

/// What signals say.
enum Told {
    End(&'static str),
    LameDuck,
    Reload,
    /// The same, for somebody who waits.
    ReloadFor(ReloadOrder),
    Reopen,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    reopen: Signal,
    lame_duck: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            lame_duck: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::End("interrupt"),
            _ = self.terminate.recv() => Told::End("terminated"),
            _ = self.hangup.recv() => Told::Reload,
            _ = self.reopen.recv() => Told::Reopen,
            _ = self.lame_duck.recv() => Told::LameDuck,
        }
    }
}

/// As with stock servers, the server's id is new at each start.
fn server_id() -> Result<String, StandaloneError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| StandaloneError::Random)?;
    Ok(Signer::generate(KeyKind::Server, random).public().to_string())
}

/// Listens on the first address of a name that can be had. All addresses are those of IPv6 too,
/// where the machine has it.
fn listen(address: &Address, purpose: &'static str) -> Result<TcpListener, StandaloneError> {
    let failed = |source| StandaloneError::Listen {
        host: address.host.clone(),
        port: address.port,
        purpose,
        source,
    };
    let candidates: Vec<SocketAddr> = match address.host.as_str() {
        "" | "0.0.0.0" | "::" => [
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ]
        .map(|ip| SocketAddr::new(ip, address.port))
        .into(),
        host => (host, address.port).to_socket_addrs().map_err(failed)?.collect(),
    };
    let mut refused = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for candidate in candidates {
        match listener::bind(candidate) {
            Ok(listener) => return Ok(listener),
            // Taken is taken: the other family must not hide that.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(failed(error)),
            Err(error) => refused = error,
        }
    }
    Err(failed(refused))
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, StandaloneError> {
    listener.local_addr().map_err(StandaloneError::Threads)
}

fn file(path: &str) -> impl FnOnce(io::Error) -> StandaloneError {
    let path = path.to_owned();
    move |source| StandaloneError::File { path, source }
}

/// An address as Go writes it.
fn shown(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
