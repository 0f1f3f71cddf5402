//! The `tollway` command. What it can do is listed in [`tollway::cli`].

use std::{io::Write, process::ExitCode};

use clap::Parser;
use tollway::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            // One sentence for whoever sits in front of it; nothing can be done when stderr is closed.
            let _ = writeln!(std::io::stderr(), "tollway: {}", cli::sentence(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
