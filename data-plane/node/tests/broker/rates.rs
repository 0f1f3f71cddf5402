//! Rates of accounts and of users: first clients are slowed down, then messages are refused.

use std::collections::BTreeMap;

use tollway_claims::{Limit, RateLimit, Rates, Signer, TollwayClaim};
use tollway_node::broker::Restraint;

use crate::support::{Account, Raw, User, World, eventually};

fn rate(per_second: i64, burst: i64) -> Option<RateLimit> {
    Some(RateLimit::new(per_second, Some(burst)).expect("a rate"))
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

/// An account with these rates, in force.
fn rated(world: &World, rates: Rates) -> Account {
    let mut account = world.account();
    claim(&mut account).rates = rates;
    world.apply(&account);
    account
}

async fn subscriber(world: &World, user: &User) -> Raw {
    let mut subscriber = world.client(user).await;
    subscriber.send("SUB > 1\r\n").await;
    subscriber.sync().await;
    subscriber
}

const REFUSED: &str = "-ERR 'Permissions Violation for Publish to \"a\"'\r\n";

/// More than this connection can pay in a pause, at a byte per second.
async fn make_debt(client: &mut Raw) {
    client
        .send(format!("PUB debt 1000\r\n{}\r\n", "x".repeat(1000)))
        .await;
}

#[tokio::test]
async fn messages_beyond_the_rate_come_later_and_all_of_them_in_their_order() {
    let world = World::start().await;
    for rates in [
        Rates {
            messages_in: rate(1000, 50),
            ..Rates::UNLIMITED
        },
        Rates {
            bytes_in: rate(3000, 150),
            ..Rates::UNLIMITED
        },
        Rates {
            messages_out: rate(1000, 50),
            ..Rates::UNLIMITED
        },
        Rates {
            bytes_out: rate(3000, 150),
            ..Rates::UNLIMITED
        },
    ] {
        let account = rated(&world, rates);
        let user = account.user();
        let mut receiver = subscriber(&world, &user).await;
        let mut sender = world.client(&user).await;
        let flood: String = (100..350)
            .map(|number| format!("PUB a 3\r\n{number}\r\n"))
            .collect();
        sender.send(flood).await;
        for number in 100..350 {
            receiver.expect(format!("MSG a 1 3\r\n{number}\r\n")).await;
        }
        sender.sync().await;
        let restraint = restraint(&world, &account);
        assert!(!restraint.throttled.is_zero(), "{rates:?}");
        assert_eq!(restraint.refusals, BTreeMap::new(), "{rates:?}");
        assert_eq!(world.meters(&account).messages_in, 250);
    }
}

#[tokio::test]
async fn account_without_rates_is_never_slowed_down_beside_one_that_has_some() {
    let world = World::start().await;
    let slow = rated(
        &world,
        Rates {
            messages_in: rate(1, 1),
            ..Rates::UNLIMITED
        },
    );
    let free = world.account();
    let mut flooding = world.client(&slow.user()).await;
    flooding.send("PUB a 0\r\n\r\n".repeat(5)).await;
    let mut sender = world.client(&free.user()).await;
    sender.send("PUB a 0\r\n\r\n".repeat(5000)).await;
    sender.sync().await;
    assert_eq!(world.meters(&free).messages_in, 5000);
    assert_eq!(restraint(&world, &free), Restraint::default());
}

#[tokio::test]
async fn what_a_pause_cannot_pay_is_refused_and_the_connection_stays() {
    let world = World::start().await;
    let account = rated(
        &world,
        Rates {
            bytes_in: rate(1, 1),
            ..Rates::UNLIMITED
        },
    );
    let user = account.user();
    let mut receiver = subscriber(&world, &user).await;
    let mut sender = world.client(&user).await;
    make_debt(&mut sender).await;
    sender.send("PUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPING\r\n").await;
    sender.expect(format!("{REFUSED}{REFUSED}PONG\r\n")).await;
    assert_eq!(
        restraint(&world, &account).refusals,
        BTreeMap::from([("publish.rate", 2)])
    );
    let meters = world.meters(&account);
    assert_eq!((meters.messages_in, meters.bytes_in), (1, 1004), "not billed");

    // Acknowledgements are exempt, and no message in disguise.
    sender
        .send("PUB $JS.ACK.s.c.1.1.1.1.0 4\r\n+ACK\r\nPING\r\n")
        .await;
    sender.expect("PONG\r\n").await;
    sender
        .send("PUB $JS.ACK.s.c.1.1.1.1.0 4\r\nhaha\r\nPING\r\n")
        .await;
    sender
        .expect("-ERR 'Permissions Violation for Publish to \"$JS.ACK.s.c.1.1.1.1.0\"'\r\nPONG\r\n")
        .await;
    sender
        .send(format!("PUB $JS.ACK.x 600\r\n{}\r\nPING\r\n", "x".repeat(600)))
        .await;
    sender
        .expect("-ERR 'Permissions Violation for Publish to \"$JS.ACK.x\"'\r\nPONG\r\n")
        .await;
    receiver
        .expect(format!("MSG debt 1 1000\r\n{}\r\n", "x".repeat(1000)))
        .await;
    receiver.expect("MSG $JS.ACK.s.c.1.1.1.1.0 1 4\r\n+ACK\r\n").await;
    receiver.sync().await;
}

#[tokio::test]
async fn who_comes_back_waits_behind_what_was_owed_before() {
    let world = World::start().await;
    let account = rated(
        &world,
        Rates {
            bytes_in: rate(1, 1),
            ..Rates::UNLIMITED
        },
    );
    let user = account.user();
    let mut sender = world.client(&user).await;
    make_debt(&mut sender).await;
    eventually("the message counts", || world.meters(&account).messages_in == 1).await;
    drop(sender);
    let mut again = world.greeted().await;
    let line = again.connect_line(&user, serde_json::json!({"protocol": 0}));
    again.send(format!("{line}PUB a 1\r\n1\r\nPING\r\n")).await;
    again.expect(format!("{REFUSED}PONG\r\n")).await;
}

#[tokio::test]
async fn rate_that_is_raised_or_gone_holds_at_once_for_who_is_connected() {
    let world = World::start().await;
    let mut account = rated(
        &world,
        Rates {
            bytes_in: rate(1, 1),
            ..Rates::UNLIMITED
        },
    );
    let user = account.user();
    let mut sender = world.client(&user).await;
    make_debt(&mut sender).await;
    eventually("the message counts", || world.meters(&account).messages_in == 1).await;
    sender.send("PUB a 1\r\n1\r\n").await;
    claim(&mut account).rates.bytes_in = rate(1_000_000, 1_000_000);
    world.apply(&account);
    assert_eq!(sender.info().await["connect_info"], true, "clients hear of it");
    sender.sync().await;
    let mut quiet = restraint(&world, &account);
    assert_eq!(quiet.refusals, BTreeMap::new());

    claim(&mut account).rates = Rates::UNLIMITED;
    world.apply(&account);
    sender.info().await;
    quiet = restraint(&world, &account);
    sender.send("PUB a 1\r\n2\r\n".repeat(1000)).await;
    sender.sync().await;
    assert_eq!(restraint(&world, &account), quiet, "nothing holds it up any more");

    claim(&mut account).rates.messages_in = rate(1, 1);
    world.apply(&account);
    sender.info().await;
    sender.send("PUB a 1\r\n3\r\n".repeat(3)).await;
    eventually("a limit that is new holds", || {
        restraint(&world, &account).throttled > quiet.throttled
    })
    .await;
}

#[tokio::test]
async fn user_keeps_its_rate_with_all_its_credentials_together() {
    let world = World::start().await;
    let mut account = world.account();
    claim(&mut account).users.rates.bytes_in = rate(1, 1);
    world.apply(&account);
    let of = |name: &'static str| account.user_with(|claims| claims.user = Some(name.to_owned()));
    let (first, second, other, nobody) = (of("usr_1"), of("usr_1"), of("usr_2"), account.user());

    make_debt(&mut world.client(&first).await).await;
    eventually("the message counts", || world.meters(&account).messages_in == 1).await;
    let mut same = world.greeted().await;
    let line = same.connect_line(&second, serde_json::json!({"protocol": 0}));
    same.send(format!("{line}PUB a 1\r\n1\r\nPING\r\n")).await;
    same.expect(format!("{REFUSED}PONG\r\n")).await;
    for user in [&other, &nobody] {
        let mut client = world.client(user).await;
        client.send("PUB a 1\r\n1\r\n").await;
        client.sync().await;
    }
    assert_eq!(world.meters(&account).messages_in, 3);
}

#[tokio::test]
async fn users_of_a_signing_key_have_what_the_key_says() {
    let world = World::start().await;
    let key = Signer::generate(tollway_claims::KeyKind::Account, crate::support::random());
    let mut account = world.account();
    account.claims.signing_keys = vec![key.public().into()];
    let claim = claim(&mut account);
    claim.users.rates.messages_in = rate(1, 1);
    let of_key = claim.signing_keys.entry(key.public()).or_default();
    of_key.rates.messages_in = Some(RateLimit::Unlimited);
    of_key.connections = Some(Limit::AtMost(1));
    world.apply(&account);
    let user = account.user_signed_by(&key, |_| {});
    let mut client = world.client(&user).await;
    client.send("PUB a 0\r\n\r\n".repeat(100)).await;
    client.sync().await;
    assert_eq!(restraint(&world, &account), Restraint::default());
    let mut second = world.greeted().await;
    second.connect(&user, serde_json::json!({})).await;
    second.expect_end(TOO_MANY).await;
}

const TOO_MANY: &str = "-ERR 'maximum account active connections exceeded'\r\n";

#[tokio::test]
async fn user_has_no_more_connections_than_it_may_whatever_others_have() {
    let world = World::start().await;
    let mut account = world.account();
    claim(&mut account).users.connections = Some(Limit::AtMost(2));
    world.apply(&account);
    let of = |name: &'static str| account.user_with(|claims| claims.user = Some(name.to_owned()));
    let (first, second, other) = (of("usr_1"), of("usr_1"), of("usr_2"));
    let mut oldest = world.client(&first).await;
    let mut newest = world.client(&second).await;
    let mut refused = world.greeted().await;
    refused.connect(&first, serde_json::json!({})).await;
    refused.expect_end(TOO_MANY).await;
    let mut of_other = world.client(&other).await;

    // Lowered while they are connected, the newest has to go.
    claim(&mut account).users.connections = Some(Limit::AtMost(1));
    world.apply(&account);
    newest.expect_end(TOO_MANY).await;
    oldest.sync().await;
    of_other.sync().await;

    // Who leaves makes room.
    drop(oldest);
    eventually("it is gone", || world.live(&account).connections == 1).await;
    world.client(&second).await;
}
