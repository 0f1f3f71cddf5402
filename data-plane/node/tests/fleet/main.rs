//! The node as its control plane meets it: the real program, a control plane
//! made of test code, real TLS, and clients of raw bytes.

mod client;
mod configuration;
mod control_plane;
mod crossing;
mod crowd;
mod enrolment;
mod node;
mod operator;
mod outage;
mod requests;
mod transports;
mod usage;

use std::time::{Duration, Instant};

/// Longer than anything takes here, shorter than anybody waits for a hung test.
const PATIENCE: Duration = Duration::from_secs(30);

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("a random source");
    bytes
}

/// Waits for a state, never for a time.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
