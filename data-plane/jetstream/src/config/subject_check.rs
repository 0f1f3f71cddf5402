//! Questions about subjects that a configuration names.

use tollway_subject::{Filter, Subject};

pub(crate) fn is_filter(text: &str) -> bool {
    Filter::new(text.as_bytes()).is_ok()
}

pub(crate) fn is_literal(text: &str) -> bool {
    Subject::new(text.as_bytes()).is_ok()
}

/// Whether the text has no token that is a wildcard. It need not be a subject.
pub(crate) fn has_no_wildcard(text: &str) -> bool {
    !text.split('.').any(|token| matches!(token, "*" | ">"))
}

/// Whether some subject is matched by both. What is no filter matches nothing.
pub(crate) fn overlap(a: &str, b: &str) -> bool {
    match (Filter::new(a.as_bytes()), Filter::new(b.as_bytes())) {
        (Ok(a), Ok(b)) => a.overlaps(b),
        _ => false,
    }
}

/// Whether everything that `inner` matches is matched by `outer`.
pub(crate) fn contains(outer: &str, inner: &str) -> bool {
    match (Filter::new(outer.as_bytes()), Filter::new(inner.as_bytes())) {
        (Ok(outer), Ok(inner)) => outer.contains(inner),
        _ => false,
    }
}
