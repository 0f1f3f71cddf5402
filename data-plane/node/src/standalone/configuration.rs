//! What the flags and the file say together.

use std::io;
use std::time::Duration;

use tollway_conf::{Notice, Port, Problems, ServerConfig, SyntaxError, Tree};

use super::accounts::InvalidAccounts;
use super::flags::Flags;
use super::logins::{self, InvalidLogins};
use super::not_offered;
use super::surroundings::{Machine, read};
use super::transports::{self, InvalidTransport, LoadedTls, Websocket};
use crate::broker::bounds::CONTROL_LINE_CEILING;
use crate::broker::{Authority, BrokerSettings, ConfiguredAccount, Leaving};

/// Everything that a node of its own is told.
#[derive(Debug)]
pub(super) struct Configuration {
    /// Where clients connect.
    pub(super) clients: Address,
    /// Where monitoring is served; nowhere when nothing is said.
    pub(super) monitoring: Option<Address>,
    pub(super) base_path: String,
    /// TLS of clients.
    pub(super) tls: Option<LoadedTls>,
    /// Where websockets connect; nowhere when nothing is said.
    pub(super) websocket: Option<Websocket>,
    /// Who may log in, and where to. Both are taken out when they are put in force.
    pub(super) authority: Option<Authority>,
    pub(super) accounts: Vec<ConfiguredAccount>,
    /// Whether anybody may log in.
    pub(super) is_open: bool,
    pub(super) server_name: Option<String>,
    pub(super) advertised: Option<(String, u16)>,
    pub(super) log: LogSettings,
    pub(super) pid_file: Option<String>,
    pub(super) ports_file_dir: Option<String>,
    pub(super) limits: Limits,
    /// How it goes when it is told to leave.
    pub(super) leaving: Leaving,
    /// The file's digest, as `-t` prints it; empty without a file.
    pub(super) digest: String,
    pub(super) tags: Vec<String>,
    /// What a person should know.
    pub(super) notices: Vec<String>,
}

/// Where something listens. Port 0 is any free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What is logged, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogSettings {
    pub(super) debug: bool,
    pub(super) trace: bool,
    /// Lines do not begin with the time.
    pub(super) without_time: bool,
    pub(super) file: Option<String>,
}

/// What the node gives; nothing where its own default holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limits {
    max_connections: Option<usize>,
    max_payload: Option<usize>,
    max_pending: Option<usize>,
    max_subscription_tokens: Option<usize>,
    max_control_line: Option<usize>,
    ping_interval: Option<Duration>,
    ping_max: Option<u32>,
    write_deadline: Option<Duration>,
    auth_timeout: Option<Duration>,
    max_closed_clients: Option<usize>,
    /// One account has the node for itself.
    single_account: bool,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The file cannot be read.
    #[error("open {path}")]
    Open {
        /// Which.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It makes no sense.
    #[error("{0}")]
    Syntax(#[from] SyntaxError),
    /// It makes sense, and is wrong.
    #[error("{0}")]
    Problems(#[from] Problems),
    /// It asks for what a node does not do.
    #[error("{}", .0.join("\n"))]
    NotOffered(Vec<String>),
    /// It says who may log in, and that cannot be.
    #[error(transparent)]
    Logins(#[from] InvalidLogins),
    /// Its accounts cannot be.
    #[error(transparent)]
    Accounts(#[from] InvalidAccounts),
    /// TLS or websockets cannot be had.
    #[error(transparent)]
    Transport(#[from] Box<InvalidTransport>),
    /// `-t` without a file.
    #[error("must specify [-c, --config] option to check configuration file syntax")]
    NothingToCheck,
    /// A name that is no address.
    #[error("client_advertise has to be host:port, not {0:?}")]
    Advertised(String),
}

impl Configuration {
    /// Reads everything anew; `now` is seconds since 1970.
    pub(super) fn load(flags: &Flags, now: i64) -> Result<Self, ConfigurationError> {
        let file = match &flags.config {
            Some(path) => read_file(path)?,
            None => ServerConfig::default(),
        };
        let not_offered = not_offered::refused(flags, &file);
        if !not_offered.is_empty() {
            return Err(ConfigurationError::NotOffered(not_offered));
        }
        let mut notices: Vec<String> = file.notices.iter().map(Notice::to_string).collect();
        notices.extend(not_offered::passed_over(flags, &file));
        let logins = logins::read(flags, &file, now, &mut notices)?;
        let host = flags.host.clone().or_else(|| host_of(&file.listen));
        let host = host.unwrap_or_else(|| "0.0.0.0".to_owned());
        let port = flags.port.or_else(|| port_of(&file.listen));
        let clients = Address {
            host: host.clone(),
            port: number(port).unwrap_or(4222),
        };
        let websocket = transports::websocket(&host, &file).map_err(Box::new)?;
        // The flag is a port alone; the host is that for clients unless the file says another.
        let monitoring_port = flags.http_port.or_else(|| port_of(&file.http));
        let monitoring_host = host_of(&file.http).unwrap_or(host);
        let monitoring = match monitoring_port {
            None | Some(Port::Unset) => None,
            some => number(some).map(|port| Address {
                host: monitoring_host,
                port,
            }),
        };
        let text = |flag: &Option<String>, option: &Option<tollway_conf::Located<String>>| {
            flag.clone()
                .or_else(|| option.as_ref().map(|option| option.value.clone()))
        };
        let advertised = text(&flags.client_advertise, &file.client_advertise);
        Ok(Self {
            clients,
            tls: transports::tls(&flags.tls, &file).map_err(Box::new)?,
            websocket,
            monitoring,
            base_path: text(&flags.http_base_path, &file.http_base_path).unwrap_or_default(),
            is_open: logins.is_open,
            authority: Some(logins.authority),
            server_name: text(&flags.name, &file.server_name),
            advertised: advertised.map(|text| advertised_address(&text)).transpose()?,
            log: LogSettings {
                debug: flags.debug.or(file.logging.debug).unwrap_or(false),
                trace: flags.trace.or(file.logging.trace).unwrap_or(false),
                without_time: !flags.log_time.or(file.logging.time).unwrap_or(true),
                file: text(&flags.log_file, &file.logging.file),
            },
            pid_file: text(&flags.pid_file, &file.pid_file),
            ports_file_dir: text(&flags.ports_file_dir, &file.ports_file_dir),
            limits: Limits::of(&file, logins.accounts.len()),
            leaving: leaving(&file),
            accounts: logins.accounts,
            digest: file.digest,
            tags: file.server_tags,
            notices,
        })
    }

    /// What the broker is told at its start.
    pub(super) fn broker_settings(
        &self,
        server_id: String,
        port: u16,
        websocket_port: u16,
    ) -> BrokerSettings {
        let name = self.server_name.clone().unwrap_or_else(|| server_id.clone());
        let mut settings = BrokerSettings::new(name, server_id);
        (settings.host, settings.port) = match &self.advertised {
            Some((host, port)) => (host.clone(), *port),
            None => (self.clients.host.clone(), port),
        };
        settings.tls = self.tls.as_ref().map(|loaded| loaded.tls.clone());
        let websocket = self.websocket.as_ref();
        settings.websocket = websocket.map(|websocket| websocket.settings(websocket_port));
        self.limits.apply(&mut settings);
        settings.max_connections = crate::open_files::connections_max(settings.max_connections);
        settings
    }

    /// What is different in another configuration and counts only after a restart.
    pub(super) fn needs_a_restart(&self, other: &Self) -> Vec<&'static str> {
        let mut needed = Vec::new();
        let mut compare = |what, same: bool| {
            if !same {
                needed.push(what);
            }
        };
        compare("where clients connect", self.clients == other.clients);
        compare(
            "whether clients have TLS",
            self.tls.is_some() == other.tls.is_some(),
        );
        compare(
            "websocket",
            match (&self.websocket, &other.websocket) {
                (Some(before), Some(after)) => before.is_same(after),
                (before, after) => before.is_none() && after.is_none(),
            },
        );
        compare("where monitoring is served", self.monitoring == other.monitoring);
        compare("http_base_path", self.base_path == other.base_path);
        compare("server_name", self.server_name == other.server_name);
        compare("client_advertise", self.advertised == other.advertised);
        compare("pid_file", self.pid_file == other.pid_file);
        compare("ports_file_dir", self.ports_file_dir == other.ports_file_dir);
        compare("the limits of the server", self.limits == other.limits);
        needed
    }
}

impl Limits {
    fn of(file: &ServerConfig, accounts: usize) -> Self {
        let limits = &file.limits;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            max_connections: limits.max_connections.map(size),
            max_payload: limits
                .max_payload
                .as_ref()
                .map(|payload| size(u64::from(payload.value))),
            max_pending: limits.max_pending.as_ref().map(|pending| size(pending.value)),
            max_subscription_tokens: limits.max_subscription_tokens.map(usize::from),
            max_control_line: limits
                .max_control_line
                .map(|bytes| size(u64::from(bytes)).min(CONTROL_LINE_CEILING)),
            ping_interval: limits.ping_interval,
            ping_max: limits.ping_max,
            write_deadline: limits.write_deadline,
            auth_timeout: file.authorization.as_ref().and_then(|block| block.timeout),
            max_closed_clients: limits.max_closed_clients.map(size),
            // The global account and that of the system are always there.
            single_account: accounts <= 2,
        }
    }

    fn apply(&self, settings: &mut BrokerSettings) {
        fn set<T: Copy>(setting: &mut T, said: Option<T>) {
            if let Some(said) = said {
                *setting = said;
            }
        }
        set(&mut settings.max_connections, self.max_connections);
        set(&mut settings.max_payload, self.max_payload);
        set(&mut settings.max_pending, self.max_pending);
        set(
            &mut settings.max_subscription_tokens,
            self.max_subscription_tokens,
        );
        set(&mut settings.max_control_line, self.max_control_line);
        set(&mut settings.ping_interval, self.ping_interval);
        set(&mut settings.pings_unanswered_max, self.ping_max);
        set(&mut settings.write_deadline, self.write_deadline);
        set(&mut settings.auth_timeout, self.auth_timeout);
        set(&mut settings.closed_connections_max, self.max_closed_clients);
        if self.single_account {
            settings.account_memory_max = settings.node_memory_max;
        }
    }
}

/// What `-t` says of a configuration that can be used.
pub(super) fn check(flags: &Flags) -> Result<String, ConfigurationError> {
    let path = flags.config.as_ref().ok_or(ConfigurationError::NothingToCheck)?;
    let configuration = Configuration::load(flags, crate::unix_clock::unix_now())?;
    let mut text = String::new();
    for notice in &configuration.notices {
        text.push_str(&format!("tollway-node: {notice}\n"));
    }
    let digest = &configuration.digest;
    text.push_str(&format!(
        "tollway-node: configuration file {path} is valid ({digest})\n"
    ));
    Ok(text)
}

fn read_file(path: &str) -> Result<ServerConfig, ConfigurationError> {
    let bytes = read(path).map_err(|source| ConfigurationError::Open {
        path: path.to_owned(),
        source,
    })?;
    let tree = Tree::parse(path, &bytes, &mut Machine)?;
    Ok(ServerConfig::from_tree(&tree)?)
}

/// As long as a stock server takes, when nothing is said.
fn leaving(file: &ServerConfig) -> Leaving {
    let grace = file.limits.lame_duck_grace_period.as_ref();
    let duration = file.limits.lame_duck_duration;
    Leaving {
        grace: grace.map_or(Duration::from_secs(10), |grace| grace.value),
        duration: duration.unwrap_or(Duration::from_secs(120)),
    }
}

fn host_of(listen: &tollway_conf::Listen) -> Option<String> {
    listen.host.as_ref().map(|host| host.value.clone())
}

fn port_of(listen: &tollway_conf::Listen) -> Option<Port> {
    listen.port.as_ref().map(|port| port.value)
}

/// The number to ask the operating system for.
fn number(port: Option<Port>) -> Option<u16> {
    match port? {
        Port::AnyFree => Some(0),
        Port::Unset => None,
        Port::Number(number) => Some(number),
    }
}

fn advertised_address(text: &str) -> Result<(String, u16), ConfigurationError> {
    let wrong = || ConfigurationError::Advertised(text.to_owned());
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), port.parse().map_err(|_| wrong())?))
}
