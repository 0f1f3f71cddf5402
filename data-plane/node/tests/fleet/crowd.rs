//! More sockets than the process may open: others wait, the node goes on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tokio::net::TcpStream;

use crate::client::Client;
use crate::control_plane::{ControlPlane, summary};
use crate::eventually;
use crate::node::Node;
use crate::operator::Account;

/// A node that may open so many files: `-Sn` is what it may raise itself, `-Hn` is not.
fn start_with(limits: &str, folder: &Path, control_plane: &ControlPlane) -> Node {
    let node = Node::command(folder, control_plane.address);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limits} && exec \"$@\""), "sh"])
        .arg(node.get_program())
        .args(node.get_args())
        .args(["--name", "test-node"])
        .env("TOLLWAY_ENROL_TOKEN", &control_plane.token)
        .env_remove("RUST_LOG");
    Node::spawn(command, folder)
}

async fn silent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        crowd.push(TcpStream::connect(address).await.expect("the kernel takes it"));
    }
    crowd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_clients_than_the_usual_number_of_open_files_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = start_with("ulimit -Sn 100", folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let account = Account::new();
    stream.snapshot((1, 1), vec![account.document(&operator)]).await;
    let mut clients = Vec::new();
    for _ in 0..150 {
        clients.push(node.login(&account.user()).await.unwrap());
    }
    for client in &mut clients {
        client.sync().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowd_that_takes_every_place_ends_neither_clients_nor_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = start_with("ulimit -n 512", folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let account = Account::new();
    stream.snapshot((1, 1), vec![account.document(&operator)]).await;
    let user = account.user();
    let mut client = node.login(&user).await.unwrap();
    let ports = node.ports().await;

    let clients = silent(ports.client, 700).await;
    let visitors = silent(ports.metrics, 70).await;
    client.sync().await;
    // A new stream to the control plane and a log written anew both need a descriptor.
    control_plane.stop().await;
    control_plane.resume().await;
    let mut stream = control_plane.welcomed().await;
    let later = Account::new();
    let ack = stream
        .snapshot(
            (2, 1),
            vec![account.document(&operator), later.document(&operator)],
        )
        .await;
    assert_eq!(summary(&ack), (Some((2, 1)), vec![]));
    client.sync().await;

    drop(clients);
    eventually("the next client finds a place", async || {
        Client::connect(ports.client, &later.user()).await.ok()
    })
    .await;
    let url = format!("http://{}/healthz", ports.metrics);
    let answer = eventually("the next visitor finds a place", async || {
        reqwest::get(&url).await.ok()
    })
    .await;
    assert_eq!(answer.status(), 200);
    drop(visitors);
    assert!(
        !node.log().contains("cannot accept connections"),
        "{}",
        node.log()
    );
}
