//! A node of its own: no control plane, a configuration file or nothing, the flags of nats-server.
//!
//! ```text
//!  command line ──flags──┐                         ┌─▶ BrokerSettings
//!                        ├─▶ Configuration ────────┼─▶ Authority and accounts ─▶ Broker::configure
//!  file ──tollway-conf───┘    (again on SIGHUP)    └─▶ log, monitoring, pid and ports files
//! ```
//!
//! The file is read whole before anything happens: what is wrong with it, or asks for what a node
//! does not do, is told with its line, at the start, by `-t`, and when it is read again. A file that
//! cannot be used leaves in force what was in force.

mod accounts;
mod configuration;
mod flags;
mod log;
mod logins;
mod not_offered;
mod operator;
mod ports_file;
mod server;
mod sharing;
mod signal_command;
mod surroundings;
mod transports;

pub use flags::{Flags, InvalidFlags};
pub use server::StandaloneError;

use std::io::Write as _;
use std::process::ExitCode;

use crate::broker::PROTOCOL_VERSION;

/// Does what the command line says and gives the code that the process ends with.
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(error) => return failed(&format!("{error}\n\nSee tollway-node --help")),
    };
    if flags.help {
        return told(&flags::help());
    }
    if flags.help_tls {
        return told(flags::HELP_TLS);
    }
    if flags.version {
        // Tools look for the second part.
        let version = env!("CARGO_PKG_VERSION");
        return told(&format!(
            "tollway-node: v{version} (as nats-server: v{PROTOCOL_VERSION})\n"
        ));
    }
    if let Some(command) = &flags.signal {
        return match signal_command::run(command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error.to_string()),
        };
    }
    if flags.test {
        return match configuration::check(&flags) {
            Ok(text) => told(&text),
            Err(error) => failed(&crate::error_text::chain(&error)),
        };
    }
    match server::start(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&crate::error_text::chain(&error)),
    }
}

/// Nothing can be done when nobody reads it.
fn told(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn failed(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tollway-node: {text}");
    ExitCode::FAILURE
}
