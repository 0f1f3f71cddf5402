//! Which of several filters is nearest to what they match.

use std::cmp::Ordering;

use tollway_subject::Filter;

/// The more specific filter first: token by token from the left, a literal
/// before `*` before `>`. Of filters that match one subject no two are equal
/// in this, so that whoever takes the first takes the same one every time.
pub(crate) fn by_specificity(a: Filter<'_>, b: Filter<'_>) -> Ordering {
    let kinds = |filter: Filter<'_>| -> Vec<u8> {
        filter
            .tokens()
            .map(|token| match token {
                b">" => 2,
                b"*" => 1,
                _ => 0,
            })
            .collect()
    };
    let by_bytes = || a.as_bytes().cmp(b.as_bytes());
    kinds(a).cmp(&kinds(b)).then_with(by_bytes)
}
