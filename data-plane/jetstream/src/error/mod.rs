//! What the API refuses with.

mod entry;
mod table;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

pub use entry::Entry;
pub use table::ErrorKind;

/// A refusal as a client sees it.
///
/// ```
/// use tollway_jetstream::{ApiError, ErrorKind};
///
/// let error = ErrorKind::StreamWrongLastSequence.with("seq", 7);
/// assert_eq!((error.code(), error.err_code()), (400, 10071));
/// assert_eq!(error.to_string(), "wrong last sequence: 7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    kind: ErrorKind,
    description: Cow<'static, str>,
}

impl ErrorKind {
    /// The error with `value` for its place `{place}`.
    ///
    /// A text with several places takes them one after the other: [`ApiError::with`].
    pub fn with(self, place: &str, value: impl fmt::Display) -> ApiError {
        ApiError::from(self).with(place, value)
    }

    /// The error with this text for its `{err}`.
    pub fn because(self, reason: impl fmt::Display) -> ApiError {
        self.with("err", reason)
    }
}

impl From<ErrorKind> for ApiError {
    fn from(kind: ErrorKind) -> Self {
        Self {
            kind,
            description: Cow::Borrowed(kind.entry().template),
        }
    }
}

impl ApiError {
    /// The same with `value` for its place `{place}`.
    #[must_use]
    pub fn with(self, place: &str, value: impl fmt::Display) -> Self {
        let place = format!("{{{place}}}");
        debug_assert!(
            self.kind.entry().template.contains(&place),
            "the text of {:?} has no {place}",
            self.kind
        );
        // Only the first: what was filled in before may read like a place.
        Self {
            description: self.description.replacen(&place, &value.to_string(), 1).into(),
            ..self
        }
    }

    /// Which error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The class of the error, as HTTP counts.
    pub fn code(&self) -> u16 {
        self.kind.entry().code
    }

    /// What clients switch on.
    pub fn err_code(&self) -> u16 {
        self.kind.entry().err_code
    }

    /// The text.
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

impl std::error::Error for ApiError {}

impl Serialize for ApiError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            code: u16,
            err_code: u16,
            description: &'a str,
        }
        let wire = Wire {
            code: self.code(),
            err_code: self.err_code(),
            description: self.description(),
        };
        wire.serialize(serializer)
    }
}
