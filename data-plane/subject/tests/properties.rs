//! The fast code against the definition: by properties where there is no end of cases, and one by
//! one where a small alphabet has them all.

#[path = "support/every_way.rs"]
mod every_way;

use every_way::fuzz;
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::ControlFlow;
use tollway_subject::definition::matches;
use tollway_subject::{
    Filter, FilterBuf, Matcher, Subject, Trie, Walk, WalkEnd, filter_contains, filter_matches,
    filters_overlap,
};

/// All lists of one to `tokens_max` of these tokens, joined.
fn spelled(alphabet: &[&str], tokens_max: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut longest: Vec<String> = alphabet.iter().map(|token| token.to_string()).collect();
    for _ in 0..tokens_max {
        all.extend(longest.iter().cloned());
        longest = longest
            .iter()
            .flat_map(|start| alphabet.iter().map(move |token| format!("{start}.{token}")))
            .collect();
    }
    all
}

fn all_filters(alphabet: &[&str], tokens_max: usize) -> Vec<FilterBuf> {
    spelled(alphabet, tokens_max)
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect()
}

/// Filters over two letters of at most three tokens, and subjects that can tell any two of them
/// apart: a letter that no filter names, and a token more than any filter has.
#[test]
fn relations_agree_with_enumerated_subjects() {
    let filters = all_filters(&["a", "b", "*", ">"], 3);
    let subjects = spelled(&["a", "b", "c"], 4);
    assert_eq!((filters.len(), subjects.len()), (52, 120));
    let table: Vec<Vec<bool>> = filters
        .iter()
        .map(|filter| {
            subjects
                .iter()
                .map(|s| matches(filter.as_filter(), s.as_bytes()))
                .collect()
        })
        .collect();
    for (a, matched_by_a) in filters.iter().zip(&table) {
        for (b, matched_by_b) in filters.iter().zip(&table) {
            let contains = matched_by_a.iter().zip(matched_by_b).all(|(a, b)| *a || !*b);
            let overlaps = matched_by_a.iter().zip(matched_by_b).any(|(a, b)| *a && *b);
            let (a, b) = (a.as_filter(), b.as_filter());
            assert_eq!(filter_contains(a, b), contains, "{a} contains {b}");
            assert_eq!(filters_overlap(a, b), overlaps, "{a} and {b} overlap");
        }
    }
}

#[test]
fn a_trie_of_all_small_filters_agrees_with_the_definition() {
    let filters = all_filters(&["a", "b", "*", ">"], 4);
    let mut trie = Trie::new();
    for filter in &filters {
        trie.insert(filter.as_filter(), filter);
    }
    // Empty tokens and wildcards in subjects too: published subjects are not checked.
    for subject in spelled(&["a", "b", "c", "*", ">", ""], 5) {
        let mut found = Vec::new();
        trie.matches(subject.as_bytes(), &mut |filter| found.push(*filter));
        found.sort();
        let mut expected: Vec<_> = filters
            .iter()
            .filter(|filter| matches(filter.as_filter(), subject.as_bytes()))
            .collect();
        expected.sort();
        assert_eq!(found, expected, "{subject}");
    }
}

/// Few tokens, so that prefixes are shared and filters match; a longer one, so that lengths differ.
fn token() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just("*"),
        Just("long-token"),
        Just(">"),
        Just("a*")
    ]
}

fn filter() -> impl Strategy<Value = FilterBuf> {
    vec(token(), 1..8).prop_filter_map("`>` is last", |tokens| tokens.join(".").parse().ok())
}

/// Mostly what filters may match, sometimes any bytes.
fn published() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![6 => token(), 1 => Just("")];
    prop_oneof![
        6 => vec(token, 1..9).prop_map(|tokens| tokens.join(".").into_bytes()),
        1 => vec(any::<u8>(), 0..20),
        1 => vec(prop_oneof![Just(b'.'), Just(b'a'), Just(0xff)], 0..12),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Insert(FilterBuf),
    /// Removes one of the values that are there.
    Remove(prop::sample::Index),
    Publish(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => filter().prop_map(Step::Insert),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        3 => published().prop_map(Step::Publish),
    ];
    vec(step, 0..60)
}

proptest! {
    #[test]
    fn a_changing_trie_agrees_with_a_list(steps in steps(), seed in any::<u64>()) {
        let mut trie = Trie::with_seed(seed);
        let mut list: Vec<(FilterBuf, usize)> = Vec::new();
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(filter) => {
                    trie.insert(filter.as_filter(), id);
                    list.push((filter, id));
                }
                Step::Remove(_) if list.is_empty() => {}
                Step::Remove(index) => {
                    let (filter, id) = list.swap_remove(index.index(list.len()));
                    prop_assert_eq!(trie.remove(filter.as_filter(), |value| *value == id), Some(id));
                    prop_assert_eq!(trie.remove(filter.as_filter(), |value| *value == id), None);
                }
                Step::Publish(subject) => {
                    let mut found = Vec::new();
                    trie.matches(&subject, &mut |id| found.push(*id));
                    found.sort();
                    let mut expected: Vec<usize> = list
                        .iter()
                        .filter(|(filter, _)| matches(filter.as_filter(), &subject))
                        .map(|(_, id)| *id)
                        .collect();
                    expected.sort();
                    prop_assert_eq!(trie.matches_any(&subject, |_| true), !expected.is_empty());
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(trie.len(), list.len());
            prop_assert_eq!(trie.iter().count(), list.len());
        }
        for (filter, id) in list {
            prop_assert_eq!(trie.remove(filter.as_filter(), |value| *value == id), Some(id));
        }
        prop_assert!(trie.is_empty());
    }

    /// Between the parts of a walk filters come and go.
    #[test]
    fn a_walk_that_pauses_finds_what_stays_once_and_nothing_that_does_not_match(
        before in vec(filter(), 0..25),
        meanwhile in vec((steps(), 1_usize..12), 0..6),
        subject in published(),
    ) {
        let mut trie = Trie::new();
        let mut list = Vec::new();
        for filter in before {
            let id = list.len();
            let key = trie.insert(filter.as_filter(), id);
            list.push((filter, key, true));
        }
        let mut stays: Vec<bool> = vec![true; list.len()];
        let (mut walk, mut found) = (Walk::new(), Vec::new());
        let mut changes = meanwhile.into_iter();
        loop {
            let (changes, mut budget) = changes.next().unwrap_or((Vec::new(), usize::MAX));
            let end = walk.go_on(&trie, &subject, &mut budget, &mut |id: &usize| {
                found.push(*id);
                ControlFlow::Continue(())
            });
            if end == WalkEnd::Finished {
                break;
            }
            prop_assert_eq!((end, budget), (WalkEnd::Paused, 0));
            for change in changes {
                match change {
                    Step::Insert(filter) => {
                        let key = trie.insert(filter.as_filter(), list.len());
                        list.push((filter, key, true));
                    }
                    Step::Remove(index) if !list.is_empty() => {
                        let id = index.index(list.len());
                        let (filter, key, live) = &mut list[id];
                        let removed = trie.remove_key(filter.as_filter(), *key);
                        prop_assert_eq!(removed, live.then_some(id));
                        *live = false;
                        if let Some(stays) = stays.get_mut(id) {
                            *stays = false;
                        }
                    }
                    _ => {}
                }
            }
        }
        found.sort();
        prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "once: {found:?}");
        for (id, (filter, ..)) in list.iter().enumerate() {
            let matching = matches(filter.as_filter(), &subject);
            let was_found = found.binary_search(&id).is_ok();
            prop_assert!(matching || !was_found, "{filter} does not match");
            let stayed = stays.get(id).copied().unwrap_or(false);
            prop_assert!(!(matching && stayed) || was_found, "{filter} was there all the time");
        }
    }

    #[test]
    fn one_filter_agrees_with_the_definition(filter in filter(), subject in published()) {
        let filter = filter.as_filter();
        prop_assert_eq!(filter_matches(filter, &subject), matches(filter, &subject));
        prop_assert_eq!(Matcher::from(filter.to_buf()).matches(&subject), matches(filter, &subject));
    }

    #[test]
    fn relations_are_consistent(a in filter(), b in filter(), c in filter()) {
        let (a, b, c) = (a.as_filter(), b.as_filter(), c.as_filter());
        prop_assert!(a.contains(a) && a.overlaps(a));
        prop_assert_eq!(a.overlaps(b), b.overlaps(a));
        prop_assert!(!a.contains(b) || a.overlaps(b));
        prop_assert!(!(a.contains(b) && b.contains(c)) || a.contains(c));
    }

    #[test]
    fn any_bytes_are_accepted_or_refused(bytes in vec(any::<u8>(), 0..40)) {
        if let Ok(subject) = Subject::new(&bytes) {
            // A literal subject is a filter that matches itself and nothing broader.
            let filter = Filter::new(&bytes).expect("a literal subject is a filter");
            prop_assert_eq!(subject.as_bytes(), &bytes[..]);
            prop_assert!(!filter.has_wildcard());
            prop_assert!(filter.matches(&bytes));
        }
        if let Ok(filter) = Filter::new(&bytes) {
            prop_assert_eq!(filter.has_wildcard(), Subject::new(&bytes).is_err());
        }
    }
}

/// What subjects and filters are made of.
const VOCABULARY: &[&[u8]] = &[
    b"a", b"b", b"ab", b"*", b">", b".", b".", b".", b"\n", b"\n", b" ", b"\t", b"\r", b"\0", b"\xff",
    b"a.*.>", b"*.*", b"a.b.c", b"$SYS", b"_INBOX", b"a*", b">a", b"..",
];

#[test]
fn thirty_thousand_seeds_find_nothing() {
    for seed in 0..30_000_u64 {
        // The step and the mixing of splitmix64.
        let mut state = seed;
        let mut below = |bound: usize| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) % bound as u64) as usize
        };
        let count = below(60);
        let bytes: Vec<u8> = (0..count)
            .flat_map(|_| VOCABULARY[below(VOCABULARY.len())].to_vec())
            .collect();
        let outcome = std::panic::catch_unwind(|| fuzz(&bytes));
        assert!(outcome.is_ok(), "seed {seed}: {}", bytes.escape_ascii());
    }
}
