//! The machine that figures are from, for whoever reads them elsewhere.

use std::fs;

use serde_json::json;

/// What it is, and how busy it was with other things.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    model: String,
    processors: usize,
    memory_gib: f64,
    kernel: String,
    /// Of the last minute, before anything was measured.
    load: f64,
}

/// More than this was running beside the benchmark: figures are then for orientation only.
const QUIET: f64 = 0.3;

impl Machine {
    /// This one. What cannot be read is left out: figures without it are still figures.
    pub(crate) fn read() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let model = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned());
        let memory = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
            .unwrap_or(0.0);
        Self {
            model,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory / 1024.0 / 1024.0,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0),
        }
    }

    pub(crate) fn processors(&self) -> usize {
        self.processors
    }

    /// Whether little else was running.
    pub(crate) fn is_quiet(&self) -> bool {
        self.load <= QUIET
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "model": self.model,
            "processors": self.processors,
            "memory_gib": self.memory_gib,
            "kernel": self.kernel,
            "load_before": self.load,
            "quiet": self.is_quiet(),
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} processors ({}), {:.0} GiB, Linux {}",
            self.processors, self.model, self.memory_gib, self.kernel
        )?;
        if self.is_quiet() {
            write!(f, ", quiet")
        } else {
            write!(f, ", NOT quiet: load {:.2} before the first run", self.load)
        }
    }
}

/// A line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_their_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: another\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(field(text, "bogomips"), None);
    }
}
