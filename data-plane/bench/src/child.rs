//! `tollway-bench child`: becomes another program, after two things that only the process itself can
//! ask for: to be killed when the one that started it ends, and to run on one processor.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The command that becomes `program` in this way.
pub(crate) fn command(program: &std::path::Path, core: Option<usize>) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.arg("child");
    if let Some(core) = core {
        command.arg("--core").arg(core.to_string());
    }
    command.arg("--").arg(program);
    Ok(command)
}

/// Never returns when it succeeds.
pub(crate) fn run(core: Option<usize>, words: &[OsString]) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(core) = core {
        pin(core)?;
    }
    let (program, arguments) = words.split_first().context("no program was named")?;
    Err(Command::new(program).args(arguments).exec())
        .with_context(|| format!("cannot run {}", program.display()))
}

/// Keeps the calling thread, and those that it starts from now on, on one processor.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on processor {core} alone"))
}
