//! The name of one call: in its answer, in the audit row, in what travels to the
//! nodes because of it, and in every log line about it.

use std::{fmt, sync::Arc};

use data_encoding::HEXLOWER;

use crate::secrets::random_array;

/// Longest id that we take over from a caller.
pub const REQUEST_ID_LEN_MAX: usize = 64;

/// 1 to 64 of `A-Z a-z 0-9 _ -`, so that it can stand in any log and header as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A fresh one.
    pub fn generate() -> Self {
        Self(HEXLOWER.encode(&random_array::<16>()).into())
    }

    /// The caller's own, when it has the form.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=REQUEST_ID_LEN_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        fits.then(|| Self(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_words_are_taken_over() {
        assert!(RequestId::parse("deploy-42_A").is_some());
        for text in [
            "",
            "two words",
            "line\nbreak",
            "umlaut-\u{fc}",
            &"a".repeat(REQUEST_ID_LEN_MAX + 1),
        ] {
            assert!(RequestId::parse(text).is_none(), "{text:?}");
        }
    }
}
