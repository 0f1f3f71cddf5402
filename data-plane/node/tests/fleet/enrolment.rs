//! How a node becomes a member of the fleet, and what it says when it cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::control_plane::ControlPlane;
use crate::eventually;
use crate::node::Node;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_enrols_once_and_needs_no_token_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let mut node = Node::start(folder.path(), &control_plane);
    let attached = control_plane.welcomed().await;
    assert_eq!(attached.hello.cursor, None, "it holds nothing yet");
    assert_eq!(
        attached.hello.client_url,
        format!("nats://{}", node.ports().await.client)
    );
    let enrolments = std::mem::take(&mut *control_plane.facts.enrolments.lock());
    assert_eq!(enrolments.len(), 1);
    assert_eq!(enrolments[0].node_name, "test-node");
    let identity = folder.path().join("identity.json");
    assert_eq!(
        fs::metadata(&identity).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        !fs::read_to_string(&identity)
            .unwrap()
            .contains(&control_plane.token)
    );
    assert!(!node.log().contains(&control_plane.token));
    node.kill();

    // The file of the used token was deleted, but the command line is that of the first start.
    let mut command = Node::command(folder.path(), control_plane.address);
    command
        .arg("--enrol-token-file")
        .arg(folder.path().join("deleted"));
    let node = Node::spawn(command, folder.path());
    let again = control_plane.welcomed().await;
    assert_ne!(again.hello.boot_id, attached.hello.boot_id);
    assert_eq!(again.certificate, attached.certificate);
    assert!(control_plane.facts.enrolments.lock().is_empty());
    drop(node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_of_another_control_plane_is_not_shown_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::start().await;
    let mut command = Node::command(folder.path(), control_plane.address);
    let (secret, _) = control_plane.token.split_once('.').unwrap();
    command.env("TOLLWAY_ENROL_TOKEN", format!("{secret}.{}", "0".repeat(64)));
    let ended = Node::spawn(command, folder.path()).ended().await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended
            .stderr
            .contains("is not the one that made the enrolment token"),
        "{}",
        ended.stderr
    );
    assert!(control_plane.facts.enrolments.lock().is_empty());
    assert!(!folder.path().join("identity.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_the_control_plane_and_missing_tokens_end_the_node_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let node = Node::start(&folder.path().join("a"), &control_plane);
    control_plane.welcomed().await;

    let other = folder.path().join("b");
    let ended = Node::start(&other, &control_plane).ended().await;
    assert_eq!(ended.status.code(), Some(1));
    let told = ended.stderr.lines().last().unwrap();
    assert_eq!(
        told,
        "tollway-node: the control plane refused to enrol this node: the enrolment token was used already"
    );

    let ended = Node::spawn(Node::command(&other, control_plane.address), &other)
        .ended()
        .await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended
            .stderr
            .lines()
            .last()
            .unwrap()
            .contains("--enrol-token-file"),
        "{}",
        ended.stderr
    );

    let same_folder = Node::spawn(
        Node::command(&folder.path().join("a"), control_plane.address),
        &other,
    );
    let ended = same_folder.ended().await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.lines().last().unwrap().contains("another node runs"),
        "{}",
        ended.stderr
    );
    drop(node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taken_port_is_one_sentence_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let node = Node::start(folder.path(), &control_plane);
    control_plane.welcomed().await;
    node.kill();
    let mut command = Node::command(folder.path(), control_plane.address);
    // The control plane has it. The last one counts.
    command.args(["--metrics-listen", &control_plane.address.to_string()]);
    let ended = Node::spawn(command, folder.path()).ended().await;
    assert_eq!(ended.status.code(), Some(1));
    let told = ended.stderr.lines().last().unwrap();
    let expected = format!(
        "tollway-node: cannot listen on {} for health and metrics: stop the program that has the port, \
         or choose another with --metrics-listen",
        control_plane.address
    );
    assert!(told.starts_with(&expected), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_waits_for_a_control_plane_that_starts_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    control_plane.stop().await;
    let node = Node::start(folder.path(), &control_plane);
    eventually("it tried", async || {
        node.log().contains("not enrolled yet").then_some(())
    })
    .await;
    control_plane.resume().await;
    control_plane.welcomed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_is_renewed_in_time_and_the_new_one_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    // Issued four hours ago, so two thirds of its life are over.
    *control_plane.facts.certificate_hours_left.lock() = Some(1);
    let node = Node::start(folder.path(), &control_plane);
    let first = control_plane.welcomed().await;
    let second = control_plane.welcomed().await;
    assert_ne!(first.certificate, second.certificate);
    assert_eq!(first.hello.boot_id, second.hello.boot_id);
    node.kill();
    let _node = Node::spawn(Node::command(folder.path(), control_plane.address), folder.path());
    assert_eq!(control_plane.welcomed().await.certificate, second.certificate);
}
