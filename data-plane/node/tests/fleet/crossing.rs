//! Documents that share and rename, as the control plane sends them.

use tollway_claims::{Export, Import, LocalSubject};

use crate::client::Client;
use crate::control_plane::{ControlPlane, summary};
use crate::node::Node;
use crate::operator::Account;

/// The service `near` of an account, which is its own name for `far` of another one.
fn by_way_of(account: &mut Account, other: &Account, far: &str, near: &str) {
    let mut import = Import::service(other.signer.public(), far.parse().expect("a subject"));
    import.local_subject =
        Some(LocalSubject::new(near, import.subject.as_filter()).expect("a subject of the import"));
    account.imports = vec![import];
}

async fn asks_and_hears(asker: &mut Client, subject: &str, responder: &mut Client) {
    asker.send(&format!("PUB {subject} _INBOX.1 1\r\nq\r\n")).await;
    let line = responder.line().await;
    let words: Vec<_> = line.split(' ').collect();
    let length = words
        .last()
        .and_then(|length| length.parse().ok())
        .expect("a line ends with its length");
    responder.payload(length).await;
    responder.send(&format!("PUB {} 1\r\na\r\n", words[3])).await;
    assert_eq!(asker.line().await, "MSG _INBOX.1 1 1");
    assert_eq!(asker.payload(1).await, b"a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_share_are_applied_kept_and_refused_when_they_form_a_cycle() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let (mut one, mut two) = (Account::new(), Account::new());
    one.exports = vec![Export::service("a".parse().unwrap())];
    two.exports = vec![Export::service("b".parse().unwrap())];
    by_way_of(&mut one, &two, "b", "a");
    let documents = vec![one.document(&operator), two.document(&operator)];
    let ack = stream.snapshot((1, 1), documents).await;
    assert_eq!(summary(&ack), (Some((1, 1)), Vec::new()));
    let mut asker = node.login(&one.user()).await.unwrap();
    let mut responder = node.login(&two.user()).await.unwrap();
    asker.send("SUB _INBOX.1 1\r\n").await;
    asker.sync().await;
    responder.send("SUB b 1\r\n").await;
    responder.sync().await;
    asks_and_hears(&mut asker, "a", &mut responder).await;

    // The other one closes the circle: it is refused, with the reason, and nothing else changes.
    two.version = 2;
    by_way_of(&mut two, &one, "a", "b");
    let ack = stream.delta((1, 2), vec![two.document(&operator)]).await;
    assert_eq!(
        summary(&ack),
        (Some((1, 2)), vec![(two.key(), "import_cycle".into())])
    );
    assert!(
        ack.refused[0].reason.contains("cycle"),
        "{}",
        ack.refused[0].reason
    );
    asks_and_hears(&mut asker, "a", &mut responder).await;

    // Turned round in one batch, whatever comes first in it, it is none.
    (one.version, two.version) = (3, 3);
    one.imports.clear();
    let documents = vec![two.document(&operator), one.document(&operator)];
    let ack = stream.delta((1, 3), documents).await;
    assert_eq!(summary(&ack), (Some((1, 3)), Vec::new()));
    asker.send("SUB a 2\r\n").await;
    asker.sync().await;
    responder
        .send("SUB _INBOX.1 1\r\nUNSUB 1\r\nSUB _INBOX.1 1\r\n")
        .await;
    responder.sync().await;
    asks_and_hears(&mut responder, "b", &mut asker).await;

    // A restart finds the same on its disk.
    node.kill();
    let mut node = Node::start(folder.path(), &control_plane);
    control_plane.welcomed().await;
    let mut responder = node.login(&one.user()).await.unwrap();
    let mut asker = node.login(&two.user()).await.unwrap();
    asker.send("SUB _INBOX.1 1\r\n").await;
    asker.sync().await;
    responder.send("SUB a 1\r\n").await;
    responder.sync().await;
    asks_and_hears(&mut asker, "b", &mut responder).await;
}
