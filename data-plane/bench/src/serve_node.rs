//! `tollway-bench serve-node`: the node's broker in a process of its own.
//!
//! It is the node without its link to the control plane: the same library, built with the same
//! profile, with trust and documents verified as the node verifies them, the usage meter writing its
//! journal, and the operator's work on threads of its own as in `tollway-node`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tollway_claims::{KeyKind, Signer, Trust};
use tollway_node::broker::{self, Broker, BrokerSettings, listener};
use tollway_node::open_files;
use tollway_node::usage::{ControlClock, UsageMeter};
use uuid::Uuid;

use crate::tenancy::{Tenancy, now};

const OPERATOR: &str = "operator.jwt";
const ACCOUNTS: &str = "accounts";

/// Leaves what [`run`] reads in `folder`.
pub(crate) fn prepare(folder: &Path, tenancy: &Tenancy) -> anyhow::Result<()> {
    fs::write(folder.join(OPERATOR), &tenancy.operator)?;
    let mut lines = String::new();
    for account in &tenancy.accounts {
        let _ = writeln!(lines, "{} {} {}", account.key(), account.jwt, account.statement);
    }
    fs::write(folder.join(ACCOUNTS), lines)?;
    Ok(())
}

/// Serves until it is killed. Says the port on standard output.
pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    open_files::raise();
    let now = now()?;
    let trust = Trust::from_operator_jwt(&fs::read_to_string(folder.join(OPERATOR))?)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| anyhow::anyhow!("no source of random numbers"))?;
    let server = Signer::generate(KeyKind::Server, seed).public();
    let clients = broker::runtime()?;
    let (listener, address) = {
        let _theirs = clients.enter();
        let listener = listener::bind(([127, 0, 0, 1], 0).into())?;
        let address = listener.local_addr()?;
        (listener, address)
    };
    let mut settings = BrokerSettings::new("tollway-bench", server.to_string());
    settings.host = address.ip().to_string();
    settings.port = address.port();
    settings.max_connections = open_files::connections_max(settings.max_connections);
    let broker = Broker::new(settings);
    broker.trust_set(trust.clone(), now);
    for line in fs::read_to_string(folder.join(ACCOUNTS))?.lines() {
        let mut words = line.split(' ');
        let mut word = || words.next().context("a line holds a key and two documents");
        let (key, document, statement) = (word()?.parse()?, word()?, word()?);
        broker.account_apply(trust.verify_document(&key, document, statement, now)?, now);
    }
    let meters = broker.clone();
    let _usage = UsageMeter::start(
        &folder.join("usage.log"),
        Uuid::now_v7(),
        Arc::new(ControlClock::local()),
        Box::new(move |visit| meters.meters_visit(visit)),
    )?;
    let serving = clients.spawn({
        let broker = broker.clone();
        async move { broker.serve(listener, CancellationToken::new()).await }
    });
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", address.port())?;
    stdout.flush()?;
    broker::operator_runtime()?.block_on(serving)?;
    Ok(())
}
