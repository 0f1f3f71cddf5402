//! Receivers that do not read: bounded, and their own problem.

use std::time::Duration;

use crate::support::{World, eventually};

const PAYLOAD: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_does_not_read_is_closed_and_others_get_everything() {
    let world = World::with(|settings| settings.max_pending = 2 * 1024 * 1024).await;
    let account = world.account();
    let user = account.user();
    let mut slow = world.client(&user).await;
    slow.send("SUB flood 1\r\n").await;
    slow.sync().await;
    let mut quick = world.client(&user).await;
    quick.send("SUB flood 1\r\n").await;
    quick.sync().await;
    let reading = tokio::spawn(async move {
        let mut got = 0;
        while got < 400 {
            assert_eq!(quick.line().await, format!("MSG flood 1 {PAYLOAD}"));
            quick.expect(vec![b'x'; PAYLOAD]).await;
            quick.expect("\r\n").await;
            got += 1;
        }
    });
    let mut publisher = world.client(&user).await;
    let message = [
        format!("PUB flood {PAYLOAD}\r\n").into_bytes(),
        vec![b'x'; PAYLOAD],
        b"\r\n".to_vec(),
    ]
    .concat();
    for _ in 0..400 {
        publisher.send(&message).await;
    }
    publisher.sync().await;
    reading.await.expect("the quick one got all");
    eventually("the slow one is closed", || {
        world.broker.stats().slow_consumers == 1
    })
    .await;
    eventually("and gone", || world.live(&account).connections == 1).await;

    // It finds what the kernel had taken, and then the end without a word.
    let rest = slow.rest().await;
    assert!(!String::from_utf8_lossy(&rest).contains("-ERR"));
    let whole = rest.len() / (format!("MSG flood 1 {PAYLOAD}\r\n").len() + PAYLOAD + 2);
    assert!(whole < 400, "something was thrown away");
    let used = world.meters(&account);
    assert_eq!(used.messages_in, 400);
    assert_eq!(
        used.messages_out,
        400 + whole as u64,
        "what its socket took is billed, and nothing of what was thrown away"
    );
    assert_eq!(
        used.bytes_out,
        used.messages_out * ("flood".len() + PAYLOAD) as u64
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_takes_nothing_is_closed_at_the_write_deadline() {
    let world = World::with(|settings| settings.write_deadline = Duration::from_millis(200)).await;
    let user = world.account().user();
    let mut slow = world.client(&user).await;
    slow.send("SUB flood 1\r\n").await;
    slow.sync().await;
    let mut publisher = world.client(&user).await;
    let message = [
        format!("PUB flood {PAYLOAD}\r\n").into_bytes(),
        vec![b'x'; PAYLOAD],
        b"\r\n".to_vec(),
    ]
    .concat();
    for _ in 0..300 {
        publisher.send(&message).await;
    }
    publisher.sync().await;
    eventually("it is closed", || world.broker.stats().slow_consumers == 1).await;
    publisher.sync().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_reads_late_gets_everything_that_waited_and_is_billed_then() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    let mut late = world.client(&user).await;
    late.send("SUB flood 1\r\n").await;
    late.sync().await;
    let mut publisher = world.client(&user).await;
    let message = [
        format!("PUB flood {PAYLOAD}\r\n").into_bytes(),
        vec![b'x'; PAYLOAD],
        b"\r\n".to_vec(),
    ]
    .concat();
    for _ in 0..300 {
        publisher.send(&message).await;
    }
    publisher.sync().await;
    let early = world.meters(&account).messages_out;
    assert!(early < 300, "{early}: the socket cannot have taken everything");
    for _ in 0..300 {
        late.expect(format!("MSG flood 1 {PAYLOAD}\r\n")).await;
        late.expect(vec![b'x'; PAYLOAD]).await;
        late.expect("\r\n").await;
    }
    late.sync().await;
    eventually("all of it is billed", || {
        world.meters(&account).messages_out == 300
    })
    .await;
    assert_eq!(world.broker.stats().slow_consumers, 0);
}
