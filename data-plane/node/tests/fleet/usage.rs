//! Usage and live counts on their way to the control plane.

use std::collections::BTreeMap;

use tollway_proto::fleet::control_message::Message as Control;
use tollway_proto::fleet::node_message::Message as FromNode;
use tollway_proto::fleet::{LiveAccount, UsageAck, UsageReport, UsageRow};

use crate::control_plane::{Attached, ControlPlane};
use crate::node::Node;
use crate::operator::Account;

/// What a control plane keeps: the greatest value of each row.
type Ledger = BTreeMap<(String, String, i64), UsageRow>;

async fn report(stream: &mut Attached) -> UsageReport {
    stream
        .next(|message| match message {
            FromNode::Usage(report) => Some(report),
            _ => None,
        })
        .await
}

fn keep(ledger: &mut Ledger, report: &UsageReport) {
    for row in &report.rows {
        let key = (row.boot_id.clone(), row.account.clone(), row.hour_unix);
        let kept = ledger.entry(key).or_insert_with(|| row.clone());
        kept.messages_in = kept.messages_in.max(row.messages_in);
        kept.bytes_in = kept.bytes_in.max(row.bytes_in);
        kept.messages_out = kept.messages_out.max(row.messages_out);
        kept.bytes_out = kept.bytes_out.max(row.bytes_out);
        kept.connections_opened = kept.connections_opened.max(row.connections_opened);
    }
}

/// Messages and bytes in, messages and bytes out, connections; of one boot or of all.
fn sums(ledger: &Ledger, boot: Option<&str>) -> [u64; 5] {
    let mut sums = [0; 5];
    for row in ledger
        .values()
        .filter(|row| boot.is_none_or(|boot| row.boot_id == boot))
    {
        let numbers = [
            row.messages_in,
            row.bytes_in,
            row.messages_out,
            row.bytes_out,
            row.connections_opened,
        ];
        for (sum, number) in sums.iter_mut().zip(numbers) {
            *sum += number;
        }
    }
    sums
}

async fn acknowledge(stream: &Attached, report: &UsageReport) {
    stream
        .send(Control::UsageAck(UsageAck {
            sequence: report.sequence,
        }))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_survives_sigkill_and_is_told_under_its_boot_until_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let account = Account::new();
    stream.snapshot((1, 1), vec![account.document(&operator)]).await;
    let mut client = node.login(&account.user()).await.unwrap();
    client
        .send("SUB a 1\r\nPUB a 5\r\nhello\r\nPUB b 3\r\nbye\r\n")
        .await;
    client.sync_after_messages(1).await;

    // Told and not acknowledged; and told again on a new stream.
    let mut ledger = Ledger::new();
    while sums(&ledger, None) != [2, 10, 1, 6, 1] {
        let report = report(&mut stream).await;
        keep(&mut ledger, &report);
        if sums(&ledger, None) != [2, 10, 1, 6, 1] {
            acknowledge(&stream, &report).await;
        }
    }
    let first_boot = stream.hello.boot_id.clone();
    drop(stream);
    let mut stream = control_plane.welcomed().await;
    let mut again = Ledger::new();
    keep(&mut again, &report(&mut stream).await);
    assert_eq!(again, ledger);

    // More, which is only in the journal when the node dies.
    control_plane.stop().await;
    client.send("PUB b 1\r\nx\r\n").await;
    client.sync().await;
    tokio::time::sleep(2 * tollway_node::usage::CHECKPOINT_INTERVAL).await;
    node.kill();
    control_plane.resume().await;
    let node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let told = report(&mut stream).await;
    assert_ne!(stream.hello.boot_id, first_boot);
    let mut after = Ledger::new();
    keep(&mut after, &told);
    assert_eq!(sums(&after, Some(&first_boot)), [3, 12, 1, 6, 1]);

    // Not acknowledged, so the next boot tells it too; then it is acknowledged, and gone.
    node.kill();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let told = report(&mut stream).await;
    keep(&mut after, &told);
    assert_eq!(sums(&after, None), [3, 12, 1, 6, 1]);
    acknowledge(&stream, &told).await;
    let third_boot = stream.hello.boot_id.clone();
    let _client = node.login(&account.user()).await.unwrap();
    let own = report(&mut stream).await;
    assert!(own.rows.iter().all(|row| row.boot_id == third_boot), "{own:?}");
    node.kill();
    let _node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let told = report(&mut stream).await;
    assert!(told.rows.iter().all(|row| row.boot_id == third_boot), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_node_tells_its_last_usage_and_that_nothing_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start().await;
    let operator = control_plane.operator.clone();
    let mut node = Node::start(folder.path(), &control_plane);
    let mut stream = control_plane.welcomed().await;
    let account = Account::new();
    stream.snapshot((1, 1), vec![account.document(&operator)]).await;
    let mut client = node.login(&account.user()).await.unwrap();
    client.send("SUB a 1\r\nSUB b 2\r\n").await;
    client.sync().await;
    let live = |message| match message {
        FromNode::Live(report) => Some(report.accounts),
        _ => None,
    };
    let open = LiveAccount {
        account: account.key(),
        connections: 1,
        subscriptions: 2,
    };
    while stream.next(live).await != [open.clone()] {}

    client.send("PUB a 4\r\nlast\r\n").await;
    client.sync_after_messages(1).await;
    node.terminate();
    let mut ledger = Ledger::new();
    let mut open = None;
    while sums(&ledger, None) != [1, 5, 1, 5, 1] || open != Some(vec![]) {
        let told = stream
            .next(|message| match message {
                FromNode::Usage(report) => Some(Ok(report)),
                FromNode::Live(report) => Some(Err(report.accounts)),
                _ => None,
            })
            .await;
        match told {
            Ok(report) => {
                keep(&mut ledger, &report);
                acknowledge(&stream, &report).await;
            }
            Err(accounts) => open = Some(accounts),
        }
    }
    let ended = node.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("could not be told"), "{}", ended.stderr);
}
