//! Signals between control planes, and going away in order.

use std::time::Duration;

use tollway_datastore::FleetSignal;

use crate::fixture::World;

async fn soon<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("it comes soon")
}

#[tokio::test]
async fn a_signal_reaches_every_listener() {
    let world = World::new().await;
    let mut listeners = [
        world.datastore.listen().await.unwrap(),
        world.datastore.listen().await.unwrap(),
    ];
    for signal in [
        FleetSignal::Changed(world.cell.id),
        FleetSignal::Applied(world.cell.id),
    ] {
        world.datastore.signal(signal).await.unwrap();
        for listener in &mut listeners {
            assert_eq!(soon(listener.next()).await.unwrap(), signal);
        }
    }
}

#[tokio::test]
async fn a_listener_whose_connection_broke_says_so_and_goes_on() {
    let world = World::new().await;
    let mut listener = world.datastore.listen().await.unwrap();
    let mut superuser = world.database.superuser().await;
    sqlx::query(
        "SELECT pg_terminate_backend(pid)
         FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    assert_eq!(soon(listener.next()).await.unwrap(), FleetSignal::Missed);
    let signal = FleetSignal::Changed(world.cell.id);
    let heard = async {
        // The listener connects again when it is asked for the next signal; until then signals pass it by.
        loop {
            world.datastore.signal(signal).await.unwrap();
            match tokio::time::timeout(Duration::from_millis(100), listener.next()).await {
                Ok(heard) => return heard.unwrap(),
                Err(_) => continue,
            }
        }
    };
    assert_eq!(soon(heard).await, signal);
}

#[tokio::test]
async fn the_datastore_closes_while_somebody_listens() {
    let world = World::new().await;
    let _listener = world.datastore.listen().await.unwrap();
    soon(world.datastore.close()).await;
    assert!(world.datastore.ready().await.is_err());
}
