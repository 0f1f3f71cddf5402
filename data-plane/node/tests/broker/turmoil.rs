//! Everything at once: what must hold then is that nothing hangs, nothing is
//! lost for those who stay, and nothing is left of those who go.

use std::sync::Arc;
use std::time::Duration;

use tollway_claims::Limit;

use crate::support::{World, eventually, now};

/// A receiver that reads in fits and starts keeps changing who sends to it:
/// publishers, its own task, both at once. A lost wake-up would hang this.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receiver_that_reads_in_fits_misses_nothing() {
    const PUBLISHERS: usize = 4;
    const MESSAGES: usize = 6000;
    let world = World::start().await;
    let user = world.account().user();
    let mut reader = world.client(&user).await;
    reader.send("SUB fits.* 1\r\n").await;
    reader.sync().await;
    let mut tasks = Vec::new();
    for publisher in 0..PUBLISHERS {
        let mut raw = world.client(&user).await;
        tasks.push(tokio::spawn(async move {
            let body = "x".repeat(1000);
            for number in 0..MESSAGES {
                raw.send(format!("PUB fits.{publisher} 1006\r\n{number:06}{body}\r\n"))
                    .await;
            }
            raw.sync().await;
        }));
    }
    let mut next = [0; PUBLISHERS];
    for count in 0..PUBLISHERS * MESSAGES {
        if count % 1500 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let head = reader.line().await;
        let publisher: usize = head[9..10].parse().expect("a publisher");
        let body = reader.line().await;
        assert_eq!(
            body[..6].parse(),
            Ok(next[publisher]),
            "the next one of {publisher}"
        );
        next[publisher] += 1;
    }
    for task in tasks {
        task.await.expect("publishers finish");
    }
    reader.sync().await;
}

/// Clients come, talk and go while the account's document changes all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_come_and_go_while_their_account_changes() {
    let world = Arc::new(World::start().await);
    let mut account = world.account();
    let calm = world.account();
    let users: Vec<_> = (0..8).map(|_| Arc::new(account.user())).collect();
    let mut bystander = world.client(&calm.user()).await;
    bystander.send("SUB > 1\r\n").await;
    bystander.sync().await;

    let mut clients = Vec::new();
    for (number, user) in users.iter().enumerate() {
        let (world, user) = (world.clone(), user.clone());
        clients.push(tokio::spawn(async move {
            for turn in 0..60 {
                let mut raw = world.dial().await;
                let Some(info) = raw.try_line().await else {
                    continue;
                };
                raw.nonce = info
                    .split("\"nonce\":\"")
                    .nth(1)
                    .map_or("", |rest| &rest[..15])
                    .to_owned();
                let connect = raw.connect_line(&user, serde_json::json!({}));
                raw.try_send(connect).await;
                raw.try_send("SUB a.* 1\r\nSUB a.> q 2\r\nSUB once 3\r\nUNSUB 3 1\r\n")
                    .await;
                for _ in 0..10 {
                    raw.try_send(format!("PUB a.{number} once 5\r\nhello\r\nPUB once 0\r\n\r\n"))
                        .await;
                }
                raw.try_send("PING\r\n").await;
                // Some stay to hear an answer or the end, others are gone at once.
                if turn % 3 > 0 {
                    while raw.try_line().await.is_some_and(|line| line != "PONG") {}
                }
            }
        }));
    }
    let changes = async {
        for turn in 0_u32..200 {
            match turn % 5 {
                0 => account.suspended = Some("for a moment".into()),
                1 => account.suspended = None,
                2 => account.limits().connections = Limit::AtMost(u64::from(turn % 7)),
                3 => {
                    account.claims.default_permissions.subscribe.deny = if turn % 2 == 0 {
                        vec!["a.3".into(), "once".into()]
                    } else {
                        Vec::new()
                    }
                }
                _ if turn % 50 == 49 => world.broker.account_remove(&account.key()),
                _ => account.limits().connections = Limit::Unlimited,
            }
            world.apply(&account);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    changes.await;
    for client in clients {
        client.await.expect("nobody hangs");
    }
    eventually("all of them are gone", || {
        world.live(&account) == Default::default()
    })
    .await;
    eventually("only one is left", || world.broker.stats().connections == 1).await;
    bystander.sync().await;

    // The account is as good as new.
    account.suspended = None;
    account.limits().connections = Limit::Unlimited;
    account.claims.default_permissions = Default::default();
    account.claims.issued_at = now();
    world.apply(&account);
    let mut raw = world.client(&users[0]).await;
    raw.send("SUB a.* 1\r\nPUB a.1 2\r\nok\r\n").await;
    raw.expect("MSG a.1 1 2\r\nok\r\n").await;
}
