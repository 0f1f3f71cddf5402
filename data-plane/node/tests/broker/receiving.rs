//! Rates at which clients receive: who they belong to waits, and nobody else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollway_claims::{Export, Import, KeyKind, RateLimit, Rates, Signer, TollwayClaim};
use tollway_node::broker::Restraint;

use crate::support::{Account, Raw, User, World, eventually, random};

fn rate(per_second: i64, burst: i64) -> Option<RateLimit> {
    Some(RateLimit::new(per_second, Some(burst)).expect("a rate"))
}

fn messages_out(per_second: i64, burst: i64) -> Rates {
    Rates {
        messages_out: rate(per_second, burst),
        ..Rates::UNLIMITED
    }
}

fn claim(account: &mut Account) -> &mut TollwayClaim {
    account
        .claims
        .tollway
        .as_mut()
        .expect("test accounts have the claim")
}

fn restraint(world: &World, account: &Account) -> Restraint {
    let mut found = Restraint::default();
    world.broker.restraints_visit(&mut |key, restraint| {
        if key == account.key() {
            found = restraint;
        }
    });
    found
}

/// An account whose users receive at these rates, except those of one signing key.
struct Limited {
    account: Account,
    of_others: Signer,
}

impl Limited {
    fn new(world: &World, rates: Rates) -> Self {
        let of_others = Signer::generate(KeyKind::Account, random());
        let mut account = world.account();
        account.claims.signing_keys = vec![of_others.public().into()];
        let claim = claim(&mut account);
        claim.users.rates = rates;
        let free = claim.signing_keys.entry(of_others.public()).or_default();
        free.rates.messages_out = Some(RateLimit::Unlimited);
        free.rates.bytes_out = Some(RateLimit::Unlimited);
        world.apply(&account);
        Self { account, of_others }
    }

    fn slow(&self, name: &str) -> User {
        let name = name.to_owned();
        self.account.user_with(|claims| claims.user = Some(name))
    }

    fn free(&self) -> User {
        self.account.user_signed_by(&self.of_others, |_| {})
    }

    fn set(&mut self, world: &World, rates: Rates) {
        claim(&mut self.account).users.rates = rates;
        world.apply(&self.account);
    }
}

/// A client that receives what is published to `a`.
async fn receiver(world: &World, user: &User) -> Raw {
    let mut receiver = world.client(user).await;
    receiver.send("SUB a 1\r\n").await;
    receiver.sync().await;
    receiver
}

fn published(subject: &str, numbers: std::ops::Range<u32>) -> String {
    let one = |number| format!("PUB {subject} 5\r\n{number:05}\r\n");
    numbers.map(one).collect()
}

async fn expect_numbers(receiver: &mut Raw, subject: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        receiver
            .expect(format!("MSG {subject} 1 5\r\n{number:05}\r\n"))
            .await;
    }
}

/// The next event of the account.
async fn event(listener: &mut Raw) -> Value {
    let line = listener.line().await;
    assert!(line.starts_with("MSG $TOLLWAY.EVENT.REFUSED."), "{line}");
    serde_json::from_str(&listener.line().await).expect("events are JSON")
}

#[tokio::test]
async fn user_is_sent_what_its_rate_allows_and_neither_publisher_nor_neighbour_waits_for_it() {
    let world = World::start().await;
    for rates in [
        messages_out(200, 20),
        Rates {
            // Subject and payload are 6 bytes.
            bytes_out: rate(1200, 120),
            ..Rates::UNLIMITED
        },
    ] {
        let limited = Limited::new(&world, rates);
        let mut slow = receiver(&world, &limited.slow("usr_1")).await;
        let mut neighbour = receiver(&world, &limited.slow("usr_2")).await;
        let mut free = receiver(&world, &limited.free()).await;
        neighbour.send("UNSUB 1\r\nSUB b 1\r\n").await;
        neighbour.sync().await;
        let mut publisher = world.client(&limited.free()).await;
        let start = Instant::now();
        publisher.send(published("a", 0..620)).await;
        publisher.send(published("b", 0..10)).await;
        publisher.sync().await;
        expect_numbers(&mut free, "a", 0..620).await;
        expect_numbers(&mut neighbour, "b", 0..10).await;
        expect_numbers(&mut slow, "a", 0..620).await;
        let per_second = 600.0 / start.elapsed().as_secs_f64();
        assert!(per_second < 206.0, "{per_second} messages/s at {rates:?}");
        slow.sync().await;
        assert_eq!(restraint(&world, &limited.account), Restraint::default());
        assert_eq!(world.meters(&limited.account).messages_out, 2 * 620 + 10);
    }
}

#[tokio::test]
async fn all_connections_of_a_user_share_its_rate() {
    let world = World::start().await;
    let limited = Limited::new(&world, messages_out(200, 20));
    let user = limited.slow("usr_1");
    let mut first = receiver(&world, &user).await;
    let mut second = receiver(&world, &limited.slow("usr_1")).await;
    let mut publisher = world.client(&limited.free()).await;
    let start = Instant::now();
    publisher.send(published("a", 0..310)).await;
    expect_numbers(&mut first, "a", 0..310).await;
    expect_numbers(&mut second, "a", 0..310).await;
    let per_second = 600.0 / start.elapsed().as_secs_f64();
    assert!(per_second < 206.0, "{per_second} messages/s");
}

#[tokio::test]
async fn who_has_more_waiting_than_its_rate_sends_in_time_is_a_slow_consumer() {
    let world = World::start().await;
    let limited = Limited::new(&world, messages_out(10, 10));
    let mut listener = world.client(&limited.free()).await;
    listener.send("SUB $TOLLWAY.EVENT.> 1\r\n").await;
    listener.sync().await;
    let mut slow = receiver(&world, &limited.slow("usr_1")).await;
    let mut free = receiver(&world, &limited.free()).await;
    let mut publisher = world.client(&limited.free()).await;
    publisher.send(published("a", 0..50)).await;
    publisher.sync().await;
    let meters = world.meters(&limited.account);
    publisher.send(published("a", 50..500)).await;
    publisher.sync().await;
    expect_numbers(&mut free, "a", 0..500).await;
    let rest = String::from_utf8(slow.rest().await).expect("text");
    assert!(
        rest.starts_with("MSG a 1 5\r\n00000\r\n") && !rest.contains("-ERR"),
        "{rest}"
    );
    let event = event(&mut listener).await;
    assert_eq!(event["kind"], "receive.rate");
    assert_eq!(event["rule"], "limit user messages_out 10/s");
    assert_eq!(
        (&event["user"]["id"], &event["count"]),
        (&json!("usr_1"), &json!(1))
    );
    assert_eq!(
        restraint(&world, &limited.account).refusals,
        BTreeMap::from([("receive.rate", 1)])
    );
    assert_eq!(world.broker.stats().slow_consumers, 1);
    // What was thrown away is not billed.
    let given = rest.matches("MSG ").count() as u64;
    assert!(
        given < 60 && meters.messages_out <= 50 + given,
        "{given} of {meters:?}"
    );
    assert_eq!(world.meters(&limited.account).messages_out, 500 + given + 1);
}

#[tokio::test]
async fn what_is_no_message_waits_only_behind_messages() {
    let world = World::start().await;
    let limited = Limited::new(
        &world,
        Rates {
            bytes_out: rate(3, 3),
            ..Rates::UNLIMITED
        },
    );
    let mut slow = receiver(&world, &limited.slow("usr_1")).await;
    let mut publisher = world.client(&limited.free()).await;
    // A single message is sent, however long it takes to pay.
    publisher.send(published("a", 0..1)).await;
    expect_numbers(&mut slow, "a", 0..1).await;
    slow.sync().await;
    publisher.send(published("a", 1..2)).await;
    publisher.sync().await;
    slow.send("PING\r\n").await;
    // It waits for what is owed for the first one, and the answer waits behind it.
    expect_numbers(&mut slow, "a", 1..2).await;
    slow.expect("PONG\r\n").await;
}

#[tokio::test]
async fn who_comes_back_is_behind_what_was_owed_before() {
    let world = World::start().await;
    let limited = Limited::new(
        &world,
        Rates {
            bytes_out: rate(50, 1),
            ..Rates::UNLIMITED
        },
    );
    let mut slow = receiver(&world, &limited.slow("usr_1")).await;
    let mut publisher = world.client(&limited.free()).await;
    let start = Instant::now();
    publisher
        .send(format!("PUB a 100\r\n{}\r\n", "x".repeat(100)))
        .await;
    slow.expect(format!("MSG a 1 100\r\n{}\r\n", "x".repeat(100)))
        .await;
    drop(slow);
    let mut again = receiver(&world, &limited.slow("usr_1")).await;
    publisher.send(published("a", 0..1)).await;
    expect_numbers(&mut again, "a", 0..1).await;
    assert!(
        start.elapsed() >= Duration::from_millis(1900),
        "101 bytes are paid first: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn rate_that_changes_holds_at_once_for_what_waits() {
    let world = World::start().await;
    let mut limited = Limited::new(&world, messages_out(1, 1));
    let mut slow = receiver(&world, &limited.slow("usr_1")).await;
    let mut publisher = world.client(&limited.free()).await;
    for (numbers, raised) in [
        (0..10, messages_out(1_000_000, 1_000_000)),
        (10..20, Rates::UNLIMITED),
    ] {
        let last = numbers.end - 1;
        publisher.send(published("a", numbers.clone())).await;
        expect_numbers(&mut slow, "a", numbers.start..numbers.start + 1).await;
        limited.set(&world, raised);
        expect_numbers(&mut slow, "a", numbers.start + 1..last + 1).await;
        slow.sync().await;
        limited.set(&world, messages_out(1, 1));
    }
    publisher.send(published("a", 0..100)).await;
    eventually("a limit that is new holds", || {
        restraint(&world, &limited.account).refusals == BTreeMap::from([("receive.rate", 1)])
    })
    .await;
}

/// An exporter without rates, and an importer of its stream `a` that receives at these.
async fn importer(world: &World, rates: Rates) -> (Account, Account) {
    let (mut exporter, mut importer) = (world.account(), world.account());
    exporter.claims.exports = vec![Export::stream("a".parse().expect("a filter"))];
    importer.claims.imports = vec![Import::stream(exporter.key(), "a".parse().expect("a filter"))];
    claim(&mut importer).rates = rates;
    world.apply(&exporter);
    world.apply(&importer);
    (exporter, importer)
}

#[tokio::test]
async fn imported_messages_count_against_the_rate_of_the_importer_and_the_exporter_never_waits() {
    let world = World::start().await;
    let (exporter, importer) = importer(&world, messages_out(200, 20)).await;
    let mut slow = receiver(&world, &importer.user()).await;
    let mut own = receiver(&world, &exporter.user()).await;
    let mut publisher = world.client(&exporter.user()).await;
    let start = Instant::now();
    publisher.send(published("a", 0..620)).await;
    publisher.sync().await;
    expect_numbers(&mut own, "a", 0..620).await;
    expect_numbers(&mut slow, "a", 0..620).await;
    let per_second = 600.0 / start.elapsed().as_secs_f64();
    assert!(per_second < 206.0, "{per_second} messages/s");
    assert_eq!(restraint(&world, &exporter), Restraint::default());
    assert_eq!(world.meters(&importer).messages_out, 620);

    // Its own publishers pay at the same rate.
    let mut of_importer = world.client(&importer.user()).await;
    of_importer.send(published("a", 0..100)).await;
    expect_numbers(&mut slow, "a", 0..100).await;
    of_importer.sync().await;
    assert!(!restraint(&world, &importer).throttled.is_zero());
}

#[tokio::test]
async fn importer_that_falls_too_far_behind_loses_its_receiver_and_hears_why() {
    let world = World::start().await;
    let (exporter, importer) = importer(&world, messages_out(10, 10)).await;
    let mut listener = world.client(&importer.user()).await;
    listener.send("SUB $TOLLWAY.EVENT.> 1\r\n").await;
    listener.sync().await;
    let mut slow = receiver(&world, &importer.user()).await;
    let mut publisher = world.client(&exporter.user()).await;
    publisher.send(published("a", 0..500)).await;
    publisher.sync().await;
    slow.rest().await;
    let event = event(&mut listener).await;
    assert_eq!(event["kind"], "receive.rate");
    assert_eq!(event["rule"], "limit account messages_out 10/s");
    assert_eq!(event["account"], importer.key().to_string());
    assert_eq!(restraint(&world, &exporter), Restraint::default());
}

#[tokio::test]
async fn rate_of_an_importer_that_is_raised_or_gone_holds_at_once_for_what_waits() {
    let world = World::start().await;
    let (exporter, mut importer) = importer(&world, messages_out(1, 1)).await;
    let mut slow = receiver(&world, &importer.user()).await;
    let mut publisher = world.client(&exporter.user()).await;
    for (numbers, raised) in [
        (0..10, messages_out(1_000_000, 1_000_000)),
        (10..20, Rates::UNLIMITED),
    ] {
        publisher.send(published("a", numbers.clone())).await;
        expect_numbers(&mut slow, "a", numbers.start..numbers.start + 1).await;
        claim(&mut importer).rates = raised;
        world.apply(&importer);
        expect_numbers(&mut slow, "a", numbers.start + 1..numbers.end).await;
        slow.info().await;
        claim(&mut importer).rates = messages_out(1, 1);
        world.apply(&importer);
        slow.info().await;
    }
}

#[tokio::test]
async fn what_waits_for_a_rate_is_not_handed_out_because_the_connection_ends() {
    let world = World::start().await;
    let limited = Limited::new(&world, messages_out(1, 1));
    let mut slow = receiver(&world, &limited.slow("usr_1")).await;
    let mut publisher = world.client(&limited.free()).await;
    publisher.send(published("a", 0..10)).await;
    expect_numbers(&mut slow, "a", 0..1).await;
    slow.send("NONSENSE\r\n").await;
    let rest = String::from_utf8(slow.rest().await).expect("text");
    assert!(rest.ends_with("-ERR 'Unknown Protocol Operation'\r\n"), "{rest}");
    assert!(rest.matches("MSG a").count() <= 2, "{rest}");
}

/// A service of a limited account, its responders, and an account that asks.
async fn asked(world: &World, limited: &mut Limited) -> (Raw, Account) {
    let mut asking = world.account();
    let service = || "ask".parse().expect("a filter");
    limited.account.claims.exports = vec![Export::service(service())];
    asking.claims.imports = vec![Import::service(limited.account.key(), service())];
    world.apply(&limited.account);
    world.apply(&asking);
    let options = json!({"headers": true, "no_responders": true});
    let mut asker = world.client_with(&asking.user(), options).await;
    asker.send("SUB inbox.* 9\r\n").await;
    asker.sync().await;
    (asker, asking)
}

#[tokio::test]
async fn member_of_a_group_that_is_behind_leaves_requests_of_other_accounts_to_the_others() {
    let world = World::start().await;
    let mut limited = Limited::new(&world, messages_out(5, 5));
    let (mut asker, _) = asked(&world, &mut limited).await;
    let mut slow = world.client(&limited.slow("usr_1")).await;
    slow.send("SUB ask g 1\r\n").await;
    slow.sync().await;
    asker.send("PUB ask inbox.1 0\r\n\r\n".repeat(100)).await;
    eventually("requests are refused", || {
        restraint(&world, &limited.account)
            .refusals
            .contains_key("receive.rate")
    })
    .await;
    let mut free = world.client(&limited.free()).await;
    free.send("SUB ask g 2\r\n").await;
    free.sync().await;
    for number in 0..20 {
        asker.send(format!("PUB ask inbox.{number} 0\r\n\r\n")).await;
    }
    let mut requests = 0;
    while requests < 3 {
        let line = free.line().await;
        requests += usize::from(line.starts_with("HMSG ask 2 _R_."));
    }
}

#[tokio::test]
async fn what_other_accounts_ask_beyond_the_rate_of_a_responder_is_refused_and_it_stays() {
    let world = World::start().await;
    let mut limited = Limited::new(&world, messages_out(5, 5));
    let (mut asker, asking) = asked(&world, &mut limited).await;
    let mut responder = world.client(&limited.slow("usr_1")).await;
    responder.send("SUB ask 1\r\nSUB a 2\r\n").await;
    responder.sync().await;
    // Five at once, ten in two seconds; the rest is refused.
    asker.send("PUB ask inbox.1 0\r\n\r\n".repeat(100)).await;
    eventually("requests are refused", || {
        restraint(&world, &limited.account)
            .refusals
            .contains_key("receive.rate")
    })
    .await;
    asker.send("PUB ask inbox.2 0\r\n\r\n").await;
    // Who asks then is told at once that nobody is there.
    let line = asker.line().await;
    assert!(line.starts_with("HMSG inbox.2 9 "), "{line}");
    assert_eq!(restraint(&world, &asking), Restraint::default());
    // Its own account may still send it something.
    let mut publisher = world.client(&limited.free()).await;
    publisher.send(published("a", 0..5)).await;
    publisher.sync().await;
    let mut requests = 0;
    loop {
        let line = responder.line().await;
        if line.starts_with("MSG a 2 5") {
            break;
        }
        requests += usize::from(line.starts_with("HMSG ask 1 _R_."));
    }
    assert!((15..=16).contains(&requests), "{requests}");
    let refusals = restraint(&world, &limited.account).refusals;
    assert_eq!(
        refusals,
        BTreeMap::from([("receive.rate", 101 - requests as u64)])
    );
}

#[tokio::test]
async fn receiver_that_waits_for_its_rate_is_not_taken_for_dead() {
    let world = World::with(|settings| {
        settings.ping_interval = Duration::from_millis(50);
        settings.pings_unanswered_max = 2;
    })
    .await;
    let limited = Limited::new(&world, messages_out(20, 1));
    let mut slow = receiver(&world, &limited.slow("usr_1")).await;
    let mut publisher = world.client(&limited.free()).await;
    publisher.send(published("a", 0..30)).await;
    let mut number = 0;
    while number < 30 {
        // It answers what it hears.
        match slow.line().await.as_str() {
            "PING" => slow.send("PONG\r\n").await,
            "MSG a 1 5" => {
                slow.expect(format!("{number:05}\r\n")).await;
                number += 1;
            }
            other => panic!("{other}"),
        }
    }
}
