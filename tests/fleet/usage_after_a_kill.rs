//! A crash of the node costs at most what was counted after its last checkpoint.
#![allow(
    clippy::print_stderr,
    reason = "measurements are for whoever runs the tests with --no-capture"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tollway_tests::{Creds, Node, Raw, System, eventually};

use crate::bill::Bill;
use crate::metrics;

const ROUNDS: usize = 5;
const PAYLOAD: usize = 40;

/// A publisher's own record.
#[derive(Debug, Default)]
struct Record {
    /// When the node had confirmed each message, in order.
    confirmed: Vec<SystemTime>,
    /// Messages whose bytes may have reached the node.
    sent: u64,
}

impl Record {
    fn confirmed_before(&self, time: SystemTime) -> u64 {
        self.confirmed.partition_point(|&at| at < time) as u64
    }
}

/// Publishes at a steady pace, each message confirmed, until the node is gone.
async fn publish_until_the_end(mut raw: Raw) -> Record {
    let mut record = Record::default();
    let message = format!("PUB a {PAYLOAD}\r\n{}\r\nPING\r\n", "x".repeat(PAYLOAD));
    loop {
        record.sent += 1;
        if !raw.try_send(&message).await || raw.line().await != "PONG" {
            return record;
        }
        record.confirmed.push(SystemTime::now());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Sees each checkpoint being written: the journal grows.
struct Checkpoints {
    stop: Arc<AtomicBool>,
    watching: std::thread::JoinHandle<Vec<SystemTime>>,
}

impl Checkpoints {
    fn watch(journal: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let watching = std::thread::spawn(move || {
            let (mut seen, mut length) = (Vec::new(), length_of(&journal));
            while !stopped.load(Ordering::Relaxed) {
                let now = length_of(&journal);
                if now != length {
                    length = now;
                    let written = fs::metadata(&journal).and_then(|file| file.modified());
                    seen.push(written.expect("the node has a journal"));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            seen
        });
        Self { stop, watching }
    }

    fn finish(self) -> Vec<SystemTime> {
        self.stop.store(true, Ordering::Relaxed);
        self.watching.join().expect("the watcher sees files")
    }
}

fn length_of(journal: &Path) -> u64 {
    fs::metadata(journal).map_or(0, |file| file.len())
}

async fn raw(node: &Node, creds: &Creds) -> Raw {
    eventually("the node serves", async || {
        Raw::connect(node.address(), creds).await.ok()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_bills_all_but_what_came_after_its_last_checkpoint() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let mut billed_before = Bill::default();
    for round in 0..ROUNDS {
        let publisher = raw(&node, &tenant.creds).await;
        let checkpoints = Checkpoints::watch(node.folder().join("usage.log"));
        let publishing = tokio::spawn(publish_until_the_end(publisher));
        // A different moment between two checkpoints in each round.
        tokio::time::sleep(Duration::from_millis(1_000 + 23 * round as u64)).await;
        let killed_at = SystemTime::now();
        node.kill();
        let checkpoints = checkpoints.finish();
        let record = publishing.await.unwrap();
        node.start().await;
        metrics::connected(&node).await;
        metrics::usage_acknowledged(&node).await;

        let billed = Bill::of(api, &tenant.account).await;
        let messages = billed.messages_in - billed_before.messages_in;
        assert_eq!(
            billed.bytes_in - billed_before.bytes_in,
            messages * ("a".len() + PAYLOAD) as u64,
            "messages and bytes are of the same checkpoint"
        );
        assert!(messages <= record.sent, "billed {messages}, sent {}", record.sent);
        assert_eq!(billed.connections - billed_before.connections, 1);
        // The last checkpoint was begun after the one before it was written, so it has all that was
        // confirmed until then.
        assert!(
            checkpoints.len() > 5,
            "many checkpoints in a second: {checkpoints:?}"
        );
        let last_but_one = checkpoints[checkpoints.len() - 2];
        let certain = record.confirmed_before(last_but_one);
        assert!(
            messages >= certain,
            "billed {messages}, but {certain} were confirmed before the last checkpoint was begun"
        );
        let confirmed = record.confirmed.len() as u64;
        let uncounted_since = record
            .confirmed
            .get(messages as usize)
            .and_then(|&first| killed_at.duration_since(first).ok())
            .unwrap_or_default();
        eprintln!(
            "MEASURED kill {round}: sent {}, confirmed {confirmed}, billed {messages}: short by {} messages, those of the last {:.0} ms; {} checkpoints",
            record.sent,
            confirmed.saturating_sub(messages),
            uncounted_since.as_secs_f64() * 1000.0,
            checkpoints.len(),
        );
        billed_before = billed;
    }
}
