//! How one filter stands to a subject or to another filter. Linear, without allocation.

use crate::filter::Filter;
use crate::subject::{has_no_empty_token, tokens};

/// Whether `filter` matches `subject`, which may be any bytes: [`crate::definition::matches`]
/// without its lists, for checks against a handful of filters. For many filters use a
/// [`crate::Trie`].
pub fn filter_matches(filter: Filter<'_>, subject: &[u8]) -> bool {
    if !has_no_empty_token(subject) {
        return false;
    }
    let mut subject = tokens(subject);
    for wanted in filter.tokens() {
        // `>` needs at least one token, which is what this asks for first.
        let Some(token) = subject.next() else { return false };
        match wanted {
            b">" => return true,
            b"*" => {}
            literal if literal == token => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}

/// Whether every subject that `inner` matches is matched by `outer` too.
///
/// This is the question of a permission: a user who may subscribe to `outer` may subscribe to
/// `inner`.
pub fn filter_contains(outer: Filter<'_>, inner: Filter<'_>) -> bool {
    let mut inner = inner.tokens();
    for wanted in outer.tokens() {
        let Some(token) = inner.next() else { return false };
        match (wanted, token) {
            (b">", _) => return true,
            // `inner` also matches longer subjects than `outer` allows from here on, or literals
            // that `outer` does not name.
            (_, b">") => return false,
            (b"*", _) => {}
            (literal, token) if literal == token => {}
            _ => return false,
        }
    }
    inner.next().is_none()
}

/// Whether some subject is matched by both filters.
///
/// This is the question of a denial: a subscription that overlaps a denied filter would receive
/// messages that are denied.
pub fn filters_overlap(a: Filter<'_>, b: Filter<'_>) -> bool {
    let mut a = a.tokens();
    let mut b = b.tokens();
    loop {
        match (a.next(), b.next()) {
            // Both still want at least one token, and one of them takes all that come.
            (Some(b">"), Some(_)) | (Some(_), Some(b">")) => return true,
            (Some(b"*"), Some(_)) | (Some(_), Some(b"*")) => {}
            (Some(x), Some(y)) if x == y => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter<'_> {
        Filter::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_table_of_containment() {
        for (outer, inner, expected) in [
            ("a", "a", true),
            ("*", "a", true),
            ("*", "*", true),
            ("a", "*", false),
            (">", ">", true),
            (">", "a.*", true),
            ("*", ">", false),
            ("*.>", ">", false),
            ("*.>", "a.>", true),
            ("a.>", "a", false),
            ("a.>", "a.*.c", true),
            ("a.*", "a.>", false),
            ("a.b", "a.b.c", false),
            ("a.b.c", "a.b", false),
        ] {
            assert_eq!(
                filter_contains(filter(outer), filter(inner)),
                expected,
                "{outer} contains {inner}"
            );
        }
    }

    #[test]
    fn the_table_of_overlap() {
        for (a, b, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a.*", "*.b", true),
            ("a.*", "b.*", false),
            ("a.>", "a", false),
            ("a.>", "*.b.c", true),
            (">", "a.b", true),
            ("*", "a.b", false),
            ("a.>", "b.>", false),
        ] {
            assert_eq!(filters_overlap(filter(a), filter(b)), expected, "{a} and {b}");
            assert_eq!(filters_overlap(filter(b), filter(a)), expected, "{b} and {a}");
        }
    }
}
