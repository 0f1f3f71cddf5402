//! The `tollway` command. What it can do is listed in [`tollway::cli`].

use clap::Parser;
use tollway::cli::{self, Cli};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cli::run(Cli::parse()).await
}
