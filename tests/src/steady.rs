//! A client that asks the same question again and again, as programs do that nobody restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{Creds, Node, eventually, in_time};
use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt as _;
use tokio::task::JoinHandle;

/// A question without an answer for this long is lost: far longer than answers take on a busy machine.
const LOST_AFTER: Duration = Duration::from_secs(10);

/// Two ordinary clients, one that asks and one that answers, for as long as this value lives.
#[derive(Debug)]
pub struct Steady {
    answered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    slowest_us: Arc<AtomicU64>,
    running: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

async fn connect(node: &Node, creds: &Creds) -> Client {
    let options = ConnectOptions::with_credentials(&creds.text)
        .expect("creds parse")
        .request_timeout(Some(LOST_AFTER))
        .reconnect_delay_callback(|_| Duration::from_millis(20));
    in_time("the client connects", options.connect(node.url()))
        .await
        .expect("the node accepts the creds")
}

impl Steady {
    /// Connects both, and begins to ask.
    pub async fn start(node: &Node, creds: &Creds) -> Self {
        let service = connect(node, creds).await;
        let mut questions = service.subscribe("steady").await.expect("the client is open");
        service.flush().await.expect("the client is open");
        let answering = tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                if let Some(reply) = question.reply {
                    // While the node is away the question is lost, and asked again.
                    let _ = service.publish(reply, question.payload).await;
                }
            }
        });
        let client = connect(node, creds).await;
        let (answered, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let slowest_us = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn({
            let (answered, failed, stop) = (answered.clone(), failed.clone(), stop.clone());
            let slowest_us = slowest_us.clone();
            async move {
                for number in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let question = number.to_string();
                    let asked = Instant::now();
                    match client.request("steady", question.clone().into()).await {
                        Ok(answer) => {
                            assert_eq!(answer.payload, question, "each question has its own answer");
                            let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                            slowest_us.fetch_max(took, Ordering::Relaxed);
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        Self {
            answered,
            failed,
            slowest_us,
            running: vec![answering, asking],
            stop,
        }
    }

    /// Questions that had no answer so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How long the slowest answer took.
    pub fn slowest(&self) -> Duration {
        Duration::from_micros(self.slowest_us.load(Ordering::Relaxed))
    }

    /// Waits until so many more questions were answered.
    pub async fn goes_on(&self, questions: u64) {
        let goal = self.answered.load(Ordering::Relaxed) + questions;
        eventually("questions are answered", async || {
            let asking = self.running.last().expect("it was started");
            assert!(!asking.is_finished(), "the client goes on asking");
            (self.answered.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for running in &self.running {
            running.abort();
        }
    }
}
