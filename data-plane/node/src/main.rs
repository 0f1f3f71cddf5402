//! The node process: command line, signals, exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tollway_node::cli::{self, Cli, log_start};
use tollway_node::{broker, error_text, node, standalone};

fn main() -> ExitCode {
    if !cli::is_of_a_fleet(std::env::args()) {
        return standalone::main(std::env::args().skip(1));
    }
    let cli = Cli::parse();
    log_start(cli.log_format());
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence for whoever sits in front of it; nothing can be done when stderr is closed.
            let _ = writeln!(
                std::io::stderr(),
                "tollway-node: {}",
                error_text::chain(error.as_ref())
            );
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    // First: a parent that ends from here on takes us with it.
    cli.end_with_parent()?;
    let settings = cli.settings();
    broker::operator_runtime()?.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stopping = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stopping.cancel();
        });
        Ok(node::run(settings, stop).await?)
    })
}
