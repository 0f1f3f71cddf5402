//! What the kernel says about a process: its time on processors, and its memory.

use std::fs;

use anyhow::Context as _;

/// The kernel's unit in `/proc/PID/stat`; 100 a second on every Linux that matters.
const TICK_NANOS: u64 = 10_000_000;

/// Time on processors since a process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcessorTime {
    /// Nanoseconds of all threads.
    pub(crate) nanos: u64,
    /// In the program's own code, in ticks.
    pub(crate) user_ticks: u64,
    /// In the kernel on its behalf, in ticks.
    pub(crate) kernel_ticks: u64,
}

impl ProcessorTime {
    /// Of a process that runs.
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))
            .with_context(|| format!("process {process} is gone"))?;
        let (user_ticks, kernel_ticks) = ticks(&stat).context("the kernel's stat has other fields")?;
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            // A thread may end between the two looks.
            if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                nanos += first_number(&text).context("the kernel's schedstat has other fields")?;
            }
        }
        // Threads that ended are in the ticks alone, which are rounded down: whichever is more is nearer.
        Ok(Self {
            nanos: nanos.max((user_ticks + kernel_ticks) * TICK_NANOS),
            user_ticks,
            kernel_ticks,
        })
    }

    /// What was spent since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(before.nanos),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            kernel_ticks: self.kernel_ticks.saturating_sub(before.kernel_ticks),
        }
    }

    /// The part that was spent in the kernel, from 0 to 1; nothing when too little was spent to tell.
    pub(crate) fn kernel_share(self) -> Option<f64> {
        let all = self.user_ticks + self.kernel_ticks;
        (all >= 10).then(|| self.kernel_ticks as f64 / all as f64)
    }
}

/// Nanoseconds that all processors of the machine were busy since it started, interrupts included.
pub(crate) fn machine_busy_nanos() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    busy_ticks(&stat)
        .map(|ticks| ticks * TICK_NANOS)
        .context("the kernel's stat has other fields")
}

/// Resident memory of a process, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Memory {
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))
            .with_context(|| format!("process {process} is gone"))?;
        Self::parse(&status).context("the kernel's status has other fields")
    }

    fn parse(status: &str) -> Option<Self> {
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Self {
            now: kib("VmRSS:")? * 1024,
            peak: kib("VmHWM:")? * 1024,
        })
    }
}

/// User and kernel time. The program's name is in brackets and may hold anything, brackets too.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// All fields of the first line but idle and waiting for disks; guests are in user time already.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let busy = [0, 1, 2, 5, 6];
    busy.iter().map(|&field| fields.get(field).copied()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_kernel_time_are_found_behind_a_name_with_brackets() {
        let stat = "4 (a) b (c)) S 1 4 4 0 -1 4194560 9 8 7 6 250 31 0 0 20 0 5 0 99 1 1 1\n";
        assert_eq!(ticks(stat), Some((250, 31)));
        assert_eq!(ticks("4 (a) S 1"), None);
    }

    #[test]
    fn machine_is_busy_when_it_is_neither_idle_nor_waiting() {
        let stat = "cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(busy_ticks(stat), Some(100 + 20 + 30 + 6 + 7));
        assert_eq!(busy_ticks("cpu  1 2"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            Memory::parse(status),
            Some(Memory {
                now: 1024 * 1024,
                peak: 2048 * 1024
            })
        );
    }

    #[test]
    fn kernel_share_is_not_told_from_a_few_ticks() {
        let mut time = ProcessorTime {
            nanos: 0,
            user_ticks: 3,
            kernel_ticks: 1,
        };
        assert_eq!(time.kernel_share(), None);
        time.user_ticks = 30;
        time.kernel_ticks = 10;
        assert_eq!(time.kernel_share(), Some(0.25));
    }

    #[test]
    fn this_process_has_spent_time_and_holds_memory() {
        let process = std::process::id();
        assert!(ProcessorTime::of(process).unwrap().nanos > 0);
        let memory = Memory::of(process).unwrap();
        assert!(0 < memory.now && memory.now <= memory.peak);
        assert!(machine_busy_nanos().unwrap() > 0);
    }
}
