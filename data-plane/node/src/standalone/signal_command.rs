//! `--signal reload`: tells a node that runs already.

use std::path::Path;
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignalError {
    #[error("unknown signal {0:?}: there are stop, quit, term, reopen, reload and ldm")]
    Unknown(String),
    #[error("{0:?} is neither the number of a process nor a file with one")]
    NoPid(String),
    #[error("no other tollway-node runs here")]
    NoneRuns,
    #[error("several run here, name one with --signal {signal}=PID: {pids}")]
    SeveralRun { signal: String, pids: String },
    #[error("signal {signal:?} {pid}: {source}")]
    Refused {
        signal: String,
        pid: i32,
        source: io::Error,
    },
    #[error("the processes of this machine cannot be listed: {0}")]
    Processes(io::Error),
}

/// Sends `signal`, or `signal=PID`, where a file may stand for the number that is in it.
pub(super) fn run(command: &str) -> Result<(), SignalError> {
    let (word, target) = match command.split_once('=') {
        Some((word, target)) => (word, Some(target)),
        None => (command, None),
    };
    let signal = signal(word).ok_or_else(|| SignalError::Unknown(word.to_owned()))?;
    let pid = match target.filter(|target| !target.is_empty()) {
        Some(target) => named(target)?,
        None => the_only_one(word)?,
    };
    kill_process(pid, signal).map_err(|error| SignalError::Refused {
        signal: word.to_owned(),
        pid: pid.as_raw_nonzero().get(),
        source: error.into(),
    })
}

/// The words of stock servers.
fn signal(word: &str) -> Option<Signal> {
    match word {
        "stop" => Some(Signal::KILL),
        "quit" => Some(Signal::INT),
        "term" => Some(Signal::TERM),
        "reopen" => Some(Signal::USR1),
        "reload" => Some(Signal::HUP),
        "ldm" => Some(Signal::USR2),
        _ => None,
    }
}

fn named(target: &str) -> Result<Pid, SignalError> {
    let number = match target.parse() {
        Ok(number) => Some(number),
        Err(_) => fs::read_to_string(target)
            .ok()
            .and_then(|text| text.trim().parse().ok()),
    };
    number
        .and_then(process)
        .ok_or_else(|| SignalError::NoPid(target.to_owned()))
}

/// 0 and negative numbers stand for groups of processes, and 1 for whoever started everything.
fn process(number: i32) -> Option<Pid> {
    (number > 1).then(|| Pid::from_raw(number)).flatten()
}

/// The one other process of this program.
fn the_only_one(word: &str) -> Result<Pid, SignalError> {
    let own_id = std::process::id().to_string();
    let own = fs::read_link("/proc/self/exe").map_err(SignalError::Processes)?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").map_err(SignalError::Processes)?.flatten() {
        let name = entry.file_name();
        let Some(number) = name
            .to_str()
            .filter(|name| *name != own_id)
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Those of others cannot be read, and not be told anything either.
        let same = fs::read_link(entry.path().join("exe")).is_ok_and(|exe| is_same(&exe, &own));
        if same && let Some(pid) = process(number) {
            found.push(pid);
        }
    }
    match found[..] {
        [] => Err(SignalError::NoneRuns),
        [pid] => Ok(pid),
        _ => {
            let pids: Vec<_> = found.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
            Err(SignalError::SeveralRun {
                signal: word.to_owned(),
                pids: pids.join(" "),
            })
        }
    }
}

/// Also when the file was replaced by a newer one since.
fn is_same(exe: &Path, own: &Path) -> bool {
    let text = exe.to_string_lossy();
    Path::new(text.strip_suffix(" (deleted)").unwrap_or(&text)) == own
}
