//! Reading many accounts at once gives what reading them one by one gives.

use time::Duration;
use time::macros::datetime;
use tollway_model::{UsageRow, UsageTotals};

use crate::fixture::{World, fresh, fresh_boot, now};

#[tokio::test]
async fn rollouts_and_hours_of_many_accounts_are_those_of_each() {
    let world = World::new().await;
    let (orders, quiet) = (world.account("orders").await, world.account("quiet").await);
    let stranger = world.account_in(world.theirs, world.cell.id, "orders").await;
    let node = world.node(world.cell.id).await;
    let hour = datetime!(2026-11-20 10:00 UTC);
    let usage = UsageTotals {
        messages_in: 7,
        ..UsageTotals::default()
    };
    let row = |account: &tollway_model::Account, hour: time::OffsetDateTime| UsageRow {
        boot_id: fresh_boot(),
        account: account.public_key.clone(),
        hour_unix: hour.unix_timestamp(),
        usage,
    };
    let rows = [
        row(&orders, hour),
        row(&orders, hour),
        row(&orders, hour - Duration::hours(2)),
        row(&stranger, hour),
    ];
    let mut tx = world.system().await;
    assert_eq!(tx.usage_store(node.id, &rows, now()).await.unwrap().left_out(), 0);
    tx.commit().await.unwrap();

    // Ids of another organization are asked for, and not answered.
    let ids = [orders.id, quiet.id, stranger.id, fresh()];
    let mut tx = world.tenant().await;
    let (from, to) = (hour - Duration::hours(1), hour + Duration::hours(1));
    let hours = tx.usage_hours_by_account(&ids, from, to).await.unwrap();
    let one_by_one = tx.usage_hours(orders.id, from, to).await.unwrap();
    assert_eq!(one_by_one.len(), 1);
    assert_eq!(
        hours,
        one_by_one
            .iter()
            .map(|hour| (orders.id, *hour))
            .collect::<Vec<_>>()
    );
    assert_eq!(hours[0].1.usage.messages_in, 14);

    let mut rollouts = tx.account_rollout_list(&ids).await.unwrap();
    rollouts.sort_by_key(|(account, _)| account.uuid());
    let mut expected = Vec::new();
    for account in [orders.id, quiet.id] {
        expected.push((account, tx.account_rollout(account).await.unwrap().unwrap()));
    }
    assert_eq!(rollouts, expected);
    assert_eq!(tx.account_rollout_list(&[]).await.unwrap(), []);
}
