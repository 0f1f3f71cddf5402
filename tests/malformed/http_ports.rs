//! The ports that speak HTTP: the API and console, and metrics and health of both programs.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollway_tests::{Random, Steady, System, eventually, in_time};

use crate::http_request::KINDS;
use crate::process::Process;

const GROWTH_KIB_MAX: u64 = 48 * 1024;

fn address_of(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().expect("an address")
}

/// Says something and reads the answer for a moment, or not at all.
async fn say(address: SocketAddr, bytes: &[u8], random: &mut Random) {
    let mut stream = in_time("somebody listens", TcpStream::connect(address))
        .await
        .expect("somebody listens");
    let cut = random.below(bytes.len() + 1);
    for piece in [&bytes[..cut], &bytes[cut..]] {
        let writing = stream.write_all(piece);
        if !matches!(
            tokio::time::timeout(Duration::from_secs(2), writing).await,
            Ok(Ok(()))
        ) {
            return;
        }
    }
    if random.below(2) == 0 {
        let mut answer = [0; 4096];
        let _ = tokio::time::timeout(Duration::from_millis(5), stream.read(&mut answer)).await;
    }
}

async fn every_kind(address: SocketAddr, token: &str, times: usize, random: &mut Random) {
    for _ in 0..times {
        for (_, make) in KINDS {
            let bytes = make(random, token);
            say(address, &bytes, random).await;
        }
    }
}

/// Reads and changes over and over, and counts.
struct Caller {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    running: tokio::task::JoinHandle<()>,
}

impl Caller {
    fn start(system: &System, account: &tollway_tests::Account) -> Self {
        let (api, path) = (system.api().clone(), format!("/v1/accounts/{}", account.id));
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let running = tokio::spawn({
            let (stop, calls) = (stop.clone(), calls.clone());
            async move {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let change = json!({ "limits": { "connections": 10 + number % 50 } });
                    for (method, body) in [(Method::GET, Value::Null), (Method::PATCH, change)] {
                        let answer = in_time("the API answers", api.call(method, &path, &body)).await;
                        let answer = answer.expect("the API answers");
                        assert_eq!(answer.status, 200, "{answer:?}");
                    }
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        Self { stop, calls, running }
    }

    async fn goes_on(&self, calls: u64) {
        let goal = self.calls.load(Ordering::Relaxed) + calls;
        eventually("calls are answered", async || {
            assert!(!self.running.is_finished(), "the caller goes on");
            (self.calls.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
    }

    async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.await.expect("every call was answered");
    }
}

/// Waits until the process has about as many sockets as at first.
async fn all_gone(process: &Process) {
    eventually("all who attacked are gone", async || {
        (process.open_files() <= process.open_files_at_first() + 20).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_every_kind_leave_the_control_plane_as_it_was() {
    let mut system = System::start().await;
    let node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let caller = Caller::start(&system, &tenant.account);
    let steady = Steady::start(&node, &tenant.creds).await;
    let token = fs::read_to_string(system.control_plane.folder().join("admin.token")).unwrap();
    let mut random = Random::new();
    let ports = [
        address_of(&system.control_plane.api_url()),
        address_of(&system.control_plane.metrics_url()),
    ];

    for port in ports {
        every_kind(port, token.trim(), 6, &mut random).await;
    }
    let process = Process::now("the control plane", system.control_plane.process_id());
    for port in ports {
        every_kind(port, token.trim(), 20, &mut random).await;
    }
    caller.goes_on(20).await;
    steady.goes_on(20).await;
    caller.finish().await;
    assert_eq!(steady.failed(), 0);
    all_gone(&process).await;
    process.is_the_same(system.control_plane.process_id(), GROWTH_KIB_MAX);
    assert!(system.control_plane.is_running());
    assert!(
        !system.control_plane.log().contains("panicked"),
        "nothing panics inside"
    );
    let health = reqwest::get(format!("{}/readyz", system.control_plane.metrics_url()));
    assert_eq!(health.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_every_kind_at_its_metrics_port_leave_the_node_as_it_was() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let tenant = system.api().tenant("cell-a").await;
    let steady = Steady::start(&node, &tenant.creds).await;
    let mut random = Random::new();
    let port = address_of(&node.metrics_url());

    every_kind(port, "no token", 6, &mut random).await;
    let process = Process::now("the node", node.process_id());
    every_kind(port, "no token", 20, &mut random).await;
    steady.goes_on(50).await;
    assert_eq!(steady.failed(), 0);
    all_gone(&process).await;
    process.is_the_same(node.process_id(), GROWTH_KIB_MAX);
    assert!(node.is_running());
    assert!(!node.log().contains("panicked"), "nothing panics inside");
    let health = reqwest::get(format!("{}/readyz", node.metrics_url()));
    assert_eq!(health.await.unwrap().status(), 200);
}
