//! What matching means, written to be read. Everything faster is tested against it.

use crate::filter::Filter;
use crate::subject::tokens;

/// Whether `filter` matches `subject`.
///
/// - Token by token from the left; a literal token matches itself, byte for byte.
/// - `*` matches exactly one token, `>` matches all that remain, at least one.
/// - A subject with an empty token (`a..b`, `.a`, nothing at all) matches no filter.
/// - In the subject nothing is special: a published `a.*` is matched by `a.*` and `a.>`, where the
///   wildcard takes `*` for a token like any other, and not by `a.b`.
pub fn matches(filter: Filter<'_>, subject: &[u8]) -> bool {
    let subject: Vec<&[u8]> = tokens(subject).collect();
    if subject.iter().any(|token| token.is_empty()) {
        return false;
    }
    let filter: Vec<&[u8]> = filter.tokens().collect();
    for (index, &wanted) in filter.iter().enumerate() {
        if wanted == b">" {
            return subject.len() > index;
        }
        match subject.get(index) {
            None => return false,
            Some(&token) if wanted != b"*" && wanted != token => return false,
            Some(_) => {}
        }
    }
    subject.len() == filter.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_examples() {
        for (filter, subject, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a", "a.b", false),
            ("a.b", "a", false),
            ("*", "a", true),
            ("*", "a.b", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.b.d", false),
            (">", "a", true),
            (">", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "a.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "b.b", false),
            ("*.>", "a", false),
            ("*.>", "a.b", true),
            // A published subject is not checked: odd ones match nothing or what they spell.
            (">", "", false),
            (">", ".", false),
            (">", "a.", false),
            ("*.*", "a.", false),
            ("a.>", "a..b", false),
            ("a.b", "a.*", false),
            ("a.*", "a.*", true),
            ("a.>", "a.>", true),
            ("foo*", "foo*", true),
            ("foo*", "foobar", false),
            ("A", "a", false),
        ] {
            let parsed = Filter::new(filter.as_bytes()).unwrap();
            assert_eq!(
                matches(parsed, subject.as_bytes()),
                expected,
                "{filter} on {subject}"
            );
        }
    }
}
