//! The command line of a node that runs alone: nats-server's flags, in the style of Go.
//!
//! One dash or two, a value behind `=` or in the next argument (which may begin with a dash:
//! `-p -1`), switches alone or with `=true` and `=false`. The same flag twice: the last one counts.

use std::fmt::Write as _;

use tollway_conf::{Port, Secret};

/// What the command line says; nothing where it says nothing. A flag wins over the configuration file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flags {
    /// The configuration file.
    pub config: Option<String>,
    /// Only look whether the configuration is right.
    pub test: bool,
    /// What to tell a node that runs already.
    pub signal: Option<String>,
    /// Print the version.
    pub version: bool,
    /// Print the flags.
    pub help: bool,
    /// Print what a file says about TLS.
    pub help_tls: bool,
    /// Name of the server.
    pub name: Option<String>,
    /// Address for clients and monitoring.
    pub host: Option<String>,
    /// Port for clients.
    pub port: Option<Port>,
    /// The address that clients are told.
    pub client_advertise: Option<String>,
    /// Port for monitoring.
    pub http_port: Option<Port>,
    /// Port for monitoring with TLS.
    pub https_port: Option<Port>,
    /// What the paths of monitoring begin with.
    pub http_base_path: Option<String>,
    /// The user that everybody shows.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The token that everybody shows.
    pub token: Option<Secret>,
    /// More lines in the log.
    pub debug: Option<bool>,
    /// Even more.
    pub trace: Option<bool>,
    /// Lines begin with the time.
    pub log_time: Option<bool>,
    /// The time is that of UTC.
    pub log_time_utc: Option<bool>,
    /// The log goes into a file.
    pub log_file: Option<String>,
    /// File for the number of the process.
    pub pid_file: Option<String>,
    /// Folder for the file that tells the ports.
    pub ports_file_dir: Option<String>,
    /// Streams are wanted.
    pub jetstream: Option<bool>,
    /// Where streams are stored.
    pub store_dir: Option<String>,
    /// TLS for clients.
    pub tls: TlsFlags,
    /// Flags about clusters that were given.
    pub clustering: Vec<&'static str>,
    /// Flags that do nothing here.
    pub passed_over: Vec<&'static str>,
    /// End with the process that started this one (Linux).
    pub end_with_parent: bool,
}

/// What the command line says about TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFlags {
    /// It is wanted.
    pub on: bool,
    /// Clients have to show certificates.
    pub verify: bool,
    /// The file of the certificate.
    pub certificate: Option<String>,
    /// The file of its key.
    pub key: Option<String>,
    /// The file of those who sign certificates of clients.
    pub client_ca: Option<String>,
}

impl TlsFlags {
    /// Whether any of them asks for TLS.
    pub fn is_wanted(&self) -> bool {
        *self != Self::default()
    }
}

/// Why a command line makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFlags {
    /// Nobody knows the flag.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// Known, but only under a control plane.
    #[error("--{0} is a flag of a node under a control plane: it goes with --control-plane")]
    OfTheFleet(&'static str),
    /// It ends where a value should be.
    #[error("flag needs an argument: -{0}")]
    NoValue(&'static str),
    /// The value is none for this flag.
    #[error("invalid value {value:?} for flag -{flag}: {why}")]
    Value {
        /// Which flag.
        flag: &'static str,
        /// What it got; `***` when it may be secret.
        value: String,
        /// What it takes.
        why: &'static str,
    },
    /// An argument that is no flag.
    #[error("unrecognized command: {0:?}")]
    Command(String),
}

/// One flag: its names, how it is shown, what it does.
struct Flag {
    names: &'static [&'static str],
    /// What stands for the value in the help; empty for a switch.
    value: &'static str,
    help: &'static str,
    set: Set,
}

/// What a flag does with its value.
enum Set {
    Switch(fn(&mut Flags, bool)),
    Text(fn(&mut Flags, String)),
    Port(fn(&mut Flags, Port)),
    /// Accepted, and told that nothing comes of it.
    PassedOver,
    PassedOverSwitch,
    Clustering,
    ClusteringSwitch,
}

const fn flag(names: &'static [&'static str], value: &'static str, help: &'static str, set: Set) -> Flag {
    Flag {
        names,
        value,
        help,
        set,
    }
}

/// Every flag, in the order of the help.
#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    flag(&["a", "addr", "net"], "HOST", "address to listen on [0.0.0.0]", Set::Text(|flags, text| flags.host = Some(text))),
    flag(&["p", "port"], "PORT", "port for clients; -1 is any free one [4222]", Set::Port(|flags, port| flags.port = Some(port))),
    flag(&["n", "name", "server_name"], "NAME", "name of the server [its id]", Set::Text(|flags, text| flags.name = Some(text))),
    flag(&["client_advertise"], "HOST:PORT", "the address that clients are told", Set::Text(|flags, text| flags.client_advertise = Some(text))),
    flag(&["c", "config"], "FILE", "configuration file; flags win over it", Set::Text(|flags, text| flags.config = Some(text))),
    flag(&["t"], "", "only look whether the configuration is right", Set::Switch(|flags, on| flags.test = on)),
    flag(&["m", "http_port"], "PORT", "port for monitoring; -1 is any free one", Set::Port(|flags, port| flags.http_port = Some(port))),
    flag(&["ms", "https_port"], "PORT", "port for monitoring with TLS", Set::Port(|flags, port| flags.https_port = Some(port))),
    flag(&["http_base_path"], "PATH", "what the paths of monitoring begin with", Set::Text(|flags, text| flags.http_base_path = Some(text))),
    flag(&["user"], "NAME", "the user that every client has to show", Set::Text(|flags, text| flags.user = Some(text))),
    flag(&["pass"], "PASSWORD", "its password, or the bcrypt hash of it", Set::Text(|flags, text| flags.password = Some(Secret::new(text)))),
    flag(&["auth"], "TOKEN", "the token that every client has to show", Set::Text(|flags, text| flags.token = Some(Secret::new(text)))),
    flag(&["P", "pid"], "FILE", "file for the number of the process", Set::Text(|flags, text| flags.pid_file = Some(text))),
    flag(&["ports_file_dir"], "FOLDER", "folder for the file NAME_PID.ports, which tells the ports", Set::Text(|flags, text| flags.ports_file_dir = Some(text))),
    flag(&["l", "log"], "FILE", "the log goes into this file [stderr]", Set::Text(|flags, text| flags.log_file = Some(text))),
    flag(&["T", "logtime"], "", "lines of the log begin with the time [true]", Set::Switch(|flags, on| flags.log_time = Some(on))),
    flag(&["logtime_utc"], "", "the time of the log is that of UTC", Set::Switch(|flags, on| flags.log_time_utc = Some(on))),
    flag(&["D", "debug"], "", "more lines in the log", Set::Switch(|flags, on| flags.debug = Some(on))),
    flag(&["V", "trace"], "", "all lines there are", Set::Switch(|flags, on| flags.trace = Some(on))),
    flag(&["VV"], "", "the same", Set::Switch(|flags, on| flags.trace = Some(on))),
    flag(&["DV"], "", "-D and -V", Set::Switch(|flags, on| (flags.debug, flags.trace) = (Some(on), Some(on)))),
    flag(&["DVV"], "", "-D and -VV", Set::Switch(|flags, on| (flags.debug, flags.trace) = (Some(on), Some(on)))),
    flag(&["signal", "sl"], "SIGNAL[=PID]", "tells a node that runs: stop, quit, term, reopen, reload, ldm; PID may be a pid file", Set::Text(|flags, text| flags.signal = Some(text))),
    flag(&["js", "jetstream"], "", "streams (not built yet: requests are told that nobody answers)", Set::Switch(|flags, on| flags.jetstream = Some(on))),
    flag(&["sd", "store_dir"], "FOLDER", "where streams are stored", Set::Text(|flags, text| flags.store_dir = Some(text))),
    flag(&["tls"], "", "TLS for clients, with --tlscert and --tlskey", Set::Switch(|flags, on| flags.tls.on = on)),
    flag(&["tlscert"], "FILE", "certificate", Set::Text(|flags, text| flags.tls.certificate = Some(text))),
    flag(&["tlskey"], "FILE", "its key", Set::Text(|flags, text| flags.tls.key = Some(text))),
    flag(&["tlsverify"], "", "clients have to show certificates", Set::Switch(|flags, on| flags.tls.verify = on)),
    flag(&["tlscacert"], "FILE", "who signs certificates of clients", Set::Text(|flags, text| flags.tls.client_ca = Some(text))),
    flag(&["routes"], "URLS", "clustering is not offered", Set::Clustering),
    flag(&["cluster", "cluster_listen"], "URL", "clustering is not offered", Set::Clustering),
    flag(&["cluster_name"], "NAME", "clustering is not offered", Set::Clustering),
    flag(&["cluster_advertise"], "HOST:PORT", "clustering is not offered", Set::Clustering),
    flag(&["no_advertise"], "", "clustering is not offered", Set::ClusteringSwitch),
    flag(&["connect_retries"], "NUMBER", "clustering is not offered", Set::Clustering),
    flag(&["s", "syslog"], "", "passed over: the log goes to stderr or a file", Set::PassedOverSwitch),
    flag(&["r", "remote_syslog"], "URL", "passed over", Set::PassedOver),
    flag(&["log_size_limit"], "BYTES", "passed over: rotate the file from outside, then --signal reopen", Set::PassedOver),
    flag(&["max_traced_msg_len"], "BYTES", "passed over: messages are never logged", Set::PassedOver),
    flag(&["profile"], "PORT", "passed over", Set::PassedOver),
    flag(&["end-with-parent"], "", "stops when the process that started this one ends (Linux)", Set::Switch(|flags, on| flags.end_with_parent = on)),
    flag(&["v", "version"], "", "prints the version", Set::Switch(|flags, on| flags.version = on)),
    flag(&["h", "help"], "", "prints this", Set::Switch(|flags, on| flags.help = on)),
    flag(&["help_tls"], "", "prints what a configuration file says about TLS", Set::Switch(|flags, on| flags.help_tls = on)),
];

/// Flags of a node under a control plane: named in the error, because whoever uses one forgot another.
const OF_THE_FLEET: [&str; 6] = [
    "data-dir",
    "enrol-token-file",
    "listen",
    "client-url",
    "metrics-listen",
    "log-format",
];

impl Flags {
    /// Reads the arguments behind the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, InvalidFlags> {
        let mut flags = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Some(rest) = argument.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                flags.command(&argument)?;
                continue;
            };
            let rest = rest.strip_prefix('-').unwrap_or(rest);
            let (name, value) = match rest.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (rest, None),
            };
            let Some((flag, name)) = find(name) else {
                return Err(match OF_THE_FLEET.iter().find(|known| **known == name) {
                    Some(known) => InvalidFlags::OfTheFleet(known),
                    None => InvalidFlags::Unknown(name.to_owned()),
                });
            };
            flags.set(flag, name, value, &mut arguments)?;
        }
        Ok(flags)
    }

    fn command(&mut self, word: &str) -> Result<(), InvalidFlags> {
        match word {
            "version" => self.version = true,
            "help" => self.help = true,
            _ => return Err(InvalidFlags::Command(word.to_owned())),
        }
        Ok(())
    }

    fn set(
        &mut self,
        flag: &Flag,
        name: &'static str,
        value: Option<String>,
        more: &mut impl Iterator<Item = String>,
    ) -> Result<(), InvalidFlags> {
        if flag.value.is_empty() {
            let on = match &value {
                None => true,
                Some(text) => boolean(text).ok_or_else(|| invalid(name, text, "has to be true or false"))?,
            };
            match flag.set {
                Set::Switch(set) => set(self, on),
                Set::ClusteringSwitch if on => self.clustering.push(name),
                Set::PassedOverSwitch if on => self.passed_over.push(name),
                _ => {}
            }
            return Ok(());
        }
        let text = value.or_else(|| more.next()).ok_or(InvalidFlags::NoValue(name))?;
        match flag.set {
            // An empty text is as good as none.
            Set::Text(set) if !text.is_empty() => set(self, text),
            Set::Port(set) => {
                let port =
                    port(&text).ok_or_else(|| invalid(name, &text, "has to be a port, or -1 for any"))?;
                set(self, port);
            }
            Set::Clustering if !text.is_empty() => self.clustering.push(name),
            Set::PassedOver => self.passed_over.push(name),
            _ => {}
        }
        Ok(())
    }
}

fn find(name: &str) -> Option<(&'static Flag, &'static str)> {
    FLAGS.iter().find_map(|flag| {
        let name = flag.names.iter().find(|known| **known == name)?;
        Some((flag, *name))
    })
}

fn invalid(flag: &'static str, value: &str, why: &'static str) -> InvalidFlags {
    let value = value.to_owned();
    InvalidFlags::Value { flag, value, why }
}

/// The words that Go's flags take.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn port(text: &str) -> Option<Port> {
    match text.parse::<i32>().ok()? {
        -1 => Some(Port::AnyFree),
        0 => Some(Port::Unset),
        number => u16::try_from(number).ok().map(Port::Number),
    }
}

/// What a file says about TLS, for people. It is a part of a file as it stands.
pub(super) const HELP_TLS: &str = "\
# The block of clients; websocket { tls { … } } takes the same.
tls {
  cert_file: \"./server-cert.pem\"   # with the certificates between it and the root
  key_file:  \"./server-key.pem\"
  ca_file:   \"./ca.pem\"            # who signs certificates of clients
  verify:    true                   # clients have to show one
  # verify_and_map: true            # and it says which user they are
  timeout:   2                      # seconds for the handshake
}
";

/// All flags, for people.
pub(super) fn help() -> String {
    let mut text = String::from(
        "Usage: tollway-node [flags]                    a node of its own, as nats-server\n       \
         tollway-node --control-plane HOST:PORT …    a node of a fleet, see tollway-node --control-plane help --help\n\n",
    );
    for flag in FLAGS {
        let names: Vec<String> = flag
            .names
            .iter()
            .map(|name| {
                if name.len() > 2 {
                    format!("--{name}")
                } else {
                    format!("-{name}")
                }
            })
            .collect();
        let left = format!("{} {}", names.join(", "), flag.value);
        let _ = writeln!(text, "  {left:<44} {}", flag.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, InvalidFlags> {
        Flags::parse(line.split_ascii_whitespace().map(str::to_owned))
    }

    #[test]
    fn one_dash_or_two_and_a_value_in_either_place_are_the_same() {
        let expected = Flags {
            port: Some(Port::Number(4333)),
            host: Some("127.0.0.1".into()),
            ..Flags::default()
        };
        for line in [
            "-p 4333 -a 127.0.0.1",
            "--port=4333 --net 127.0.0.1",
            "--p 4333 -addr=127.0.0.1",
        ] {
            assert_eq!(parse(line), Ok(expected.clone()), "{line}");
        }
    }

    #[test]
    fn a_value_may_begin_with_a_dash() {
        let flags = parse("-p -1 -m -1").unwrap();
        assert_eq!(
            (flags.port, flags.http_port),
            (Some(Port::AnyFree), Some(Port::AnyFree))
        );
    }

    #[test]
    fn switches_stand_alone_or_have_a_truth() {
        let flags = parse("-js -D=false -T=0 --trace=true").unwrap();
        assert_eq!(flags.jetstream, Some(true));
        assert_eq!(
            (flags.debug, flags.trace, flags.log_time),
            (Some(false), Some(true), Some(false))
        );
        let both = parse("-DV").unwrap();
        assert_eq!((both.debug, both.trace), (Some(true), Some(true)));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (line, text) in [
            ("-nope", "flag provided but not defined: -nope"),
            ("-p", "flag needs an argument: -p"),
            (
                "-p abc",
                "invalid value \"abc\" for flag -p: has to be a port, or -1 for any",
            ),
            (
                "-p 65536",
                "invalid value \"65536\" for flag -p: has to be a port, or -1 for any",
            ),
            (
                "-js=maybe",
                "invalid value \"maybe\" for flag -js: has to be true or false",
            ),
            ("foo", "unrecognized command: \"foo\""),
            ("-", "unrecognized command: \"-\""),
            (
                "--data-dir x",
                "--data-dir is a flag of a node under a control plane: it goes with --control-plane",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), text, "{line}");
        }
    }

    #[test]
    fn flags_about_clusters_are_kept_to_be_told() {
        let flags = parse("--routes nats://a:1 -cluster=nats://0.0.0.0:6222 -no_advertise").unwrap();
        assert_eq!(flags.clustering, ["routes", "cluster", "no_advertise"]);
    }

    #[test]
    fn names_are_there_once_and_the_help_has_them_all() {
        let mut names: Vec<_> = FLAGS.iter().flat_map(|flag| flag.names).collect();
        let help = help();
        for name in &names {
            assert!(help.contains(&format!("-{name}")), "{name}");
        }
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
