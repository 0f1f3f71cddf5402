//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};

/// Measures Tollway's node beside the real server, or beside an earlier build of the node.
#[derive(Debug, Parser)]
#[command(name = "tollway-bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What the program does for itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Becomes another program that ends with its parent; the benchmark starts this.
    #[command(hide = true)]
    Child {
        /// The processor to run on.
        #[arg(long)]
        core: Option<usize>,
        /// The program and its arguments.
        #[arg(last = true)]
        words: Vec<OsString>,
    },
}

/// How to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The real server's program.
    #[arg(long, env = "TOLLWAY_BENCH_NATS_SERVER", value_name = "PROGRAM")]
    pub(crate) nats_server: Option<PathBuf>,
    /// The node's program; `tollway-node` beside this one when absent.
    #[arg(long, env = "TOLLWAY_BENCH_NODE", value_name = "PROGRAM")]
    pub(crate) node: Option<PathBuf>,
    /// Compare with an earlier build of the node instead of the real server.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) before: Option<PathBuf>,
    /// Seconds of load in each run.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Pairs of runs for each scenario; 9 for figures that are to be shown to others.
    #[arg(long, default_value_t = 3)]
    pub(crate) pairs: usize,
    /// Only scenarios whose names contain one of these words.
    #[arg(long, value_delimiter = ',', value_name = "WORD,…")]
    pub(crate) only: Vec<String>,
    /// Give the server the last processor to itself, and the load the others.
    #[arg(long)]
    pub(crate) pin: bool,
    /// Messages a second of a flood that is held; what the other server moves when absent.
    #[arg(long, value_name = "MESSAGES")]
    pub(crate) flood_rate: Option<f64>,
    /// Write everything that was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Only list the scenarios.
    #[arg(long)]
    pub(crate) list: bool,
}

impl Options {
    /// The time of load in each run.
    pub(crate) fn time(&self) -> anyhow::Result<Duration> {
        if !(0.05..=600.0).contains(&self.seconds) {
            bail!("--seconds must be from 0.05 to 600");
        }
        Ok(Duration::from_secs_f64(self.seconds))
    }

    /// Whether a scenario is to be run.
    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| scenario.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_chooses_by_parts_of_names() {
        let cli = Cli::try_parse_from(["tollway-bench", "--only", "publish,1to10"]).unwrap();
        assert!(cli.options.wants("publish-16") && cli.options.wants("1to1000-16"));
        assert!(!cli.options.wants("queue-4"));
        let cli = Cli::try_parse_from(["tollway-bench"]).unwrap();
        assert!(cli.options.wants("queue-4"));
    }

    #[test]
    fn program_to_become_keeps_its_own_flags() {
        let cli = Cli::try_parse_from(["tollway-bench", "child", "--core", "1", "--", "server", "-c", "x"])
            .unwrap();
        let Some(Command::Child { core, words }) = cli.command else {
            panic!("another command");
        };
        assert_eq!(core, Some(1));
        assert_eq!(words, ["server", "-c", "x"]);
    }
}
