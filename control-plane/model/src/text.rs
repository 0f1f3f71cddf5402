//! Short texts for people: bounded, and without control characters, so that they can stand in a list, a
//! log line or a terminal as they are.

use std::fmt;

/// A text that is empty, too long or holds control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// There is no text, or only blanks.
    #[error("a text is needed")]
    Empty,
    /// The text is too long.
    #[error("the text has at most {max} characters")]
    TooLong {
        /// Most characters allowed.
        max: usize,
    },
    /// The text holds a line break or another control character.
    #[error("the text has no line breaks or other control characters")]
    ControlCharacter,
    /// The text holds a character that turns the direction of reading.
    #[error("the text has no characters that turn the direction of reading")]
    Directional,
}

impl InvalidText {
    /// The stable word for this error in field errors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong { .. } => "too_long",
            Self::ControlCharacter | Self::Directional => "invalid_text",
        }
    }
}

fn checked(text: &str, max: usize) -> Result<String, InvalidText> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidText::Empty);
    }
    if text.chars().count() > max {
        return Err(InvalidText::TooLong { max });
    }
    // U+2028 and U+2029 are line breaks to browsers and are not control characters to Unicode.
    if text
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
    {
        return Err(InvalidText::ControlCharacter);
    }
    if text.chars().any(is_directional) {
        return Err(InvalidText::Directional);
    }
    Ok(text.to_owned())
}

/// Whether the character only turns the direction of reading: the marks, embeddings, overrides and isolates
/// of Unicode. Nobody sees them, and with them a text reads as another one, or reaches into what stands
/// beside it. Letters that are read from the right need none.
fn is_directional(c: char) -> bool {
    matches!(
        c,
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
    )
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Most characters.
            pub const LENGTH_MAX: usize = $max;

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                checked(text, Self::LENGTH_MAX).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// What an organization is called in the console: 1 to 200 characters.
    DisplayName, 200
);
text!(
    /// What an API token or a node is called: 1 to 100 characters.
    Label, 100
);
text!(
    /// Why an account is suspended; shown to the tenant: 1 to 200 characters.
    SuspensionReason, 200
);

impl From<&crate::Name> for DisplayName {
    /// The name again, for organizations without one of their own.
    fn from(name: &crate::Name) -> Self {
        Self(name.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrounding_blanks_are_dropped_and_length_is_counted_in_characters() {
        assert_eq!(
            "  Käse & Co  ".parse::<DisplayName>().unwrap().as_str(),
            "Käse & Co"
        );
        assert!("ä".repeat(200).parse::<DisplayName>().is_ok());
        assert_eq!(
            "ä".repeat(201).parse::<DisplayName>(),
            Err(InvalidText::TooLong { max: 200 })
        );
    }

    #[test]
    fn texts_that_read_as_another_one_are_refused_and_those_read_from_the_right_are_not() {
        let marks =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        for mark in marks.chars() {
            let text = format!("Acme {mark}dtL");
            assert_eq!(
                text.parse::<DisplayName>(),
                Err(InvalidText::Directional),
                "{text:?}"
            );
            assert_eq!(text.parse::<Label>(), Err(InvalidText::Directional), "{text:?}");
        }
        assert!("שלום".parse::<DisplayName>().is_ok());
    }

    #[test]
    fn blank_texts_and_line_breaks_are_refused() {
        assert_eq!(" \t ".parse::<Label>(), Err(InvalidText::Empty));
        for text in ["a\nb", "a\u{1b}[31m", "a\u{2028}b", "a\0b"] {
            assert_eq!(
                text.parse::<Label>(),
                Err(InvalidText::ControlCharacter),
                "{text:?}"
            );
        }
    }
}
