//! Errors that name a field of what was sent.

use std::fmt;

/// One field that cannot be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field in the type that was checked, such as `payload_bytes` or `publish_allow[3]`.
    pub field: String,
    /// A stable word, such as `out_of_range`.
    pub code: &'static str,
    /// One sentence for people: what would be taken.
    pub detail: String,
}

/// All fields of a value that cannot be taken; never empty.
///
/// All of them at once, so that nobody has to send a form five times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidFields(Vec<FieldError>);

impl InvalidFields {
    /// `Ok` when nothing was found wrong.
    pub(crate) fn none_in(errors: Vec<FieldError>) -> Result<(), Self> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Self(errors))
        }
    }

    /// The fields, in the order of the type that was checked.
    pub fn errors(&self) -> &[FieldError] {
        &self.0
    }

    /// The fields, in the order of the type that was checked.
    pub fn into_errors(self) -> Vec<FieldError> {
        self.0
    }
}

impl fmt::Display for InvalidFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", error.field, error.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidFields {}
