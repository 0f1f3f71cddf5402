//! A filter that is asked about many subjects.

use crate::filter::{Filter, FilterBuf};
use crate::subject::has_no_empty_token;

/// A filter with what can be known about it before any subject comes: most filters of permissions are
/// a literal subject or everything under one, and those are compared in one piece and not token by
/// token. A handful of these answers sooner than a [`Trie`](crate::Trie), and takes much less room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    filter: FilterBuf,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// No wildcard.
    Literal,
    /// A `>` behind literal tokens, or alone.
    Under,
    /// Anything else. So many bytes are before the first wildcard.
    Tokens(usize),
}

impl Matcher {
    /// The filter as it is.
    pub fn as_filter(&self) -> Filter<'_> {
        self.filter.as_filter()
    }

    /// Whether `subject` (any bytes) is matched: [`Filter::matches`].
    #[inline]
    pub fn matches(&self, subject: &[u8]) -> bool {
        let filter = self.filter.as_bytes();
        match self.shape {
            Shape::Literal => filter == subject,
            // What is left of the filter ends in a dot or is empty, and has no empty token itself.
            Shape::Under => subject
                .strip_prefix(&filter[..filter.len() - 1])
                .is_some_and(has_no_empty_token),
            Shape::Tokens(literal) => subject
                .strip_prefix(&filter[..literal])
                .is_some_and(|rest| tokens_match(&filter[literal..], rest)),
        }
    }

    /// Whether subjects are compared in one piece, which takes a fraction of what tokens take.
    pub fn is_quick(&self) -> bool {
        !matches!(self.shape, Shape::Tokens(_))
    }
}

/// Whether what is left of a filter matches what is left of a subject; both begin with a token.
fn tokens_match(mut filter: &[u8], mut subject: &[u8]) -> bool {
    loop {
        if filter == b">" {
            return has_no_empty_token(subject);
        }
        let (wanted, filter_rest) = first_token(filter);
        let (token, subject_rest) = first_token(subject);
        if token.is_empty() || wanted != b"*" && wanted != token {
            return false;
        }
        match (filter_rest, subject_rest) {
            (Some(filter_rest), Some(subject_rest)) => (filter, subject) = (filter_rest, subject_rest),
            (None, None) => return true,
            _ => return false,
        }
    }
}

fn first_token(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&bytes[..dot], Some(&bytes[dot + 1..])),
        None => (bytes, None),
    }
}

impl From<FilterBuf> for Matcher {
    fn from(filter: FilterBuf) -> Self {
        let mut literal = 0;
        let mut shape = Shape::Literal;
        for token in filter.as_filter().tokens() {
            if matches!(token, b"*" | b">") {
                shape = if token == b">" {
                    Shape::Under
                } else {
                    Shape::Tokens(literal)
                };
                break;
            }
            literal += token.len() + 1;
        }
        Self { filter, shape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_is_seen_once() {
        for (text, shape) in [
            ("a.b", Shape::Literal),
            ("foo*.>>", Shape::Literal),
            (">", Shape::Under),
            ("a.b.>", Shape::Under),
            ("*", Shape::Tokens(0)),
            ("a.*.>", Shape::Tokens(2)),
            ("a.bc.*", Shape::Tokens(5)),
        ] {
            let matcher = Matcher::from(FilterBuf::new(text.as_bytes()).unwrap());
            assert_eq!(matcher.shape, shape, "{text}");
            assert_eq!(matcher.as_filter().to_string(), text);
        }
    }
}
