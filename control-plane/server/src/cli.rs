//! The `tollway` command.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tollway_datastore::{Datastore, DatastoreOptions};

use crate::{
    app::chain,
    serve::{ControlPlane, ServeSettings},
    sign_in_link,
    telemetry::{self, LogFormat},
    up::{self, UpSettings},
};

/// Isolated messaging accounts on the NATS protocol, for many tenants.
#[derive(Debug, Parser)]
#[command(name = "tollway", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything on this machine: a private Postgres, the control plane, two nodes, a demo.
    Up(UpArgs),
    /// Stops what `up` runs.
    Down(DownArgs),
    /// Runs the control plane: REST, gRPC, console, and the port for nodes.
    Serve(ServeArgs),
    /// Brings a database to this release's schema, and ends. `serve` does so too.
    Migrate(MigrateArgs),
    /// Prints a one-time link that signs a browser in to the console.
    SignInLink(SignInLinkArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The folder of this process: key-encryption key, first token, ports.
    #[arg(long, value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Postgres 15 or newer.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: String,
    /// Where REST, gRPC and the console listen. Port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:8600", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where nodes attach.
    #[arg(long, default_value = "127.0.0.1:8601", value_name = "ADDRESS")]
    fleet_listen: SocketAddr,
    /// Where metrics and health are read.
    #[arg(long, default_value = "127.0.0.1:8602", value_name = "ADDRESS")]
    metrics_listen: SocketAddr,
    /// The key-encryption key's file, `kek` in the data folder otherwise. TOLLWAY_KEK (base64) comes first.
    #[arg(long, value_name = "FILE")]
    kek_file: Option<PathBuf>,
    /// How log lines are written, to stderr. RUST_LOG chooses which.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

#[derive(Debug, Args)]
struct UpArgs {
    /// Where everything is kept [default: /var/lib/tollway for root, ~/.local/share/tollway for others]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Runs in the background, and returns when everything runs.
    #[arg(long)]
    detach: bool,
    /// Said by `--detach` to the process in the background.
    #[arg(long, hide = true, conflicts_with = "detach")]
    detached: bool,
    /// A database (Postgres 15 or newer) to use instead of a private one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// Port of REST, gRPC and the console, on loopback as all of them. Port 0 is any free one.
    #[arg(long, default_value_t = 8600, value_name = "PORT")]
    api_port: u16,
    /// Port where nodes attach.
    #[arg(long, default_value_t = 8601, value_name = "PORT")]
    fleet_port: u16,
    /// Port of metrics and health.
    #[arg(long, default_value_t = 8602, value_name = "PORT")]
    metrics_port: u16,
    /// Ports of NATS clients, one for each of the two cells.
    #[arg(long, value_delimiter = ',', default_values_t = [4222, 4223], value_name = "PORT,PORT")]
    nats_ports: Vec<u16>,
    /// The program of the nodes [default: tollway-node beside this program, or on PATH]
    #[arg(long, value_name = "FILE")]
    node_binary: Option<PathBuf>,
    /// How lines of the log files are written. RUST_LOG chooses which.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

#[derive(Debug, Args)]
struct DownArgs {
    /// The data folder of `up` [default: the same as for `up`]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct MigrateArgs {
    /// Postgres 15 or newer.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: String,
}

#[derive(Debug, Args)]
struct SignInLinkArgs {
    /// The data folder of a control plane that runs.
    #[arg(long, value_name = "FOLDER")]
    data_dir: PathBuf,
}

/// Runs the command to its end. A failure that was told already is an exit code, not an error.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Up(args) if args.detach => match up::run_detached().await? {
            true => return Ok(ExitCode::SUCCESS),
            false => return Ok(ExitCode::FAILURE),
        },
        Command::Up(args) => up(args).await?,
        Command::Down(args) => down(args).await?,
        Command::Serve(args) => serve(args).await?,
        Command::Migrate(args) => migrate(args).await?,
        Command::SignInLink(args) => {
            #[allow(clippy::print_stdout, reason = "the link is what the command is for")]
            {
                println!("{}", sign_in_link::create(&args.data_dir).await?);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An error and its causes as one sentence.
pub fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error)
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    telemetry::start(args.log_format);
    // Before anything is opened: a signal during the start stops us as one later does.
    let mut terminate = signal(SignalKind::terminate()).context("failed to wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to wait for SIGINT")?;
    let settings = ServeSettings {
        data_dir: args.data_dir,
        database_url: args.database_url,
        listen: args.listen,
        fleet_listen: args.fleet_listen,
        metrics_listen: args.metrics_listen,
        kek_file: args.kek_file,
    };
    let control_plane = tokio::select! {
        started = ControlPlane::start(settings) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    control_plane.stop().await;
    Ok(())
}

async fn up(args: UpArgs) -> anyhow::Result<()> {
    if args.detached {
        // The terminal that we were started from may go away; a session of our own does not notice. It
        // fails only when we lead a session already.
        let _ = rustix::process::setsid();
    }
    let &[first, second] = args.nats_ports.as_slice() else {
        anyhow::bail!("--nats-ports takes two ports, such as 4222,4223");
    };
    let settings = UpSettings {
        data_dir: data_dir(args.data_dir)?,
        database_url: args.database_url.filter(|url| !url.is_empty()),
        api_port: args.api_port,
        fleet_port: args.fleet_port,
        metrics_port: args.metrics_port,
        nats_ports: [first, second],
        node_program: args.node_binary,
        detached: args.detached,
    };
    Ok(up::run(settings, args.log_format).await?)
}

#[allow(clippy::print_stdout, reason = "the answer is for people")]
async fn down(args: DownArgs) -> anyhow::Result<()> {
    let data_dir = data_dir(args.data_dir)?;
    if up::down(&data_dir).await? {
        println!("stopped; the data stay in {}", data_dir.display());
    } else {
        println!("nothing runs with the data folder {}", data_dir.display());
    }
    Ok(())
}

fn data_dir(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    given
        .or_else(up::default_data_dir)
        .context("there is no home folder: say with --data-dir where to keep everything")
}

async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
    telemetry::start(LogFormat::Text);
    let datastore = Datastore::connect(&DatastoreOptions::from_url(&args.database_url)?).await?;
    datastore.migrate().await?;
    datastore.close().await;
    tracing::info!("the database has this release's schema");
    Ok(())
}
