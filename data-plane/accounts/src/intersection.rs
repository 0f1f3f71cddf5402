//! What two filters have in common.

use tollway_subject::{Filter, FilterBuf};

/// The filter that matches exactly the subjects that both match; `None` when there are none.
pub(crate) fn intersection(a: Filter<'_>, b: Filter<'_>) -> Option<FilterBuf> {
    let (mut a, mut b) = (a.tokens(), b.tokens());
    let mut common: Vec<&[u8]> = Vec::new();
    loop {
        match (a.next(), b.next()) {
            (None, None) => break,
            // One takes all that the other still wants, and that is at least this token.
            (Some(b">"), Some(token)) => {
                common.push(token);
                common.extend(b);
                break;
            }
            (Some(token), Some(b">")) => {
                common.push(token);
                common.extend(a);
                break;
            }
            (Some(b"*"), Some(token)) | (Some(token), Some(b"*")) => common.push(token),
            (Some(x), Some(y)) if x == y => common.push(x),
            _ => return None,
        }
    }
    let common = FilterBuf::new(&common.join(&b'.'));
    Some(common.expect("tokens of filters make a filter, and > stays at the end"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollway_subject::definition::matches;

    use super::*;

    fn filters() -> impl Strategy<Value = FilterBuf> {
        "(a|b|\\*)(\\.(a|b|\\*)){0,3}(\\.>)?|>".prop_map(|text| text.parse().unwrap())
    }

    #[test]
    fn the_table_of_intersections() {
        for (a, b, expected) in [
            ("a.*", "*.b", Some("a.b")),
            ("a.>", "*.b.>", Some("a.b.>")),
            ("a.>", "a.*.c", Some("a.*.c")),
            ("*.>", "a.b.*", Some("a.b.*")),
            (">", ">", Some(">")),
            (">", "*", Some("*")),
            ("a.>", "a", None),
            ("a.*", "b.*", None),
            ("*.*", "*", None),
        ] {
            let filter = |text: &str| text.parse::<FilterBuf>().unwrap();
            let both = |a: &str, b: &str| {
                intersection(filter(a).as_filter(), filter(b).as_filter()).map(|common| common.to_string())
            };
            assert_eq!(both(a, b).as_deref(), expected, "{a} and {b}");
            assert_eq!(both(b, a).as_deref(), expected, "{b} and {a}");
        }
    }

    proptest! {
        #[test]
        fn intersection_matches_what_both_match(a in filters(), b in filters(), subject in "(a|b|c)(\\.(a|b|c)){0,4}") {
            let (a, b, subject) = (a.as_filter(), b.as_filter(), subject.as_bytes());
            let common = intersection(a, b);
            prop_assert_eq!(common.is_some(), a.overlaps(b));
            let matched = common.as_ref().is_some_and(|common| matches(common.as_filter(), subject));
            prop_assert_eq!(matched, matches(a, subject) && matches(b, subject));
        }
    }
}
