//! The ledger: never twice, never for a neighbour.

use time::OffsetDateTime;
use time::macros::datetime;
use tollway_datastore::{LiveRow, UsageStored};
use tollway_model::{Account, BootId, Node, UsageHour, UsageRow, UsageTotals};

use crate::fixture::{World, account_key, fresh_boot, now};

const HOUR: OffsetDateTime = datetime!(2026-11-20 10:00 UTC);

fn row(account: &Account, boot_id: BootId, hour: OffsetDateTime, count: u64) -> UsageRow {
    let usage = UsageTotals {
        messages_in: count,
        bytes_in: count * 100,
        messages_out: count * 2,
        bytes_out: count * 200,
        connections_opened: 1,
    };
    UsageRow {
        boot_id,
        account: account.public_key.clone(),
        hour_unix: hour.unix_timestamp(),
        usage,
    }
}

async fn store(world: &World, node: &Node, rows: &[UsageRow]) -> UsageStored {
    let mut tx = world.system().await;
    let stored = tx.usage_store(node.id, rows, now()).await.unwrap();
    tx.commit().await.unwrap();
    stored
}

async fn hours(world: &World, account: &Account) -> Vec<UsageHour> {
    let (from, to) = (datetime!(2026-11-20 00:00 UTC), datetime!(2026-11-21 00:00 UTC));
    world
        .tenant()
        .await
        .usage_hours(account.id, from, to)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_report_that_is_repeated_late_or_out_of_order_counts_once() {
    let world = World::new().await;
    let (account, node) = (world.account("orders").await, world.node(world.cell.id).await);
    let boot = fresh_boot();
    let report = |count| vec![row(&account, boot, HOUR, count)];
    for count in [5, 9, 9, 3, 7] {
        let stored = store(&world, &node, &report(count)).await;
        assert_eq!(
            stored,
            UsageStored {
                stored: 1,
                ..UsageStored::default()
            }
        );
    }
    let read = hours(&world, &account).await;
    assert_eq!(read.len(), 1);
    assert_eq!((read[0].hour, read[0].usage), (HOUR, report(9)[0].usage));
}

#[tokio::test]
async fn runs_of_a_node_and_hours_add_up() {
    let world = World::new().await;
    let (account, node) = (world.account("orders").await, world.node(world.cell.id).await);
    let (first, second) = (fresh_boot(), fresh_boot());
    let earlier = HOUR - time::Duration::hours(1);
    let rows = [
        row(&account, first, earlier, 1),
        row(&account, first, HOUR, 10),
        row(&account, second, HOUR, 20),
        // The same row twice in one report counts once.
        row(&account, second, HOUR, 15),
    ];
    assert_eq!(store(&world, &node, &rows).await.left_out(), 0);
    let read = hours(&world, &account).await;
    let counts: Vec<_> = read
        .iter()
        .map(|hour| (hour.hour, hour.usage.messages_in))
        .collect();
    assert_eq!(counts, [(earlier, 1), (HOUR, 30)]);
    assert_eq!(read[1].usage.connections_opened, 2);
    let mut tx = world.tenant().await;
    let none = tx.usage_hours(
        account.id,
        HOUR + time::Duration::hours(1),
        datetime!(2027-01-01 00:00 UTC),
    );
    assert_eq!(none.await.unwrap(), []);
    let all = tx
        .usage_by_account(earlier, HOUR + time::Duration::hours(1))
        .await
        .unwrap();
    assert_eq!(
        (all.len(), all[0].account_id, all[0].usage.messages_in),
        (1, account.id, 31)
    );
}

#[tokio::test]
async fn a_node_cannot_bill_an_account_of_another_cell_nor_one_that_is_not_there() {
    let world = World::new().await;
    let second = world.second_cell().await;
    let (node, other_node) = (world.node(world.cell.id).await, world.node(second.id).await);
    let account = world.account("orders").await;
    let mut invented = row(&account, fresh_boot(), HOUR, 1);
    invented.account = account_key();
    let rows = [row(&account, fresh_boot(), HOUR, 7), invented];
    assert_eq!(
        store(&world, &other_node, &rows).await,
        UsageStored {
            foreign: 2,
            ..UsageStored::default()
        }
    );
    assert_eq!(hours(&world, &account).await, []);
    assert_eq!(
        store(&world, &node, &rows).await,
        UsageStored {
            stored: 1,
            foreign: 1,
            ..UsageStored::default()
        }
    );
    assert_eq!(hours(&world, &account).await.len(), 1);
}

#[tokio::test]
async fn hours_that_are_none_are_left_out_and_those_out_of_reach_are_billed_in_the_nearest() {
    let world = World::new().await;
    let (account, node) = (world.account("orders").await, world.node(world.cell.id).await);
    let boot = fresh_boot();
    let mut askew = row(&account, boot, HOUR, 1);
    askew.hour_unix += 1;
    let mut never = row(&account, boot, HOUR, 1);
    never.hour_unix = i64::MIN;
    let mut before_time = row(&account, boot, HOUR, 1);
    before_time.hour_unix = -3600;
    let at = |hours| row(&account, boot, HOUR + time::Duration::hours(hours), 1);
    // The hour that begins 35 days before now is half over by then: the next one is the first that counts.
    let (too_late, late) = (at(-35 * 24), at(-35 * 24 + 1));
    let (next, future, far) = (at(1), at(2), at(9_000));
    let rows = [askew, never, before_time, too_late, late, next, future, far];
    assert_eq!(
        store(&world, &node, &rows).await,
        UsageStored {
            stored: 5,
            moved: 3,
            untimely: 3,
            ..UsageStored::default()
        }
    );
    let read = async || {
        let (from, to) = (datetime!(2026-01-01 00:00 UTC), datetime!(2036-01-01 00:00 UTC));
        let hours = world.tenant().await.usage_hours(account.id, from, to).await;
        let hours = hours.unwrap().into_iter();
        hours
            .map(|hour| (hour.hour, hour.usage.messages_in))
            .collect::<Vec<_>>()
    };
    let (first, last) = (
        HOUR - time::Duration::hours(35 * 24 - 1),
        HOUR + time::Duration::hours(1),
    );
    assert_eq!(read().await, [(first, 2), (last, 3)]);

    // Told again two hours later, with more: it stays in the hours where it is, once.
    let mut tx = world.system().await;
    let again = [
        row(&account, boot, HOUR - time::Duration::hours(35 * 24), 4),
        row(&account, boot, HOUR + time::Duration::hours(9_000), 4),
    ];
    let later = now() + time::Duration::hours(2);
    tx.usage_store(node.id, &again, later).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(read().await, [(first, 5), (last, 6)]);
}

#[tokio::test]
async fn more_than_a_node_can_do_in_an_hour_is_not_billed() {
    let world = World::new().await;
    let (account, node) = (world.account("orders").await, world.node(world.cell.id).await);
    let boot = fresh_boot();
    let most = UsageTotals {
        messages_in: 1_000_000_000_000,
        bytes_in: 1_000_000_000_000_000,
        messages_out: 1_000_000_000_000,
        bytes_out: 1_000_000_000_000_000,
        connections_opened: 1_000_000_000,
    };
    let with = |usage| UsageRow {
        usage,
        ..row(&account, boot, HOUR, 1)
    };
    let beyond = |raise: fn(&mut UsageTotals)| {
        let mut usage = most;
        raise(&mut usage);
        with(usage)
    };
    let rows = [
        beyond(|usage| usage.messages_in += 1),
        beyond(|usage| usage.bytes_in = u64::MAX),
        beyond(|usage| usage.messages_out = i64::MAX as u64),
        beyond(|usage| usage.bytes_out += 1),
        beyond(|usage| usage.connections_opened += 1),
        with(most),
    ];
    assert_eq!(
        store(&world, &node, &rows).await,
        UsageStored {
            stored: 1,
            absurd: 5,
            ..UsageStored::default()
        }
    );
    assert_eq!(hours(&world, &account).await[0].usage, most);
}

#[tokio::test]
async fn a_stranger_sees_no_usage() {
    let world = World::new().await;
    let (account, node) = (world.account("orders").await, world.node(world.cell.id).await);
    store(&world, &node, &[row(&account, fresh_boot(), HOUR, 1)]).await;
    let mut tx = world.stranger().await;
    let to = HOUR + time::Duration::hours(1);
    assert_eq!(tx.usage_hours(account.id, HOUR, to).await.unwrap(), []);
    assert_eq!(tx.usage_by_account(HOUR, to).await.unwrap(), []);
}

#[tokio::test]
async fn what_was_used_stays_after_the_account_is_gone() {
    let world = World::new().await;
    let (account, node) = (world.account("orders").await, world.node(world.cell.id).await);
    let mut tx = world.tenant().await;
    tx.account_stage_set(account.id, &account.stage.clone().delete(now()).unwrap())
        .await
        .unwrap();
    crate::fixture::publish(&mut tx, account.id, 2, true).await;
    tx.commit().await.unwrap();
    // The node was away while the account was deleted, and reports late.
    assert_eq!(
        store(&world, &node, &[row(&account, fresh_boot(), HOUR, 4)])
            .await
            .stored,
        1
    );
    assert_eq!(hours(&world, &account).await[0].usage.messages_in, 4);
}

#[tokio::test]
async fn a_live_report_replaces_the_one_before() {
    let world = World::new().await;
    let node = world.node(world.cell.id).await;
    let (a, b) = (world.account("a").await, world.account("b").await);
    let live = |account: &Account, connections| LiveRow {
        account: account.public_key.clone(),
        connections,
        subscriptions: connections * 2,
    };
    let report = async |rows: &[LiveRow]| {
        let mut tx = world.system().await;
        tx.account_live_replace(node.id, rows, now()).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.tenant().await;
        let mut open = Vec::new();
        for account in [&a, &b] {
            open.push(
                tx.account_get(&account.id.into())
                    .await
                    .unwrap()
                    .unwrap()
                    .live
                    .connections,
            );
        }
        open
    };
    assert_eq!(report(&[live(&a, 3), live(&b, 5)]).await, [3, 5]);
    let invented = LiveRow {
        account: account_key(),
        connections: 9,
        subscriptions: 9,
    };
    assert_eq!(report(&[live(&b, 1), invented]).await, [0, 1]);
    assert_eq!(report(&[]).await, [0, 0]);
}
