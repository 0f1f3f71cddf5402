//! What monitoring tells of the process itself.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// A process that is watched, and how often it was asked.
#[derive(Debug)]
pub struct About {
    since: SystemTime,
    began: Instant,
    /// Where monitoring is served.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) base_path: String,
    configuration: Mutex<ConfigurationRead>,
    requests: Mutex<BTreeMap<&'static str, u64>>,
    processor: Mutex<Processor>,
}

/// The configuration file that was read last.
#[derive(Debug, Clone)]
pub(crate) struct ConfigurationRead {
    /// When.
    pub at: SystemTime,
    /// Its digest; empty without a file.
    pub digest: String,
    /// Labels that it gives the server.
    pub tags: Vec<String>,
}

/// Time of processors that was used, when it was last looked at.
#[derive(Debug)]
struct Processor {
    at: Instant,
    used: Duration,
    percent: f64,
}

/// A shorter time says little about how busy a process is.
const PROCESSOR_WINDOW: Duration = Duration::from_secs(1);

/// The kernel counts processor time in hundredths of a second.
const TICKS_PER_SECOND: u64 = 100;

impl About {
    /// A process that begins to serve monitoring there.
    pub fn new(host: String, port: u16, base_path: String, digest: String, tags: Vec<String>) -> Self {
        let now = Instant::now();
        let at = SystemTime::now();
        Self {
            since: at,
            began: now,
            host,
            port,
            base_path,
            configuration: Mutex::new(ConfigurationRead { at, digest, tags }),
            requests: Mutex::default(),
            processor: Mutex::new(Processor {
                at: now,
                used: processor_time(),
                percent: 0.0,
            }),
        }
    }

    /// Another configuration is in force.
    pub fn configuration_set(&self, digest: String, tags: Vec<String>) {
        let at = SystemTime::now();
        *self.configuration.lock() = ConfigurationRead { at, digest, tags };
    }

    /// The configuration in force.
    pub(crate) fn configuration(&self) -> ConfigurationRead {
        self.configuration.lock().clone()
    }

    /// When the process began.
    pub(crate) fn since(&self) -> SystemTime {
        self.since
    }

    /// For how long it has run.
    pub(crate) fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// Counts a visit of a page.
    pub(crate) fn asked(&self, page: &'static str) {
        *self.requests.lock().entry(page).or_default() += 1;
    }

    /// How often each page was asked for.
    pub(crate) fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.requests.lock().clone()
    }

    /// How much of one processor was used of late, in percent.
    pub(crate) fn processor_percent(&self) -> f64 {
        let mut last = self.processor.lock();
        let passed = last.at.elapsed();
        if passed >= PROCESSOR_WINDOW {
            let used = processor_time();
            let busy = used.saturating_sub(last.used);
            *last = Processor {
                at: Instant::now(),
                used,
                percent: (busy.as_secs_f64() / passed.as_secs_f64() * 1000.0).round() / 10.0,
            };
        }
        last.percent
    }
}

/// Bytes of memory that the process takes; 0 where the system does not tell.
pub(crate) fn memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|number| number.trim().parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

/// Time that the process has used on all processors; none where the system does not tell.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name, which may hold anything but ends with the last bracket.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_the_process_takes() {
        assert!(memory_bytes() > 1024 * 1024);
        // A test has used some time to start.
        let before = processor_time();
        let mut sum = 0u64;
        while processor_time() == before {
            sum = (0..1_000_000).fold(sum, |sum, number| sum.wrapping_add(number));
        }
        assert!(processor_time() > before);
    }
}
