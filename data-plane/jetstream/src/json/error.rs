//! Why a body is not what was asked for.

use std::fmt;

/// Why JSON was refused, in the words of stock servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonError {
    /// The body ends in the middle of a value.
    End,
    /// A character that cannot stand where it stands.
    Syntax {
        /// What about which character.
        text: String,
        /// How many bytes were read with it.
        offset: usize,
    },
    /// A field that nobody asked for.
    UnknownField(String),
    /// A value of another type.
    Type {
        /// What was found.
        found: String,
        /// Where.
        place: String,
        /// What would have been right.
        wanted: &'static str,
    },
    /// A value that its type refuses.
    Value(String),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("unexpected EOF"),
            Self::Syntax { text, offset } => write!(f, "{text} at offset {offset}"),
            Self::UnknownField(name) => write!(f, "json: unknown field {}", super::text::quoted(name)),
            Self::Type { found, place, wanted } => {
                write!(f, "json: cannot unmarshal {found} into {place} of type {wanted}")
            }
            Self::Value(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for JsonError {}
