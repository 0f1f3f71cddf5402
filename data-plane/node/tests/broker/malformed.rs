//! Bytes that are not the protocol end one connection and nothing else.

use crate::support::{User, World, random};

/// A client in the middle of everything goes on as if nothing had happened.
async fn still_serves(world: &World, user: &User) {
    let mut raw = world.client(user).await;
    raw.send("SUB alive 1\r\nPUB alive 2\r\nok\r\n").await;
    raw.expect("MSG alive 1 2\r\nok\r\n").await;
}

#[tokio::test]
async fn malformed_operations_have_their_text_and_end_the_connection() {
    let world = World::with(|settings| settings.max_payload = 1000).await;
    let user = world.account().user();
    let unknown = "-ERR 'Unknown Protocol Operation'\r\n";
    let long = "x".repeat(5000);
    let long_sid = "1".repeat(65);
    let table: &[(String, &str)] = &[
        ("NONSENSE\r\n".into(), unknown),
        ("\r\n".into(), unknown),
        ("\0\0\0\0".into(), unknown),
        ("GET / HTTP/1.1\r\n".into(), unknown),
        ("PUBLISH a 0\r\n\r\n".into(), unknown),
        ("PUB a 2\r\nhi!\r\n".into(), unknown),
        ("PUB a 2\r\nhi\n".into(), unknown),
        ("PUB a 3\r\nhi\r\nPING\r\n".into(), unknown),
        ("PUB a\r\n".into(), ""),
        ("PUB\r\n".into(), unknown),
        ("PUB a b c 1\r\n".into(), ""),
        ("PUB a -1\r\n".into(), ""),
        ("PUB a x\r\n".into(), ""),
        ("PUB a 99999999999999999999\r\n".into(), ""),
        ("PUB a 1001\r\n".into(), "-ERR 'Maximum Payload Violation'\r\n"),
        (
            "PUB a 999999999\r\n".into(),
            "-ERR 'Maximum Payload Violation'\r\n",
        ),
        ("HPUB a 10 5\r\n".into(), ""),
        ("HPUB a 5\r\n".into(), ""),
        ("HPUB a 5 x\r\n".into(), ""),
        ("SUB a\r\n".into(), ""),
        ("SUB a b c d\r\n".into(), ""),
        (format!("SUB a {long_sid}\r\n"), ""),
        ("UNSUB 1 2 3\r\n".into(), ""),
        (
            format!("SUB {long} 1\r\n"),
            "-ERR 'maximum control line exceeded'\r\n",
        ),
        (format!("PUB {long}"), "-ERR 'maximum control line exceeded'\r\n"),
        ("-ERR 'over'\r\n".into(), ""),
        ("INFO\r\n".into(), ""),
        ("INFO [1]\r\n".into(), ""),
        ("CONNECT {\r\n".into(), ""),
        ("CONNECT [1,2]\r\n".into(), ""),
        (format!("CONNECT {}\r\n", "[".repeat(4000)), ""),
    ];
    for (bytes, told) in table {
        let mut raw = world.client(&user).await;
        raw.try_send(bytes).await;
        raw.expect_end(told).await;
    }
    still_serves(&world, &user).await;
    assert_eq!(world.broker.stats().protocol_errors, table.len() as u64);
}

#[tokio::test]
async fn connections_that_break_off_anywhere_leave_nothing_behind() {
    let world = World::start().await;
    let account = world.account();
    let user = account.user();
    for part in [
        "",
        "PU",
        "PUB a 10",
        "PUB a 10\r\n",
        "PUB a 10\r\nhello",
        "SUB a 1\r\nPUB a 1\r\nx\r",
    ] {
        let mut raw = world.client(&user).await;
        raw.send(part).await;
        drop(raw);
    }
    drop(world.dial().await);
    drop(world.greeted().await);
    still_serves(&world, &user).await;
    crate::support::eventually("all are gone", || world.broker.stats().connections == 0).await;
    assert_eq!(world.live(&account), Default::default());
}

/// Random bytes, and random mutations of a sensible conversation, before and
/// after login. The seed is printed when something fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_never_end_the_broker() {
    let seed = u64::from_le_bytes(random()[..8].try_into().expect("eight bytes"));
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(seed);
    println!("repeat with SEED={seed}");
    let mut state = seed | 1;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let world = World::with(|settings| settings.max_payload = 4096).await;
    let account = world.account();
    let user = account.user();
    let mut bystander = world.client(&user).await;
    bystander.send("SUB bystander 1\r\n").await;
    bystander.sync().await;
    let sensible =
        b"SUB a.> q 1\r\nSUB b 2\r\nPUB a.b re 5\r\nhello\r\nHPUB b 12 14\r\nNATS/1.0\r\n\r\nhi\r\n\
        UNSUB 1 3\r\nPING\r\nPONG\r\nPUB b 0\r\n\r\nUNSUB 2\r\n+OK\r\n-ERR 'x'\r\n";
    for round in 0..200 {
        let mut bytes = sensible.repeat(1 + next(4));
        match round % 3 {
            0 => bytes = (0..1 + next(3000)).map(|_| next(256) as u8).collect(),
            1 => {
                for _ in 0..1 + next(6) {
                    let at = next(bytes.len());
                    bytes[at] = next(256) as u8;
                }
            }
            _ => {
                let at = next(bytes.len());
                let end = (at + next(20)).min(bytes.len());
                bytes.drain(at..end);
                bytes.truncate(1 + next(bytes.len().max(1)));
            }
        }
        let mut raw = world.greeted().await;
        if next(4) > 0 {
            let connect = raw.connect_line(&user, serde_json::json!({"verbose": next(2) == 0}));
            raw.try_send(connect).await;
        }
        let cut = next(bytes.len() + 1);
        raw.try_send(&bytes[..cut]).await;
        tokio::task::yield_now().await;
        raw.try_send(&bytes[cut..]).await;
    }
    bystander.send("PUB bystander 2\r\nok\r\n").await;
    bystander.expect("MSG bystander 1 2\r\nok\r\n").await;
    still_serves(&world, &user).await;
}
