//! What is subscribed with, and what permissions, exports and imports are written in.

use std::fmt;
use std::str::FromStr;

use crate::lossy::Lossy;
use crate::relation;
use crate::subject::{InvalidSubject, check_bytes, tokens};

/// A valid filter: non-empty tokens, where `*` stands for one token and `>`, only as the last token,
/// for one or more.
///
/// `*` and `>` are wildcards only when they are a token of their own. In a longer token (`foo*`,
/// `>>`) they are ordinary characters, as in stock servers: a client that subscribes to `foo*` gets
/// what is published to exactly that.
///
/// Bytes are not required to be UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter<'a>(&'a [u8]);

impl<'a> Filter<'a> {
    /// Checks `bytes` and borrows them as a filter.
    pub fn new(bytes: &'a [u8]) -> Result<Self, InvalidSubject> {
        check_bytes(bytes)?;
        let mut position = 0;
        for token in tokens(bytes) {
            let end = position + token.len();
            if token == b">" && end != bytes.len() {
                return Err(InvalidSubject::TailNotLast { position });
            }
            position = end + 1;
        }
        Ok(Self(bytes))
    }

    /// The filter as it stands on the wire.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The parts between the dots; there is at least one, and none is empty.
    pub fn tokens(self) -> impl Iterator<Item = &'a [u8]> {
        tokens(self.0)
    }

    /// Whether the filter has a `*` or `>`. Without one it matches exactly the subject it spells.
    pub fn has_wildcard(self) -> bool {
        self.tokens().any(|token| matches!(token, b"*" | b">"))
    }

    /// Whether `subject` (any bytes) is matched. Linear in the shorter of the two, no allocation.
    pub fn matches(self, subject: &[u8]) -> bool {
        relation::filter_matches(self, subject)
    }

    /// Whether every subject that `inner` matches is matched by this filter too.
    pub fn contains(self, inner: Filter<'_>) -> bool {
        relation::filter_contains(self, inner)
    }

    /// Whether some subject is matched by both filters.
    pub fn overlaps(self, other: Filter<'_>) -> bool {
        relation::filters_overlap(self, other)
    }

    /// An owned copy.
    pub fn to_buf(self) -> FilterBuf {
        FilterBuf(self.0.into())
    }
}

impl fmt::Display for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Lossy(self.0), f)
    }
}

impl fmt::Debug for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Lossy(self.0), f)
    }
}

/// An owned [`Filter`]: two words and the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterBuf(Box<[u8]>);

impl FilterBuf {
    /// Checks `bytes` and copies them.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidSubject> {
        Filter::new(bytes).map(Filter::to_buf)
    }

    /// The filter, borrowed: all questions are asked of that.
    pub fn as_filter(&self) -> Filter<'_> {
        // Checked when this value was made; it cannot change since.
        Filter(&self.0)
    }

    /// The filter as it stands on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> From<&'a FilterBuf> for Filter<'a> {
    fn from(filter: &'a FilterBuf) -> Self {
        filter.as_filter()
    }
}

impl FromStr for FilterBuf {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        Self::new(text.as_bytes())
    }
}

impl TryFrom<&str> for FilterBuf {
    type Error = InvalidSubject;

    fn try_from(text: &str) -> Result<Self, InvalidSubject> {
        Self::new(text.as_bytes())
    }
}

impl fmt::Display for FilterBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_filter(), f)
    }
}

impl fmt::Debug for FilterBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_filter(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_tokens_of_their_own() {
        for (text, wildcard) in [
            ("a", false),
            ("a.b", false),
            ("*", true),
            (">", true),
            ("a.*.c", true),
            ("a.>", true),
            ("*.*.>", true),
            ("foo*", false),
            ("foo.>>", false),
            (">bar.x", false),
        ] {
            let filter = Filter::new(text.as_bytes()).unwrap();
            assert_eq!(filter.has_wildcard(), wildcard, "{text}");
            assert_eq!(filter.to_buf().to_string(), text);
        }
    }

    #[test]
    fn invalid_filters_say_what_is_wrong_and_where() {
        for (text, reason) in [
            ("", InvalidSubject::Empty),
            ("a..b", InvalidSubject::EmptyToken { position: 2 }),
            ("a.", InvalidSubject::EmptyToken { position: 2 }),
            (">.a", InvalidSubject::TailNotLast { position: 0 }),
            ("a.>.>", InvalidSubject::TailNotLast { position: 2 }),
            (
                "a b",
                InvalidSubject::ForbiddenByte {
                    position: 1,
                    byte: b' ',
                },
            ),
        ] {
            assert_eq!(text.parse::<FilterBuf>(), Err(reason), "{text:?}");
        }
    }
}
