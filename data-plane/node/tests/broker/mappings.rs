//! What an account renames: by weights, with functions, before anything else is asked.

use std::collections::BTreeMap;

use tollway_claims::{Destination, Export, Import};
use tollway_subject::FilterBuf;

use crate::support::{Account, Raw, World};

fn filter(text: &str) -> FilterBuf {
    text.parse().expect("a filter")
}

/// An account with these mappings, and a client of it that is subscribed to everything.
async fn mapped(mappings: &[(&str, &[Destination])]) -> (World, Account, Raw) {
    let world = World::start().await;
    let mut account = world.account();
    for (source, destinations) in mappings {
        account
            .claims
            .mappings
            .insert(filter(source), destinations.to_vec());
    }
    world.apply(&account);
    let mut client = world.client(&account.user()).await;
    client.send("SUB > 1\r\n").await;
    client.sync().await;
    (world, account, client)
}

fn publish(subject: &str) -> String {
    format!("PUB {subject} 1\r\nx\r\n")
}

fn message(subject: &str) -> String {
    format!("MSG {subject} 1 1\r\nx\r\n")
}

#[tokio::test]
async fn what_is_published_arrives_under_its_other_name() {
    let (_world, _account, mut client) = mapped(&[
        ("plain", &[Destination::all("other")]),
        ("orders.*.*", &[Destination::all("by.$2.$1")]),
        ("deep.>", &[Destination::all("deeper.>")]),
        ("w.*", &[Destination::all("w2.{{wildcard(1)}}")]),
        ("cut.*", &[Destination::all("{{left(1,2)}}.{{right(1,2)}}")]),
        ("split.*", &[Destination::all("parts.{{split(1,-)}}")]),
        (
            "from.*",
            &[Destination::all("{{SplitFromLeft(1,2)}}.{{SplitFromRight(1,2)}}")],
        ),
        (
            "slice.*",
            &[Destination::all("{{SliceFromLeft(1,2)}}.{{SliceFromRight(1,2)}}")],
        ),
    ])
    .await;
    for (published, arrives) in [
        ("plain", "other"),
        ("plain.not", "plain.not"),
        ("orders.eu.new", "by.new.eu"),
        ("deep.a.b", "deeper.a.b"),
        ("w.x", "w2.x"),
        ("cut.abcde", "ab.de"),
        ("split.a-b-c", "parts.a.b.c"),
        ("from.abcde", "ab.cde.abc.de"),
        ("slice.abcde", "ab.cd.e.a.bc.de"),
    ] {
        client.send(publish(published)).await;
        client.expect(message(arrives)).await;
    }
    client.sync().await;
}

#[tokio::test]
async fn a_partition_is_the_same_for_the_same_tokens() {
    let (_world, _account, mut client) =
        mapped(&[("p.*.*", &[Destination::all("part.{{partition(5,1)}}.$2")])]).await;
    let mut partitions = BTreeMap::new();
    for round in 0..2 {
        for token in 0..40 {
            client.send(publish(&format!("p.token{token}.{round}"))).await;
            let line = client.line().await;
            client.expect("x\r\n").await;
            let partition = line.split(['.', ' ']).nth(2).expect("a token").to_owned();
            let known = partitions.entry(token).or_insert_with(|| partition.clone());
            assert_eq!(*known, partition);
        }
    }
    let used: std::collections::BTreeSet<_> = partitions.values().collect();
    assert_eq!(used.len(), 5, "{partitions:?}");
}

/// Where so many messages arrive, by subject.
async fn counted(client: &mut Raw, subject: &str, count: usize) -> BTreeMap<String, usize> {
    client.send(publish(subject).repeat(count)).await;
    client.send("PING\r\n").await;
    let mut counts = BTreeMap::new();
    loop {
        let line = client.line().await;
        if line == "PONG" {
            return counts;
        }
        let arrived = line.split(' ').nth(1).expect("a subject").to_owned();
        *counts.entry(arrived).or_default() += 1;
        client.expect("x\r\n").await;
    }
}

#[tokio::test]
async fn weights_share_messages_out() {
    let (_world, _account, mut client) = mapped(&[
        (
            "all",
            &[Destination::weighted("a", 70), Destination::weighted("b", 30)],
        ),
        ("some", &[Destination::weighted("a", 50)]),
        ("lost", &[Destination::weighted("lost", 50)]),
    ])
    .await;
    let counts = counted(&mut client, "all", 4000).await;
    assert_eq!(counts["a"] + counts["b"], 4000);
    assert!((2500..3100).contains(&counts["a"]), "{counts:?}");
    let counts = counted(&mut client, "some", 4000).await;
    assert_eq!(counts["a"] + counts["some"], 4000);
    assert!((1700..2300).contains(&counts["a"]), "{counts:?}");
    // Who lists the source says how much of it stays: the rest is lost on purpose.
    let counts = counted(&mut client, "lost", 4000).await;
    assert_eq!(counts.len(), 1);
    assert!((1700..2300).contains(&counts["lost"]), "{counts:?}");
}

#[tokio::test]
async fn permissions_are_asked_about_the_new_name() {
    let (world, account, mut all) = mapped(&[("in.*", &[Destination::all("out.$1")])]).await;
    let user = |allowed: &str| {
        account.user_with(|claims| claims.limits.permissions.publish.allow = vec![allowed.to_owned()])
    };
    let mut old = world.client(&user("in.*")).await;
    let mut new = world.client(&user("out.*")).await;
    old.send(publish("in.a")).await;
    old.expect("-ERR 'Permissions Violation for Publish to \"out.a\"'\r\n")
        .await;
    new.send(publish("in.b")).await;
    new.sync().await;
    all.expect(message("out.b")).await;
}

#[tokio::test]
async fn nobody_to_answer_is_told_by_the_new_name_and_loss_by_the_old_one() {
    let (_world, _account, mut client) = mapped(&[
        ("in", &[Destination::all("out")]),
        (
            "gone",
            &[Destination::weighted("gone", 1), Destination::weighted("gone", 0)],
        ),
    ])
    .await;
    client
        .send("UNSUB 1\r\nSUB inbox 2\r\nPUB in inbox 0\r\n\r\n")
        .await;
    client
        .expect("HMSG inbox 2 35 35\r\nNATS/1.0 503\r\nNats-Subject: out\r\n\r\n\r\n")
        .await;
    // Of a hundred 99 are lost, and the other one finds nobody: told is the same.
    client.send("PUB gone inbox 0\r\n\r\n").await;
    client
        .expect("HMSG inbox 2 36 36\r\nNATS/1.0 503\r\nNats-Subject: gone\r\n\r\n\r\n")
        .await;
}

#[tokio::test]
async fn what_is_billed_is_what_was_sent_and_what_arrived() {
    let (world, account, mut client) = mapped(&[("longer.name", &[Destination::all("s")])]).await;
    client.send(publish("longer.name")).await;
    client.expect(message("s")).await;
    client.sync().await;
    let meters = world.meters(&account);
    assert_eq!((meters.messages_in, meters.bytes_in), (1, 12));
    assert_eq!((meters.messages_out, meters.bytes_out), (1, 2));
}

#[tokio::test]
async fn mappings_come_before_what_leaves_the_account() {
    let (world, mut account, mut client) = mapped(&[
        ("in.*", &[Destination::all("out.$1")]),
        ("ask", &[Destination::all("far")]),
    ])
    .await;
    let mut other = world.account();
    account.claims.exports = vec![Export::stream(filter("out.*"))];
    other.claims.imports = vec![Import::stream(account.key(), filter("out.*"))];
    other.claims.exports = vec![Export::service(filter("far"))];
    account.claims.imports = vec![Import::service(other.key(), filter("far"))];
    world.apply(&account);
    world.apply(&other);
    let mut abroad = world.client(&other.user()).await;
    abroad.send("SUB > 1\r\n").await;
    abroad.sync().await;
    client.send([publish("in.a"), publish("ask")].concat()).await;
    client.expect([message("out.a"), message("far")].concat()).await;
    abroad.expect(message("out.a")).await;
    assert!(abroad.line().await.starts_with("HMSG far 1 "));
}

#[tokio::test]
async fn mappings_change_while_clients_are_connected() {
    let (world, mut account, mut client) = mapped(&[("a", &[Destination::all("b")])]).await;
    client.send(publish("a")).await;
    client.expect(message("b")).await;
    account
        .claims
        .mappings
        .insert(filter("a"), vec![Destination::all("c")]);
    world.apply(&account);
    client.send(publish("a")).await;
    client.expect(message("c")).await;
    account.claims.mappings.clear();
    world.apply(&account);
    client.send(publish("a")).await;
    client.expect(message("a")).await;
}

#[tokio::test]
async fn a_mapping_that_makes_no_sense_is_refused_with_its_document() {
    let world = World::start().await;
    let mut account = world.account();
    account
        .claims
        .mappings
        .insert(filter("a.*"), vec![Destination::all("b.{{nonsense(1)}}")]);
    let refused = world
        .broker
        .accounts_apply(vec![world.document(&account)], crate::support::now());
    let codes: Vec<_> = refused
        .iter()
        .map(|(account, why)| (*account, why.code()))
        .collect();
    assert_eq!(codes, [(account.key(), "invalid_mapping")]);
}
