//! What the control plane sends, and what becomes of it.

use tollway_claims::{KeyKind, Limit, Signer};
use tollway_node::unix_clock::unix_now;
use tollway_proto::fleet::Update;
use tollway_proto::fleet::control_message::Message as Control;

use crate::control_plane::{ControlPlane, mark_of, summary};
use crate::node::Node;
use crate::operator::{Account, Operator};
use crate::{eventually, random};

const REFUSED: &str = "-ERR 'Authorization Violation'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_and_deltas_are_live_when_they_are_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let (mut first, second) = (Account::new(), Account::new());
    assert_eq!(node.login(&first.user()).await.unwrap_err(), REFUSED);

    // A snapshot in two parts: nothing counts before the last.
    let part = |first, last: bool, account: &Account| {
        let cursor = last.then(|| {
            tollway_node::fleet::Cursor {
                epoch: 1,
                revision: 5,
                mark: mark_of(1, 5),
            }
            .into()
        });
        let accounts = vec![account.document(&operator)];
        Control::Update(Update {
            snapshot: true,
            first,
            last,
            cursor,
            accounts,
            epoch_statement: operator.epoch(1),
            ..Update::default()
        })
    };
    stream.send(part(true, false, &first)).await;
    stream.send(part(false, true, &second)).await;
    assert_eq!(summary(&stream.ack().await), (Some((1, 5)), vec![]));
    let user = first.user();
    let mut connected = node.login(&user).await.unwrap();
    node.login(&second.user()).await.unwrap();

    // A revocation cuts the live connection.
    first.version = 2;
    first.revoked.push((user.signer.public(), unix_now()));
    let ack = stream.delta((1, 6), vec![first.document(&operator)]).await;
    assert_eq!(
        (summary(&ack), ack.request_id.as_str()),
        ((Some((1, 6)), vec![]), "req-6")
    );
    assert_eq!(connected.line().await, "-ERR 'User Authentication Revoked'");
    assert_eq!(node.login(&user).await.unwrap_err(), REFUSED);

    // So does a suspension, for everybody, and it ends.
    let user = first.user();
    let mut connected = node.login(&user).await.unwrap();
    first.version = 3;
    first.suspended = Some("unpaid".into());
    stream.delta((1, 7), vec![first.document(&operator)]).await;
    assert_eq!(connected.line().await, "-ERR 'Account Authentication Expired'");
    assert_eq!(node.login(&user).await.unwrap_err(), REFUSED);
    first.version = 4;
    first.suspended = None;
    stream.delta((1, 8), vec![first.document(&operator)]).await;
    let mut connected = node.login(&user).await.unwrap();

    // A removal by name; the other account stays.
    let ack = stream.update(false, (1, 9), vec![], vec![first.key()]).await;
    assert_eq!(summary(&ack), (Some((1, 9)), vec![]));
    assert_eq!(connected.line().await, "-ERR 'Account Authentication Expired'");
    node.login(&second.user()).await.unwrap();

    let log = node.log();
    assert!(log.contains(r#""request_id":"req-9""#), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_document_is_refused_and_displaces_nothing_while_another_applies() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let (mut kept, mut changed) = (Account::new(), Account::new());
    let both = vec![kept.document(&operator), changed.document(&operator)];
    stream.snapshot((1, 1), both).await;

    let stranger = Signer::generate(KeyKind::Operator, random());
    kept.version = 2;
    kept.connections = Limit::AtMost(0);
    changed.version = 2;
    let documents = vec![kept.document_signed_by(&stranger), changed.document(&operator)];
    let ack = stream.delta((1, 3), documents).await;
    assert_eq!(
        summary(&ack),
        (Some((1, 3)), vec![(kept.key(), "untrusted_issuer".into())])
    );
    node.login(&kept.user()).await.unwrap();

    // An older one, although the operator signed it.
    changed.version = 1;
    let ack = stream.delta((1, 4), vec![changed.document(&operator)]).await;
    assert_eq!(
        summary(&ack),
        (Some((1, 4)), vec![(changed.key(), "stale_version".into())])
    );

    // What was refused is not what a restart finds.
    node.kill();
    let mut node = Node::start(folder.path(), &control_plane);
    let stream = control_plane.welcomed().await;
    assert_eq!(stream.hello.cursor.map(|cursor| cursor.revision), Some(4));
    node.login(&kept.user()).await.unwrap();
    node.login(&changed.user()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn update_that_cannot_mean_well_is_refused_whole_until_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let accounts: Vec<_> = (0..12)
        .map(|_| Account {
            version: 7,
            ..Account::new()
        })
        .collect();
    let documents = |range: std::ops::Range<usize>| {
        accounts[range]
            .iter()
            .map(|account| account.document(&operator))
            .collect::<Vec<_>>()
    };
    stream.snapshot((3, 40), documents(0..12)).await;

    let whole = |code: &str| (Some((3, 40)), vec![(String::new(), code.to_owned())]);
    assert_eq!(
        summary(&stream.snapshot((3, 41), vec![]).await),
        whole("snapshot_empty")
    );
    assert_eq!(
        summary(&stream.snapshot((3, 41), documents(0..3)).await),
        whole("snapshot_removes_most")
    );
    assert_eq!(
        summary(&stream.snapshot((3, 39), documents(0..12)).await),
        whole("revision_went_back")
    );
    assert_eq!(summary(&stream.delta((4, 1), vec![]).await), whole("other_epoch"));
    // What was signed once, in an epoch that is over, or in one that the operator did not begin.
    assert_eq!(
        summary(&stream.snapshot((2, 50), documents(0..12)).await),
        whole("epoch_went_back")
    );
    let cursor = tollway_node::fleet::Cursor {
        epoch: 4,
        revision: 1,
        mark: mark_of(4, 1),
    };
    stream
        .send(Control::Update(Update {
            snapshot: true,
            first: true,
            last: true,
            cursor: Some(cursor.into()),
            accounts: documents(0..12),
            epoch_statement: operator.epoch(3),
            ..Update::default()
        }))
        .await;
    assert_eq!(summary(&stream.ack().await), whole("epoch_not_begun"));
    for account in &accounts {
        node.login(&account.user()).await.unwrap();
    }

    // A database that was restored from a backup, on purpose: fewer accounts,
    // older documents, lower revisions, and a new epoch.
    let mut restored = Account {
        version: 2,
        ..Account::new()
    };
    restored.signer = Signer::from_seed(&accounts[0].signer.seed()).unwrap();
    let documents = vec![restored.document(&operator), accounts[1].document(&operator)];
    assert_eq!(
        summary(&stream.snapshot((4, 5), documents).await),
        (Some((4, 5)), vec![])
    );
    node.login(&restored.user()).await.unwrap();
    assert_eq!(node.login(&accounts[2].user()).await.unwrap_err(), REFUSED);
    restored.version = 3;
    let ack = stream.delta((4, 6), vec![restored.document(&operator)]).await;
    assert_eq!(summary(&ack), (Some((4, 6)), vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_keys_change_only_by_what_its_identity_signed() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let account = Account::new();
    stream.snapshot((1, 1), vec![account.document(&operator)]).await;

    // Another operator, and one that says it is ours: refused, and nothing changes.
    let stranger = Operator::new();
    stream.welcome(&stranger.jwt(2_000)).await;
    let ack = stream
        .delta((1, 2), vec![Account::new().document(&stranger)])
        .await;
    assert_eq!(ack.refused[0].code, "untrusted_issuer");
    node.login(&account.user()).await.unwrap();

    // The same identity with another signing key.
    let rotated = Operator {
        identity: Signer::from_seed(&operator.identity.seed()).unwrap(),
        signing: Signer::generate(KeyKind::Operator, random()),
    };
    stream.welcome(&rotated.jwt(2_000)).await;
    let another = Account::new();
    let again = Account {
        version: 2,
        ..account
    };
    let documents = vec![another.document(&rotated), again.document(&rotated)];
    assert_eq!(
        summary(&stream.delta((1, 3), documents).await),
        (Some((1, 3)), vec![])
    );
    node.login(&another.user()).await.unwrap();

    // An older JWT, which could bring the old key back, is not taken, not even after a restart.
    node.kill();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let old_key = Account { version: 3, ..again };
    let ack = stream.delta((1, 4), vec![old_key.document(&operator)]).await;
    assert_eq!(ack.refused[0].code, "untrusted_issuer");
    node.login(&old_key.user()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_metrics_follow_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let base = format!("http://{}", node.ports().await.metrics);
    let get = async |path: &str| {
        let answer = reqwest::get(format!("{base}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await.0, 200);
    assert_eq!(
        get("/readyz").await,
        (503, "not ready: no configuration has been received yet\n".into())
    );

    let account = Account::new();
    let stranger = Signer::generate(KeyKind::Operator, random());
    let documents = vec![
        account.document(&operator),
        Account::new().document_signed_by(&stranger),
    ];
    stream.snapshot((1, 9), documents).await;
    assert_eq!(get("/readyz").await.0, 200);
    let mut client = node.login(&account.user()).await.unwrap();
    client.send("PUB a 5\r\nhello\r\n").await;
    client.sync().await;
    let metrics = get("/metrics").await.1;
    let key = account.key();
    for line in [
        "tollway_node_fleet_connected 1",
        "tollway_node_applied_revision 9",
        "tollway_node_accounts 1",
        "tollway_node_connections 1",
        r#"tollway_node_refused_documents_total{code="untrusted_issuer"} 1"#,
        &format!(r#"tollway_node_account_messages_in_total{{account="{key}"}} 1"#),
        &format!(r#"tollway_node_account_bytes_in_total{{account="{key}"}} 6"#),
    ] {
        assert!(
            metrics.lines().any(|other| other == line),
            "{line} is not in\n{metrics}"
        );
    }
    assert!(
        metrics.contains("tollway_node_usage_journal_lag_seconds 0."),
        "{metrics}"
    );

    control_plane.stop().await;
    eventually("the node notices", async || {
        get("/metrics")
            .await
            .1
            .contains("fleet_connected 0")
            .then_some(())
    })
    .await;
    assert_eq!(
        get("/readyz").await.0,
        200,
        "clients are served without a control plane"
    );
}
