//! The `tollway` command.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tollway_datastore::{Datastore, DatastoreOptions};

use crate::{
    serve::{ControlPlane, ServeSettings},
    sign_in_link,
    telemetry::{self, LogFormat},
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

/// Runs the command to its end.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(args) => serve(args).await,
        Command::Migrate(args) => migrate(args).await,
        Command::SignInLink(args) => {
            #[allow(clippy::print_stdout, reason = "the link is what the command is for")]
            {
                println!("{}", sign_in_link::create(&args.data_dir).await?);
            }
            Ok(())
        }
    }
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

async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
    telemetry::start(LogFormat::Text);
    let datastore = Datastore::connect(&DatastoreOptions::from_url(&args.database_url)?).await?;
    datastore.migrate().await?;
    datastore.close().await;
    tracing::info!("the database has this release's schema");
    Ok(())
}
