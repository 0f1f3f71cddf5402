//! Many who connect and say nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tollway_tests::{Raw, Steady, System, eventually, in_time};

async fn silent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        crowd.push(TcpStream::connect(address).await.expect("somebody listens"));
    }
    crowd
}

fn address_of(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().expect("an address")
}

/// Lets this process, and the programs that it starts, open so many files before they ask for more;
/// `None` is all that can be had.
fn open_files(count: Option<u64>) {
    let granted = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: count.or(granted.maximum),
        ..granted
    };
    setrlimit(Resource::Nofile, limit).expect("less than what is granted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_clients_are_cut_and_keep_nobody_out() {
    // What most systems start programs with.
    open_files(Some(1_024));
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    open_files(None);
    let tenant = system.api().tenant("cell-a").await;
    let steady = Steady::start(&node, &tenant.creds).await;
    let crowd = silent(node.address(), 2_000).await;
    Raw::connect(node.address(), &tenant.creds)
        .await
        .expect("there is room")
        .sync()
        .await;
    for mut stream in crowd {
        let mut told = Vec::new();
        in_time("the silent client is cut", stream.read_to_end(&mut told))
            .await
            .expect("it is told why");
        let told = String::from_utf8_lossy(&told);
        assert!(told.ends_with("-ERR 'Authentication Timeout'\r\n"), "{told}");
    }
    steady.goes_on(50).await;
    assert_eq!(steady.failed(), 0);
}

/// More than the control plane has places for on a port. One address gets a part of them, so that others are
/// let in at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_callers_do_not_keep_the_api_to_themselves() {
    open_files(Some(1_024));
    let system = System::start().await;
    open_files(None);
    let _node = system.start_node("cell-a").await;
    let crowd = silent(address_of(system.api().url()), 4_200).await;
    let health = format!("{}/healthz", system.api().url());

    let elsewhere = reqwest::Client::builder()
        .local_address(IpAddr::from([127, 0, 0, 2]))
        .build()
        .expect("a loopback address");
    let answer = in_time("the API answers others", elsewhere.get(&health).send()).await;
    assert_eq!(answer.expect("the API answers others").status(), 200);

    // Who said nothing was sent away meanwhile, so the same address gets in again.
    let same = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .expect("plain settings");
    eventually("the API answers a neighbour of the crowd", async || {
        let answer = same.get(&health).send().await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    drop(crowd);
}
