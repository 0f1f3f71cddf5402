//! Any bytes as rules that rename subjects. The seeded loop of the tests calls this, and so does the
//! fuzzer (`data-plane/fuzz`).

use std::collections::BTreeMap;

use tollway_accounts::{Mapped, MappingTable, Transform};
use tollway_claims::{Destination, LocalSubject};
use tollway_subject::{Filter, FilterBuf};

/// Takes the first line for a source, the second for a destination, the third for a subject.
///
/// What a rule makes of a subject is the same each time, fits into the room that it says it fits, and
/// comes back by the rule's reverse, if there is one.
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (source, destination, subject) = (line(), line(), line());
    let destination = String::from_utf8_lossy(destination);
    let Ok(source) = Filter::new(source) else { return };
    if let Ok(transform) = Transform::new(source, &destination) {
        check(&transform, subject);
    }
    if let Ok(local) = LocalSubject::new(&destination, source)
        && let Ok(renaming) = Transform::renaming(source, &local)
    {
        check(&renaming, subject);
        assert!(renaming.reversed().is_some(), "an import has a way back");
    }
    let weighted = [40, 60].map(|weight| Destination::weighted(destination.clone(), weight));
    let mappings = BTreeMap::from([(source.to_buf(), weighted.to_vec())]);
    if let Ok(table) = MappingTable::compile(&mappings, None) {
        for random in [0, 1, u64::MAX] {
            let mut buffer = [0; 4096];
            if let Ok(Mapped::To(mapped)) = table.map(subject, random, &mut buffer) {
                assert!(source.matches(subject) && !mapped.is_empty());
            }
        }
    }
}

fn check(transform: &Transform, subject: &[u8]) {
    let (mut one, mut other) = ([0; 4096], [0; 4096]);
    let mapped = transform.map(subject, 7, &mut one);
    assert_eq!(mapped, transform.map(subject, 7, &mut other));
    let reversed = transform.reversed();
    let Ok(mapped) = mapped else { return };
    let mut exact = vec![0; mapped.len()];
    assert_eq!(transform.map(subject, 7, &mut exact).as_deref(), Ok(mapped));
    if let Some(short) = mapped.len().checked_sub(1) {
        assert!(transform.map(subject, 7, &mut vec![0; short]).is_err());
    }
    if let Some(reversed) = &reversed
        && reversed.source().matches(mapped)
    {
        let mut back = [0; 4096];
        assert_eq!(reversed.map(mapped, 7, &mut back), Ok(subject));
        // A client's subject may hold what no filter may, a blank for one.
        if let Ok(filter) = FilterBuf::new(mapped)
            && !filter.as_filter().has_wildcard()
        {
            let found = transform.source_filter(filter.as_filter());
            assert!(found.is_some_and(|found| found.as_filter().matches(subject)));
        }
    }
}
