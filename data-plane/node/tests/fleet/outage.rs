//! The control plane is away, the node restarts, the disk is damaged.

use std::fs;
use std::net::{SocketAddr, TcpListener};

use tollway_claims::Signer;
use tollway_proto::fleet::Request;
use tollway_proto::fleet::control_message::Message as Control;
use tollway_proto::fleet::node_message::Message as FromNode;

use crate::client::Client;
use crate::control_plane::{ControlPlane, mark_of, summary};
use crate::eventually;
use crate::node::Node;
use crate::operator::Account;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_killed_while_the_control_plane_is_away_serves_from_its_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let (account, mut suspended) = (Account::new(), Account::new());
    stream
        .snapshot(
            (1, 1),
            vec![account.document(&operator), suspended.document(&operator)],
        )
        .await;
    suspended.version = 2;
    suspended.suspended = Some("unpaid".into());
    stream.delta((1, 2), vec![suspended.document(&operator)]).await;
    let user = account.user();
    let mut client = node.login(&user).await.unwrap();

    control_plane.stop().await;
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n").await;
    assert_eq!(client.line().await, "MSG a 1 2");
    assert_eq!(client.payload(2).await, b"hi");
    node.kill();

    let mut node = Node::start(folder.path(), &control_plane);
    let mut client = node.login(&user).await.unwrap();
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n").await;
    assert_eq!(client.line().await, "MSG a 1 2");
    assert_eq!(client.payload(2).await, b"hi");
    node.login(&account.user()).await.unwrap();
    assert_eq!(
        node.login(&suspended.user()).await.unwrap_err(),
        "-ERR 'Authorization Violation'"
    );

    control_plane.resume().await;
    let mut stream = control_plane.welcomed().await;
    assert_eq!(
        stream.hello.cursor,
        Some(
            tollway_node::fleet::Cursor {
                epoch: 1,
                revision: 2,
                mark: mark_of(1, 2),
            }
            .into()
        )
    );
    let later = Account::new();
    assert_eq!(
        summary(&stream.delta((1, 3), vec![later.document(&operator)]).await),
        (Some((1, 3)), vec![])
    );
    node.login(&later.user()).await.unwrap();
    // The client of before has noticed nothing of this.
    client.sync().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_comes_back_within_a_moment_of_the_control_plane() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let _node = Node::start(folder.path(), &control_plane);
    let first = control_plane.welcomed().await;
    control_plane.stop().await;
    control_plane.resume().await;
    let start = std::time::Instant::now();
    let second = control_plane.welcomed().await;
    assert_eq!(first.hello.boot_id, second.hello.boot_id);
    // At most half a second of pause and a handshake; the rest is a slow machine.
    assert!(
        start.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_disk_costs_one_document_and_asks_for_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let accounts: Vec<_> = (0..3).map(|_| Account::new()).collect();
    let log = folder.path().join("last-known-good.log");
    let mut ends = Vec::new();
    for (revision, account) in (1..).zip(&accounts) {
        stream
            .update(
                revision == 1,
                (1, revision),
                vec![account.document(&operator)],
                vec![],
            )
            .await;
        ends.push(fs::metadata(&log).unwrap().len() as usize);
    }
    node.kill();
    let mut content = fs::read(&log).unwrap();
    content[ends[0] + 200] ^= 1;
    fs::write(&log, content).unwrap();

    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    assert_eq!(
        stream.hello.cursor, None,
        "something is missing, so a snapshot is needed"
    );
    assert!(node.login(&accounts[0].user()).await.is_ok());
    assert!(node.login(&accounts[1].user()).await.is_err());
    assert!(node.login(&accounts[2].user()).await.is_ok());
    assert!(node.log().contains("damaged"));
    let all = accounts
        .iter()
        .map(|account| account.document(&operator))
        .collect();
    stream.snapshot((1, 3), all).await;
    node.login(&accounts[1].user()).await.unwrap();
    node.kill();
    let _node = Node::start(folder.path(), &control_plane);
    assert_eq!(
        control_plane
            .welcomed()
            .await
            .hello
            .cursor
            .map(|cursor| cursor.revision),
        Some(3)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_restarted_on_a_full_disk_serves_takes_changes_and_acknowledges_them_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let (first, second, third) = (Account::new(), Account::new(), Account::new());
    let log = folder.path().join("last-known-good.log");
    stream.snapshot((1, 1), vec![first.document(&operator)]).await;
    let end = fs::metadata(&log).unwrap().len() as usize;
    stream.delta((1, 2), vec![second.document(&operator)]).await;
    stream.delta((1, 3), vec![third.document(&operator)]).await;
    node.kill();
    // What a restart would tidy up, if it could: damage, and a torn end.
    let mut content = fs::read(&log).unwrap();
    content[end + 200] ^= 1;
    fs::write(&log, [&content[..], b"\xF7rec torn"].concat()).unwrap();

    let listen = free_address();
    let node = Node::start_on_full_disk(folder.path(), &control_plane, listen);
    let mut client = eventually("the node serves", async || {
        Client::connect(listen, &first.user()).await.ok()
    })
    .await;
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n").await;
    assert_eq!(client.line().await, "MSG a 1 2");
    assert_eq!(client.payload(2).await, b"hi");
    Client::connect(listen, &third.user()).await.unwrap();
    Client::connect(listen, &second.user()).await.unwrap_err();
    assert!(!folder.path().join("ports.json").exists());

    // A change is in force, although it cannot be kept and is not acknowledged.
    let mut stream = control_plane.welcomed().await;
    assert_eq!(stream.hello.cursor, None, "something is missing");
    let all = [&first, &second, &third].map(|account| account.document(&operator));
    stream.send_update(true, (1, 3), all.into(), vec![]).await;
    eventually("the change is in force", async || {
        Client::connect(listen, &second.user()).await.ok()
    })
    .await;
    // The stream is no worse for it: another change, and a question whose answer comes after any Ack.
    let suspended = Account {
        version: 2,
        suspended: Some("unpaid".into()),
        signer: Signer::from_seed(&second.signer.seed()).unwrap(),
        ..Account::new()
    };
    let changed = vec![suspended.document(&operator)];
    stream.send_update(false, (1, 4), changed, vec![]).await;
    stream.send(Control::Request(Request::default())).await;
    let answer = stream
        .next(|message| match message {
            FromNode::Ack(_) | FromNode::Response(_) => Some(message),
            _ => None,
        })
        .await;
    assert!(matches!(answer, FromNode::Response(_)), "{answer:?}");
    Client::connect(listen, &second.user()).await.unwrap_err();
    assert_eq!(
        &fs::read(&log).unwrap()[..content.len()],
        content,
        "what was kept is kept"
    );

    node.make_room();
    assert_eq!(summary(&stream.ack().await), (Some((1, 3)), vec![]));
    assert_eq!(summary(&stream.ack().await), (Some((1, 4)), vec![]));
    node.kill();
    let mut node = Node::start(folder.path(), &control_plane);
    let stream = control_plane.welcomed().await;
    assert_eq!(stream.hello.cursor.map(|cursor| cursor.revision), Some(4));
    node.login(&third.user()).await.unwrap();
    node.login(&second.user()).await.unwrap_err();
}

/// An address that nobody had a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_on_disk_are_not_believed_without_their_signature() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let mine = Account::new();
    stream.snapshot((1, 1), vec![mine.document(&operator)]).await;
    node.kill();

    // Somebody who can write to the disk puts an account of their own there, in a proper record.
    let foreign_folder = tempfile::tempdir().unwrap();
    let mut foreign = ControlPlane::start().await;
    let node = Node::start(foreign_folder.path(), &foreign);
    let theirs = Account::new();
    foreign
        .welcomed()
        .await
        .snapshot((1, 7), vec![theirs.document(&foreign.operator)])
        .await;
    node.kill();
    let theirs_on_disk = fs::read(foreign_folder.path().join("last-known-good.log")).unwrap();
    let path = folder.path().join("last-known-good.log");
    let mut content = fs::read(&path).unwrap();
    content.extend_from_slice(&theirs_on_disk[16..]);
    fs::write(&path, content).unwrap();

    let mut node = Node::start(folder.path(), &control_plane);
    let stream = control_plane.welcomed().await;
    assert_eq!(stream.hello.cursor, None);
    node.login(&mine.user()).await.unwrap();
    assert!(node.login(&theirs.user()).await.is_err());
    assert!(node.log().contains("does not verify"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_stop_tells_clients_and_removes_the_ports() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let account = Account::new();
    stream.snapshot((1, 1), vec![account.document(&operator)]).await;
    let mut client = node.login(&account.user()).await.unwrap();
    // Nobody listens any more: the stop must not wait for that.
    control_plane.stop().await;
    eventually("the node notices", async || {
        node.log().contains("no stream").then_some(())
    })
    .await;
    node.terminate();
    let ended = node.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!folder.path().join("ports.json").exists());
    while !client.line().await.is_empty() {}
}
