//! An account's mappings: which one decides, and by which weights.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tollway_accounts::*;
use tollway_claims::*;
use tollway_subject::definition::matches;

use crate::world::filter;

fn mappings(mappings: &[(&str, &[Destination])]) -> Mappings {
    let mapping = |(source, destinations): &(&str, &[Destination])| (filter(source), destinations.to_vec());
    mappings.iter().map(mapping).collect()
}

fn table(of: &[(&str, &[Destination])]) -> MappingTable {
    MappingTable::compile(&mappings(of), None).unwrap()
}

fn mapped(table: &MappingTable, subject: &str, random: u64) -> String {
    let mut buffer = [0; 128];
    match table.map(subject.as_bytes(), random, &mut buffer).unwrap() {
        Mapped::Unchanged => "unchanged".into(),
        Mapped::Lost => "lost".into(),
        Mapped::To(subject) => String::from_utf8(subject.to_vec()).unwrap(),
    }
}

/// How many of a thousand evenly spread random numbers lead where.
fn shares(table: &MappingTable, subject: &str) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    for part in 0..1000u64 {
        let random = (part * 2 + 1) * (u64::MAX / 2000);
        *shares.entry(mapped(table, subject, random)).or_default() += 1;
    }
    shares
}

fn expected(shares: &[(&str, u32)]) -> BTreeMap<String, u32> {
    shares
        .iter()
        .map(|(subject, share)| ((*subject).to_owned(), *share))
        .collect()
}

#[test]
fn the_most_specific_mapping_decides() {
    let to = |subject: &str| vec![Destination::all(subject)];
    let (tail, star, literal, first, all) = (
        to("tail.>"),
        to("star.$1"),
        to("lit"),
        to("first.$1"),
        to("all.>"),
    );
    let table = table(&[
        ("a.>", &tail),
        ("a.*", &star),
        ("a.b", &literal),
        ("*.b", &first),
        (">", &all),
    ]);
    for (subject, expected) in [
        ("a.b", "lit"),
        ("a.c", "star.c"),
        ("a.c.d", "tail.c.d"),
        ("x.b", "first.x"),
        ("x.y", "all.x.y"),
    ] {
        assert_eq!(mapped(&table, subject, 0), expected, "{subject}");
    }
}

#[test]
fn mapped_subject_is_not_mapped_again() {
    let table = table(&[("a", &[Destination::all("b")]), ("b", &[Destination::all("c")])]);
    assert_eq!(mapped(&table, "a", 0), "b");
}

#[test]
fn weights_share_messages_out_and_the_rest_stays() {
    let of = |source: &str, destinations: &[Destination]| table(&[(source, destinations)]);
    let to = Destination::weighted;
    let found = shares(&of("a", &[to("b", 20), to("c", 30)]), "a");
    assert_eq!(found, expected(&[("b", 200), ("c", 300), ("unchanged", 500)]));
    let found = shares(&of("a.*", &[to("b.$1", 25)]), "a.x");
    assert_eq!(found, expected(&[("b.x", 250), ("unchanged", 750)]));
    let found = shares(&of("a", &[Destination::all("b")]), "a");
    assert_eq!(found, expected(&[("b", 1000)]));
    assert_eq!(shares(&of("a", &[]), "a"), expected(&[("unchanged", 1000)]));
}

#[test]
fn source_among_its_destinations_means_that_the_rest_is_lost() {
    let to = Destination::weighted;
    let found = shares(&table(&[("a", &[to("b", 20), to("a", 30)])]), "a");
    assert_eq!(found, expected(&[("a", 300), ("b", 200), ("lost", 500)]));
    // Only as it is written: with references the stock server does not take it for the source either.
    let found = shares(&table(&[("a.*", &[to("b.$1", 20), to("a.$1", 20)])]), "a.x");
    assert_eq!(found, expected(&[("a.x", 200), ("b.x", 200), ("unchanged", 600)]));
}

#[test]
fn mapping_without_destinations_shields_from_a_wider_one() {
    let table = table(&[("a.b", &[]), ("a.*", &[Destination::all("c")])]);
    assert_eq!(mapped(&table, "a.b", 0), "unchanged");
    assert_eq!(mapped(&table, "a.x", 0), "c");
}

#[test]
fn destinations_of_a_cluster_are_for_its_clients_alone() {
    let at = |subject: &str, weight, cluster: &str| Destination {
        cluster: Some(cluster.to_owned()),
        ..Destination::weighted(subject, weight)
    };
    let both = [at("b", 100, "x"), Destination::weighted("c", 50)];
    let of = |destinations: &[Destination], cluster| {
        let table = MappingTable::compile(&mappings(&[("a", destinations)]), cluster).unwrap();
        shares(&table, "a")
    };
    assert_eq!(of(&both, Some("x")), expected(&[("b", 1000)]));
    let elsewhere = expected(&[("c", 500), ("unchanged", 500)]);
    assert_eq!(of(&both, Some("y")), elsewhere);
    assert_eq!(of(&both, None), elsewhere);
    assert_eq!(of(&both[..1], None), expected(&[("unchanged", 1000)]));
}

#[test]
fn destination_that_does_not_compile_is_named() {
    for cluster in [None, Some("x".to_owned())] {
        let wrong = Destination {
            cluster,
            ..Destination::all("b.$2")
        };
        let error = MappingTable::compile(&mappings(&[("a.*", &[wrong])]), None).unwrap_err();
        assert_eq!(error.source_filter, filter("a.*"));
        assert_eq!(error.destination, "b.$2");
        let source = FunctionError::Wildcard {
            found: 2,
            wildcards: 1,
        };
        assert_eq!(
            error.source,
            TransformError::Function {
                token: "$2".into(),
                source
            }
        );
    }
}

proptest! {
    /// The slow definition: of all sources that match, sort by kinds of tokens and take the first.
    #[test]
    fn first_of_the_matching_sources_decides(
        sources in proptest::collection::btree_set("([ab]|\\*)(\\.([ab]|\\*)){0,2}(\\.>)?|>", 0..12),
        subject in "[ab](\\.[ab]){0,3}",
    ) {
        let numbered: Vec<_> = sources.iter().enumerate().collect();
        let of: Mappings = numbered
            .iter()
            .map(|(number, source)| {
                let tail = if source.ends_with('>') { ".>" } else { "" };
                (filter(source), vec![Destination::all(format!("n{number}{tail}"))])
            })
            .collect();
        let table = MappingTable::compile(&of, None).unwrap();
        let kinds = |source: &str| source.replace(['a', 'b'], "0").replace('*', "1").replace('>', "2");
        let mut matching: Vec<_> = numbered
            .iter()
            .filter(|(_, source)| matches(filter(source).as_filter(), subject.as_bytes()))
            .collect();
        matching.sort_by_key(|(_, source)| kinds(source));
        let found = mapped(&table, &subject, 0);
        match matching.first() {
            None => prop_assert_eq!(found, "unchanged"),
            Some((number, _)) => {
                let expected = format!("n{number}");
                prop_assert_eq!(found.split('.').next(), Some(expected.as_str()));
            }
        }
    }
}
