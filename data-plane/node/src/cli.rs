//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{env, io};

use clap::{Parser, ValueEnum};
use tollway_websocket::Origin;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use crate::fleet::EnrolmentTokenSource;
use crate::node::{NodeSettings, WebSocketListener};
use crate::transport::{ClientCertificates, TlsSettings};

/// Where the enrolment token is looked for when no file is named. Never an
/// argument: other users of the machine can read those.
const TOKEN_VARIABLE: &str = "TOLLWAY_ENROL_TOKEN";

/// A broker node of Tollway: serves NATS clients, told what to serve by a control plane.
#[derive(Debug, Parser)]
#[command(name = "tollway-node", version)]
pub struct Cli {
    /// Folder for the node's identity, configuration and usage; made when it does not exist
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// Address of the control plane's fleet port
    #[arg(long, value_name = "HOST:PORT")]
    control_plane: String,

    /// File with the one-time enrolment token, needed at the first start only
    /// (or the environment variable TOLLWAY_ENROL_TOKEN)
    #[arg(long, value_name = "FILE")]
    enrol_token_file: Option<PathBuf>,

    /// What the node is called in lists, unique in its cell [default: this machine's name]
    #[arg(long)]
    name: Option<String>,

    /// Address for NATS clients; port 0 is any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:4222")]
    listen: SocketAddr,

    /// Certificate of the node and what signs it, in PEM: NATS clients have to use TLS then.
    /// SIGHUP reads it again
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Who signs certificates of clients, in PEM: clients have to show one then
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// Address for NATS clients in browsers; over TLS when there is a certificate
    #[arg(long, value_name = "IP:PORT")]
    websocket_listen: Option<SocketAddr>,

    /// A page that may connect there, such as https://app.example; may be repeated [default: any]
    #[arg(long, value_name = "ORIGIN", value_parser = origin, requires = "websocket_listen")]
    websocket_origin: Vec<Origin>,

    /// Where clients reach this node, for lists [default: nats:// and the address listened on]
    #[arg(long, value_name = "URL")]
    client_url: Option<String>,

    /// Address for health and metrics; they need no authentication
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    metrics_listen: SocketAddr,

    /// Stops when the process that started this one ends, however it ends (Linux only)
    #[arg(long)]
    end_with_parent: bool,

    /// How log lines are written, to stderr
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// Whether the command line is that of a member of a fleet: it names its control plane, and without
/// one there is nothing to be a member of.
pub fn is_of_a_fleet(arguments: impl IntoIterator<Item = String>) -> bool {
    arguments
        .into_iter()
        .any(|argument| argument == "--control-plane" || argument.starts_with("--control-plane="))
}

impl Cli {
    /// How to log.
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// Asks the kernel for the signal that stops us when our parent ends.
    pub fn end_with_parent(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.end_with_parent {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
        }
        Ok(())
    }

    /// The settings of the node. The environment is read; the token's file only when it is needed.
    pub fn settings(self) -> NodeSettings {
        let enrolment_token = match self.enrol_token_file {
            Some(path) => EnrolmentTokenSource::File(path),
            None => match env::var(TOKEN_VARIABLE) {
                Ok(text) if !text.is_empty() => EnrolmentTokenSource::Text(Zeroizing::new(text)),
                _ => EnrolmentTokenSource::None,
            },
        };
        let tls = self.tls_cert.zip(self.tls_key).map(|(certificate, key)| {
            let mut tls = TlsSettings::new(certificate, key);
            if self.tls_client_ca.is_some() {
                tls.client_certificates = ClientCertificates::Required;
                tls.client_ca = self.tls_client_ca;
            }
            tls
        });
        let websocket = self.websocket_listen.map(|listen| WebSocketListener {
            listen,
            origins: self.websocket_origin,
        });
        NodeSettings {
            data_dir: self.data_dir,
            control_plane: self.control_plane,
            enrolment_token,
            name: self.name,
            listen: self.listen,
            tls,
            websocket,
            client_url: self.client_url,
            metrics_listen: self.metrics_listen,
        }
    }
}

fn origin(text: &str) -> Result<Origin, &'static str> {
    Origin::parse(text).ok_or("has to be http:// or https://, a host, and a port if it is not the usual one")
}

/// Begins to log. What is logged is chosen by RUST_LOG; `info` when it is not set.
pub fn log_start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(arguments: &[&str]) -> Cli {
        let all = ["tollway-node", "--data-dir", "d", "--control-plane", "h:1"]
            .iter()
            .chain(arguments);
        Cli::try_parse_from(all).unwrap()
    }

    #[test]
    fn a_control_plane_makes_a_member_of_a_fleet() {
        let is = |line: &str| is_of_a_fleet(line.split(' ').map(str::to_owned));
        assert!(is("tollway-node --data-dir d --control-plane h:1"));
        assert!(is("tollway-node --control-plane=h:1 --data-dir d"));
        assert!(!is("tollway-node"));
        assert!(!is("tollway-node -p 4222 -js"));
    }

    #[test]
    fn command_is_well_formed_and_its_defaults_are_on_loopback() {
        Cli::command().debug_assert();
        let cli = parse(&[]);
        assert!(cli.listen.ip().is_loopback() && cli.listen.port() == 4222);
        assert!(cli.metrics_listen.ip().is_loopback());
    }

    #[test]
    fn files_of_tls_come_together_and_make_clients_use_it() {
        let fails = |arguments: &[&str]| {
            let all = ["tollway-node", "--data-dir", "d", "--control-plane", "h:1"];
            Cli::try_parse_from(all.iter().chain(arguments)).is_err()
        };
        assert!(
            fails(&["--tls-cert", "c"]) && fails(&["--tls-key", "k"]) && fails(&["--tls-client-ca", "a"])
        );
        assert!(
            fails(&["--websocket-origin", "https://a.test"]),
            "there is nowhere to connect to"
        );
        let listen = ["--websocket-listen", "127.0.0.1:0", "--websocket-origin"];
        assert!(fails(&[&listen[..], &["a.test"]].concat()));
        assert!(!fails(&[&listen[..], &["https://a.test"]].concat()));
        let settings = parse(&["--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a"]).settings();
        let tls = settings.tls.unwrap();
        assert_eq!(tls.client_certificates, ClientCertificates::Required);
        assert!(!tls.allow_plain && settings.websocket.is_none());
        assert!(parse(&[]).settings().tls.is_none());
    }
}
