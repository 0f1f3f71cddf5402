//! Any bytes as subjects and filters. The seeded loop of the tests calls this, and so does the
//! fuzzer (`data-plane/fuzz`).

use tollway_subject::{Filter, Subject, Trie, definition, filter_contains, filter_matches, filters_overlap};

/// Takes lines for filters and the last one for a subject. The trie, and every way to ask for two of
/// them, has to say what the slow definition says.
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let subject = lines.next_back().unwrap_or_default();
    let filters: Vec<_> = lines.filter_map(|line| Filter::new(line).ok()).take(32).collect();
    if let Ok(literal) = Subject::new(subject) {
        let filter = Filter::new(literal.as_bytes()).expect("a subject is a filter");
        assert!(!filter.has_wildcard() && filter.matches(subject));
    }
    let mut trie = Trie::with_seed(bytes.len() as u64);
    let mut keys = Vec::new();
    for (number, filter) in filters.iter().enumerate() {
        keys.push(trie.insert(*filter, number));
    }
    let mut found = Vec::new();
    trie.matches(subject, &mut |number: &usize| found.push(*number));
    found.sort_unstable();
    let matching = |filter: &Filter<'_>| definition::matches(*filter, subject);
    let expected: Vec<_> = (0..filters.len())
        .filter(|&number| matching(&filters[number]))
        .collect();
    assert_eq!(found, expected);
    for filter in &filters {
        assert_eq!(filter_matches(*filter, subject), matching(filter));
        for other in &filters {
            assert_eq!(filters_overlap(*filter, *other), filters_overlap(*other, *filter));
            let contains = filter_contains(*filter, *other);
            assert!(!contains || filters_overlap(*filter, *other));
            assert!(!(contains && matching(other)) || matching(filter));
        }
    }
    for (filter, key) in filters.iter().zip(keys) {
        assert!(trie.remove_key(*filter, key).is_some());
    }
    assert!(trie.is_empty());
}
