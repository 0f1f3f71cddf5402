//! Tenants that keep the broker's threads busy, and everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tollway_node::broker::runtime;

use crate::support::{Account, Raw, World, eventually};

/// Runs a scenario against a broker on the runtime that nodes use, with clients on another: they
/// must not share its threads.
fn on_the_nodes_runtime<S: Future<Output = ()>>(scenario: impl FnOnce(Arc<World>) -> S) {
    let served = runtime().expect("threads for the broker");
    let world = Arc::new(served.block_on(World::start()));
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads for the clients");
    clients.block_on(scenario(world));
    clients.shutdown_background();
    served.shutdown_background();
}

/// Sends the same again and again until the broker closes the connection.
fn flood(mut raw: Raw, batch: String, rounds: Arc<AtomicUsize>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while raw.write(&batch).await {
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    })
}

async fn suspend(world: &World, account: &mut Account) {
    account.suspended = Some("flood".into());
    // On a thread of its own, as the operator's work is.
    tokio::task::block_in_place(|| world.apply(account));
}

/// As many floods as keep every worker of the broker busy, and more.
#[test]
fn more_floods_than_workers_keep_nobody_from_asking_logging_in_and_being_suspended() {
    on_the_nodes_runtime(|world| async move {
        let floods = std::thread::available_parallelism().map_or(4, |workers| workers.get() + 2);
        let mut noisy = world.account();
        let user = noisy.user();
        let rounds = Arc::new(AtomicUsize::new(0));
        let mut flooding = Vec::new();
        for number in 0..floods {
            let raw = world.client(&user).await;
            let batch = format!("PUB flood.{number} 16\r\n0123456789abcdef\r\n").repeat(2000);
            flooding.push(flood(raw, batch, rounds.clone()));
        }
        eventually("all of them are at full blast", || {
            rounds.load(Ordering::Relaxed) > 20 * floods
        })
        .await;

        let calm = world.account();
        let user = calm.user();
        let mut responder = world.client(&user).await;
        responder.send("SUB ask 1\r\n").await;
        responder.sync().await;
        let mut requester = world.client(&user).await;
        requester.send("SUB inbox 1\r\n").await;
        requester.sync().await;
        for _ in 0..20 {
            requester.send("PUB ask inbox 2\r\nhi\r\n").await;
            responder.expect("MSG ask 1 inbox 2\r\nhi\r\n").await;
            responder.send("PUB inbox 2\r\nok\r\n").await;
            requester.expect("MSG inbox 1 2\r\nok\r\n").await;
        }

        suspend(&world, &mut noisy).await;
        for flood in flooding {
            flood.await.expect("its connection is closed");
        }
        eventually("nothing of it is left", || world.live(&noisy).connections == 0).await;
        requester.sync().await;
    });
}
