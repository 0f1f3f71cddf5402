//! What the person in front of the terminal sees: one line per step.

use std::{
    io::{self, Write},
    path::Path,
    time::Instant,
};

/// Writes to stdout. A reader that has gone away stops nothing.
pub(super) struct Progress {
    step: Option<Instant>,
}

/// Ends what a process in the background says to the one that started it.
pub(super) const END_OF_TEXT: u8 = 0x03;

impl Progress {
    pub(super) fn new() -> Self {
        Self { step: None }
    }

    pub(super) fn title(&mut self, folder: &Path) {
        let version = env!("CARGO_PKG_VERSION");
        write(&format!("Tollway {version}, data in {}\n", folder.display()));
    }

    /// A step begins: its name stands there while it takes its time.
    pub(super) fn begin(&mut self, name: &str) {
        self.step = Some(Instant::now());
        write(&format!("  {name:<14} "));
    }

    /// The step is done, with what came of it.
    pub(super) fn done(&mut self, result: &str) {
        if let Some(began) = self.step.take() {
            write(&format!("{result} ({:.1} s)\n", began.elapsed().as_secs_f64()));
        }
    }

    /// Everything runs. Whoever started us in the background need not read on.
    pub(super) fn end(&mut self, text: &str, detached: bool) {
        write(&format!("\n{text}"));
        if detached {
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(&[END_OF_TEXT]).and_then(|()| stdout.flush());
        }
    }

    /// It stops, on request or because a step failed.
    pub(super) fn stopping(&mut self, failed: bool) {
        if self.step.take().is_some() {
            write(if failed { "failed\n" } else { "not finished\n" });
        }
        write("stopping\n");
    }

    pub(super) fn stopped(&mut self) {
        write("stopped; the data stay\n");
    }
}

fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
