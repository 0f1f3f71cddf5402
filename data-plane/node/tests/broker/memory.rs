//! What the clients of one account can make the node hold.

use std::time::Duration;

use crate::support::{Account, Raw, World, eventually};

const MIB: usize = 1024 * 1024;

/// So much is published to one subject, in messages of 64 KiB, as far as the broker takes them.
async fn publish(publisher: &mut Raw, subject: &str, bytes: usize) {
    let payload = 64 * 1024;
    let message = [
        format!("PUB {subject} {payload}\r\n").into_bytes(),
        vec![b'x'; payload],
        b"\r\n".to_vec(),
    ]
    .concat();
    for _ in 0..bytes / payload {
        publisher.send(&message).await;
    }
    publisher.sync().await;
}

/// A client with one subscription that does not read what comes.
async fn receiver(world: &World, account: &Account, subject: &str) -> Raw {
    let mut raw = world.client(&account.user()).await;
    raw.send(format!("SUB {subject} 1\r\n")).await;
    raw.sync().await;
    raw
}

/// It is alive, and everything that waited for it comes.
async fn gets_all(receiver: &mut Raw, subject: &str, bytes: usize) {
    for _ in 0..bytes / (64 * 1024) {
        receiver.expect(format!("MSG {subject} 1 65536\r\n")).await;
        receiver.expect(vec![b'x'; 64 * 1024]).await;
        receiver.expect("\r\n").await;
    }
    receiver.sync().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_holds_too_much_loses_its_largest_receivers_and_nobody_elses() {
    let world = World::with(|settings| settings.account_memory_max = 32 * MIB).await;
    let (noisy, calm) = (world.account(), world.account());
    let mut neighbour = receiver(&world, &calm, "flood").await;
    let mut asks = world.client(&calm.user()).await;
    publish(&mut asks, "flood", 10 * MIB).await;

    // Kernels take some of it; what waits here is less than in the flood, in any case.
    let mut small = receiver(&world, &noisy, "small").await;
    let mut publisher = world.client(&noisy.user()).await;
    publish(&mut publisher, "small", 8 * MIB).await;
    let mut large = receiver(&world, &noisy, "flood").await;
    for _ in 0..32 {
        if world.broker.stats().slow_consumers > 0 {
            break;
        }
        publish(&mut publisher, "flood", 4 * MIB).await;
    }
    eventually("the largest is closed", || world.live(&noisy).connections == 2).await;
    assert_eq!(world.broker.stats().slow_consumers, 1);
    let _ = large.rest().await;

    // There is room again, for it and for others.
    let mut again = receiver(&world, &noisy, "flood").await;
    publisher.send("PUB flood 2\r\nhi\r\n").await;
    again.expect("MSG flood 1 2\r\nhi\r\n").await;
    gets_all(&mut small, "small", 8 * MIB).await;
    gets_all(&mut neighbour, "flood", 10 * MIB).await;
    assert_eq!(world.live(&calm).connections, 2);
    assert_eq!(world.broker.stats().slow_consumers, 1);
}

/// A small question can have a long answer, and nobody of the account has a turn while that goes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_node_answers_counts_for_the_account_as_what_its_clients_publish() {
    let world = World::with(|settings| {
        settings.account_memory_max = 32 * MIB;
        // Who reads nothing is not closed for that.
        settings.write_deadline = Duration::from_secs(3600);
    })
    .await;
    let account = world.account();
    let mut receivers = Vec::new();
    for _ in 0..6 {
        receivers.push(receiver(&world, &account, "everywhere").await);
    }
    let mut asks = world.client(&account.user()).await;
    asks.send("PUB $SYS.REQ.USER.INFO everywhere 0\r\n\r\n").await;
    let question = world.broker.question_of_tenant().await;
    world.broker.answer(&question, vec![b'x'; 20 * MIB]).await;
    eventually("there is room again", || world.broker.stats().slow_consumers > 0).await;
    assert!(
        world.live(&account).connections >= 2,
        "and for nobody without need"
    );
    drop(receivers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_closes_receivers_of_the_account_for_which_most_waits() {
    let world = World::with(|settings| settings.node_memory_max = 32 * MIB).await;
    let (noisy, calm) = (world.account(), world.account());
    let mut neighbour = receiver(&world, &calm, "flood").await;
    let mut asks = world.client(&calm.user()).await;
    publish(&mut asks, "flood", 8 * MIB).await;
    let mut receivers = Vec::new();
    let mut publisher = world.client(&noisy.user()).await;
    for number in 0..8 {
        let subject = format!("flood.{number}");
        receivers.push(receiver(&world, &noisy, &subject).await);
        publish(&mut publisher, &subject, 16 * MIB).await;
        if world.broker.stats().slow_consumers > 0 {
            break;
        }
    }
    eventually("one of the noisy account is closed", || {
        world.live(&noisy).connections < receivers.len() as u32 + 1
    })
    .await;
    gets_all(&mut neighbour, "flood", 8 * MIB).await;
    assert_eq!(world.live(&calm).connections, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_can_keep_so_many_bytes_of_subscriptions_and_gets_them_back() {
    let world = World::with(|settings| settings.account_memory_max = 4 * MIB).await;
    let account = world.account();
    let mut raw = world.client(&account.user()).await;
    let filter = |number: usize| format!("f.{number}.{}", "x".repeat(1000));
    let mut made = 0;
    loop {
        raw.send(format!("SUB {} {made}\r\nPING\r\n", filter(made))).await;
        match raw.line().await.as_str() {
            "PONG" => made += 1,
            "-ERR 'maximum subscriptions exceeded'" => break,
            other => panic!("{other}"),
        }
    }
    raw.expect("PONG\r\n").await;
    assert!((500..3000).contains(&made), "{made} filters of a thousand bytes");
    assert_eq!(world.live(&account).subscriptions, made as u32);

    // A neighbour has all of its own room, and what is ended makes room.
    let mut neighbour = world.client(&world.account().user()).await;
    neighbour.send(format!("SUB {} 1\r\n", filter(0))).await;
    neighbour.sync().await;
    raw.send("UNSUB 0\r\nUNSUB 1\r\n").await;
    raw.send(format!("SUB {} 0\r\n", filter(0))).await;
    raw.sync().await;
    drop(raw);
    eventually("all of them end", || world.live(&account).subscriptions == 0).await;
    let mut raw = world.client(&account.user()).await;
    for number in 0..made {
        raw.send(format!("SUB {} {number}\r\n", filter(number))).await;
    }
    raw.sync().await;
}
