//! What a process takes, as the kernel sees it.
#![allow(
    clippy::print_stderr,
    reason = "measurements are for whoever runs the tests with --no-capture"
)]

use std::fs;

/// A process that must stay the same one, and not grow.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    id: u32,
    resident_kib: u64,
    files: usize,
}

impl Process {
    /// As it is now. Before this, everything that will be done to it was done once: what a process takes
    /// for the first time it keeps for the next.
    pub(crate) fn now(name: &'static str, id: u32) -> Self {
        Self {
            name,
            id,
            resident_kib: status(id, "VmRSS"),
            files: open_files(id),
        }
    }

    /// Open sockets and files, now.
    pub(crate) fn open_files(&self) -> usize {
        open_files(self.id)
    }

    /// How many there were at first.
    pub(crate) fn open_files_at_first(&self) -> usize {
        self.files
    }

    /// It is the same process, and takes at most so much more memory than at first.
    pub(crate) fn is_the_same(&self, id: u32, growth_kib_max: u64) {
        assert_eq!(self.id, id, "{} is the same process", self.name);
        let (now, peak) = (status(id, "VmRSS"), status(id, "VmHWM"));
        eprintln!(
            "MEASURED memory of {}: {} KiB at first, {now} KiB at last, {peak} KiB at most",
            self.name, self.resident_kib
        );
        assert!(
            now <= self.resident_kib + growth_kib_max,
            "{} grew from {} to {now} KiB",
            self.name,
            self.resident_kib
        );
    }
}

/// A number of KiB of `/proc/…/status`.
fn status(id: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse().ok())
        .expect("the kernel tells it")
}

fn open_files(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd"))
        .expect("the process is there")
        .count()
}
