//! Measures the node beside the real server.
//!
//! ```text
//!  this process                         │ started afresh for each run
//!  scenario ─▶ load: publishers ────────┼─▶ the real server     A
//!      │             receivers  ◀───────┼── tollway-node        B     in the order A B B A A B B A …
//!      ▼                                │
//!  sample ─▶ comparison ─▶ report       │ /proc: its time on processors, its memory
//! ```
//!
//! What is measured and how, and what the figures are: `docs/performance.md`.

mod child;
mod cli;
mod client;
mod comparison;
mod configuration;
mod load;
mod machine;
mod open_files;
mod process;
mod report;
mod runs;
mod sample;
mod scenario;
mod server;
mod statistics;
mod tenancy;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Child { core, words }) => child::run(core, &words),
        None => runs::run(&cli.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done when stderr is closed.
            let _ = writeln!(std::io::stderr(), "tollway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
