//! The options of a server, from the tree: one file for each block.

pub(crate) mod accounts;
pub(crate) mod authorization;
mod checks;
mod clustering;
pub(crate) mod exports;
pub(crate) mod imports;
pub(crate) mod jetstream;
pub(crate) mod latency;
pub(crate) mod leafnodes;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod logging;
pub(crate) mod mappings;
pub(crate) mod operator;
mod permissions;
pub(crate) mod proxies;
pub(crate) mod tls;
pub(crate) mod users;
pub(crate) mod websocket;

use std::collections::BTreeMap;

use tollway_claims::PublicKey;

use self::accounts::Account;
use self::authorization::Authorization;
use self::jetstream::JetStream;
use self::leafnodes::Leafnodes;
use self::limits::Limits;
use self::listen::{Listen, Port};
use self::logging::Logging;
use self::mappings::Mapping;
use self::operator::{PreloadedAccount, Resolver};
use self::proxies::Proxies;
use self::tls::Tls;
use self::websocket::Websocket;
use crate::field::{Field, shown};
use crate::located::Located;
use crate::notice::Notice;
use crate::problem::{Problems, Reason};
use crate::report::Report;
use crate::secret::Secret;
use crate::tree::Tree;
use crate::value::Value;

/// Everything a configuration says about one server.
///
/// Where nothing is said there is nothing: defaults belong to whoever serves, and flags of the command
/// line come between. What refers to something else by name has been found; files are only named.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerConfig {
    /// What `-t` prints and `/varz` shows.
    pub digest: String,
    /// The name of the server.
    pub server_name: Option<Located<String>>,
    /// Labels.
    pub server_tags: Vec<String>,
    /// More labels, with names.
    pub server_metadata: BTreeMap<String, String>,
    /// Where clients connect.
    pub listen: Listen,
    /// The address that clients are told.
    pub client_advertise: Option<Located<String>>,
    /// TLS of the client port.
    pub tls: Option<Tls>,
    /// Clients without TLS are let in beside those with.
    pub allow_non_tls: Option<bool>,
    /// The PROXY protocol comes before everything else.
    pub proxy_protocol: Option<bool>,
    /// Where monitoring is served in the clear.
    pub http: Listen,
    /// Where monitoring is served with TLS.
    pub https: Listen,
    /// What the paths of monitoring begin with.
    pub http_base_path: Option<Located<String>>,
    /// Who may connect when there are no accounts.
    pub authorization: Option<Authorization>,
    /// Tenants.
    pub accounts: Vec<Account>,
    /// Mappings of the account that is there without accounts.
    pub mappings: Vec<Mapping>,
    /// Who a client is that does not say.
    pub no_auth_user: Option<Located<String>>,
    /// The account that sees the server itself.
    pub system_account: Option<Located<String>>,
    /// There is no such account.
    pub no_system_account: Option<bool>,
    /// Operators: paths of their JWTs, or the JWTs.
    pub operators: Vec<Located<String>>,
    /// Operators by their keys alone.
    pub trusted_keys: Vec<PublicKey>,
    /// Where accounts of operators come from.
    pub resolver: Option<Resolver>,
    /// Accounts of operators.
    pub resolver_preload: Vec<PreloadedAccount>,
    /// The only accounts of operators that are served; all when empty.
    pub resolver_pinned_accounts: Vec<Located<String>>,
    /// The bearer JWT of clients that show none.
    pub default_sentinel: Option<Located<Secret>>,
    /// Domains of accounts for leaf nodes.
    pub default_js_domain: BTreeMap<String, String>,
    /// Proxies that vouch for clients.
    pub proxies: Proxies,
    /// Clients in browsers.
    pub websocket: Option<Websocket>,
    /// Other servers as leaves.
    pub leafnodes: Option<Leafnodes>,
    /// Streams.
    pub jetstream: Option<JetStream>,
    /// `store_dir` outside the block `jetstream`.
    pub store_dir: Option<Located<String>>,
    /// Sizes, numbers and times.
    pub limits: Limits,
    /// Headers of messages are refused.
    pub no_header_support: Option<bool>,
    /// What is logged, and where.
    pub logging: Logging,
    /// The file that holds the number of the process.
    pub pid_file: Option<Located<String>>,
    /// The folder for the file that tells the ports.
    pub ports_file_dir: Option<Located<String>>,
    /// What a person should know.
    pub notices: Vec<Notice>,
}

impl ServerConfig {
    /// Reads the options of a tree, or tells everything that is wrong with them.
    pub fn from_tree(tree: &Tree) -> Result<Self, Problems> {
        let mut report = Report::new(tree.notices.clone());
        let mut config = Self {
            digest: tree.root.digest(),
            ..Self::default()
        };
        if tree.root.is_empty() {
            report.problem(&tree.at, Reason::Empty);
        }
        let mut reading = Reading::default();
        for field in Report::fields_of(&tree.root) {
            let taken = config.logging.take(&mut report, &field)
                || config.limits.take(&mut report, &field)
                || config.take_block(&mut report, &field)
                || config.take_setting(&mut report, &field)
                || reading.take(&mut report, &field);
            if !taken {
                report.unknown(&field, "the configuration");
            }
        }
        config.mappings = reading.mappings.unwrap_or_default();
        config.operators = reading.operators.unwrap_or_default();
        config.trusted_keys = reading.trusted_keys.unwrap_or_default();
        config.resolver = reading.resolver.flatten();
        checks::whole(&mut report, &config, reading.resolver.is_some());
        config.notices = report.finish()?;
        Ok(config)
    }

    /// Whether the server takes accounts from operators.
    pub fn is_operator_mode(&self) -> bool {
        !self.operators.is_empty() || !self.trusted_keys.is_empty()
    }

    /// Takes a block that it knows.
    fn take_block(&mut self, report: &mut Report, field: &Field<'_>) -> bool {
        match field.key.as_str() {
            "tls" => self.tls = tls::read(report, field),
            "authorization" => self.authorization = authorization::read(report, field),
            "accounts" => self.accounts = accounts::read(report, field),
            "websocket" | "ws" => {
                let read = websocket::read(report, field);
                report.set(&mut self.websocket, read, field);
            }
            "leaf" | "leafnodes" => {
                let read = leafnodes::read(report, field);
                report.set(&mut self.leafnodes, read, field);
            }
            "jetstream" => self.jetstream = jetstream::read(report, field),
            "proxies" => self.proxies = proxies::read(report, field),
            "resolver_preload" => self.resolver_preload = operator::preload(report, field),
            "cluster" => clustering::cluster(report, field),
            "gateway" => clustering::gateway(report, field),
            "mqtt" => clustering::mqtt(report, field),
            "server_metadata" => self.server_metadata = texts_by_name(report, field),
            "default_js_domain" => self.default_js_domain = texts_by_name(report, field),
            "feature_flags" => feature_flags(report, field),
            _ => return false,
        }
        true
    }

    /// Takes a single setting that it knows.
    fn take_setting(&mut self, report: &mut Report, field: &Field<'_>) -> bool {
        match field.key.as_str() {
            "listen" => self.listen.set(report, field),
            "port" => self.listen.set_port(report, field),
            "host" | "net" => self.listen.set_host(report, field),
            "client_advertise" => self.client_advertise = field.text(report),
            "server_name" => self.server_name = server_name(report, field),
            "server_tags" => {
                self.server_tags = field.texts(report).into_iter().map(|tag| tag.value).collect()
            }
            "allow_non_tls" => self.allow_non_tls = field.boolean(report),
            "proxy_protocol" => self.proxy_protocol = field.boolean(report),
            "http" => self.http.set(report, field),
            "http_port" | "monitor_port" => self.http.set_port(report, field),
            "https" => self.https.set(report, field),
            "https_port" => self.https.set_port(report, field),
            "http_base_path" => self.http_base_path = field.text(report),
            "no_auth_user" => self.no_auth_user = some_text(report, field),
            "system_account" | "system" => {
                let name = some_text(report, field);
                report.set(&mut self.system_account, name, field);
            }
            "no_system_account" | "no_system" | "no_sys_acc" => {
                let truth = field.boolean(report);
                report.set(&mut self.no_system_account, truth, field);
            }
            "resolver_pinned_accounts" => self.resolver_pinned_accounts = field.texts(report),
            "default_sentinel" => {
                let secret = field.secret(report);
                self.default_sentinel = secret.map(|secret| Located::new(secret, &field.node.at));
            }
            "store_dir" | "storedir" => {
                let folder = field.text(report);
                report.set(&mut self.store_dir, folder, field);
            }
            "no_header_support" => self.no_header_support = field.boolean(report),
            "pidfile" | "pid_file" => {
                let path = some_text(report, field);
                report.set(&mut self.pid_file, path, field);
            }
            "ports_file_dir" => self.ports_file_dir = some_text(report, field),
            _ => return accepted(report, field),
        }
        true
    }
}

/// Settings that need all fields to be seen before they are known.
#[derive(Default)]
struct Reading {
    mappings: Option<Vec<Mapping>>,
    operators: Option<Vec<Located<String>>>,
    trusted_keys: Option<Vec<PublicKey>>,
    /// The inner one is whether it could be read.
    resolver: Option<Option<Resolver>>,
}

impl Reading {
    fn take(&mut self, report: &mut Report, field: &Field<'_>) -> bool {
        match field.key.as_str() {
            "mappings" | "maps" => {
                let read = mappings::read(report, field);
                report.set(&mut self.mappings, Some(read), field);
            }
            "operator" | "operators" | "roots" | "root" | "root_operators" | "root_operator" => {
                let read = operator::operators(report, field);
                report.set(&mut self.operators, Some(read), field);
            }
            "resolver" | "account_resolver" | "accounts_resolver" => {
                let read = operator::resolver(report, field);
                report.set(&mut self.resolver, Some(read), field);
            }
            "trusted" | "trusted_keys" => {
                let read = operator::trusted_keys(report, field);
                report.set(&mut self.trusted_keys, Some(read), field);
            }
            _ => return false,
        }
        true
    }
}

/// Settings of stock servers that are accepted because nothing depends on them here.
fn accepted(report: &mut Report, field: &Field<'_>) -> bool {
    match field.key.as_str() {
        // How the server works inside, and how often it says what goes wrong with other servers.
        "disable_sublist_cache" | "no_sublist_cache" => _ = field.boolean(report),
        "connect_error_reports" | "reconnect_error_reports" => _ = field.integer(report),
        "prof_port" => {
            if field.integer(report).is_some_and(|port| port != 0) {
                report.not_offered(
                    field,
                    "prof_port",
                    "/metrics and the tools of the system tell how a node spends its time",
                );
            }
        }
        "prof_block_rate" => _ = field.integer(report),
        "resolver_tls" => {
            if report.map_of(field).is_some() {
                report.not_offered(field, "resolver_tls", "a node asks nobody for accounts");
            }
        }
        "ocsp" | "ocsp_cache" => match field.node.value {
            Value::Boolean(false) => {}
            Value::Boolean(true) | Value::Map(_) => {
                report.not_offered(
                    field,
                    "ocsp",
                    "certificates are sent without a proof of their issuer",
                );
            }
            _ => report.misfit(field, "true, false, or a map"),
        },
        _ => return false,
    }
    true
}

fn feature_flags(report: &mut Report, block: &Field<'_>) {
    for field in report.fields(block) {
        if field.boolean(report).is_some() {
            report.not_offered(
                &field,
                "this feature flag",
                "flags are about the inside of stock servers",
            );
        }
    }
}

fn texts_by_name(report: &mut Report, block: &Field<'_>) -> BTreeMap<String, String> {
    let fields = report.fields(block);
    let named = |field: &Field<'_>| Some((field.written.to_owned(), field.text(report)?.value));
    fields
        .iter()
        .filter(|field| !field.referenced)
        .filter_map(named)
        .collect()
}

/// A text; an empty one stands for none.
fn some_text(report: &mut Report, field: &Field<'_>) -> Option<Located<String>> {
    field.text(report).filter(|text| !text.value.is_empty())
}

fn server_name(report: &mut Report, field: &Field<'_>) -> Option<Located<String>> {
    let name = some_text(report, field)?;
    if name.value.contains(' ') {
        return report.invalid(field, "cannot have blanks");
    }
    Some(name)
}

/// A text that is a filter.
fn subject_of(report: &mut Report, field: &Field<'_>) -> Option<Located<String>> {
    let text = field.text(report)?;
    if tollway_subject::Filter::new(text.value.as_bytes()).is_err() {
        let (key, subject) = (field.key.clone(), shown(&text.value));
        report.problem(&text.at, Reason::InvalidSubject { key, subject });
        return None;
    }
    Some(text)
}

/// A text that is a subject messages can be sent to: no wildcards.
fn literal_subject_of(report: &mut Report, field: &Field<'_>) -> Option<Located<String>> {
    let text = subject_of(report, field)?;
    if !tollway_subject::is_literal_subject(text.value.as_bytes()) {
        return report.invalid(field, "cannot have wildcards");
    }
    Some(text)
}

/// A text that subjects are made from: a filter, or one with functions between `{{` and `}}`. Whether
/// its functions fit the subjects they are fed with is found out by whoever maps.
fn template_of(report: &mut Report, field: &Field<'_>) -> Option<Located<String>> {
    let text = field.name(report)?;
    if text.value.contains("{{") {
        return Some(text);
    }
    subject_of(report, field)
}

/// Whether something is meant to listen there.
fn listens(listen: &Listen) -> bool {
    matches!(&listen.port, Some(port) if port.value != Port::Unset)
}
