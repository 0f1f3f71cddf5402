//! Names that people choose: lower-case letters, digits and hyphens.

use std::fmt;
use std::str::FromStr;

/// Longest name, in characters: as long as a DNS label, so that a name may become one.
const NAME_LENGTH_MAX: usize = 63;

/// A name of an organization, account, user or cell.
///
/// 1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A text that cannot be a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// There is no text.
    #[error("a name is needed")]
    Empty,
    /// The text is too long.
    #[error("a name has at most {NAME_LENGTH_MAX} characters")]
    TooLong,
    /// A character is not allowed, or not at that place.
    #[error("a name has lower-case letters, digits and hyphens, and a letter or digit at both ends")]
    BadCharacter,
}

impl InvalidName {
    /// The stable word for this error in field errors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::BadCharacter => "invalid_name",
        }
    }
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bytes = text.as_bytes();
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
            return Err(InvalidName::Empty);
        };
        if bytes.len() > NAME_LENGTH_MAX {
            return Err(InvalidName::TooLong);
        }
        let end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !end(first) || !end(last) || !bytes.iter().all(|byte| end(byte) || *byte == b'-') {
            return Err(InvalidName::BadCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_names() {
        for text in ["a", "0", "orders-eu", "a--b", &"x".repeat(63)] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        assert_eq!("".parse::<Name>(), Err(InvalidName::Empty));
        assert_eq!("x".repeat(64).parse::<Name>(), Err(InvalidName::TooLong));
        for text in ["-a", "a-", "A", "a_b", "a b", "a.b", "ä", "a\n", "-"] {
            assert_eq!(text.parse::<Name>(), Err(InvalidName::BadCharacter), "{text:?}");
        }
    }
}
