//! The body of every failed call (RFC 9457, `application/problem+json`).

use serde::{Deserialize, Serialize};
use tollway_model::InvalidFields;
use utoipa::ToSchema;

use crate::ProblemCode;

/// The media type of a [`Problem`].
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong with a call, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// One line for people; the same for every occurrence of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs; /v1/error-codes lists them all.
    #[schema(value_type = String, example = "not_found")]
    pub code: ProblemCode,
    /// What happened this time, and what to do next.
    pub detail: String,
    /// The fields at fault; empty when the call as a whole is.
    #[serde(default)]
    pub errors: Vec<FieldError>,
    /// Id of what the call created before it failed, such as an account that its cell has not applied yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resource_id: Option<String>,
    /// The path of it, which is also in the header `Location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub location: Option<String>,
    /// Names this call in our logs.
    #[serde(default)]
    pub request_id: String,
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Path of the field, such as `limits.connections` or `permissions.publish_allow[2]`.
    pub field: String,
    /// A stable word for programs.
    pub code: String,
    /// One sentence for people.
    pub detail: String,
}

impl FieldError {
    /// A field at fault, with a stable word and a sentence.
    pub fn new(field: impl Into<String>, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code: code.into(),
            detail: detail.into(),
        }
    }
}

impl Problem {
    /// A problem whose detail is the code's own advice.
    pub fn new(code: ProblemCode) -> Self {
        Self {
            type_uri: code.type_uri(),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: code.remedy().to_owned(),
            errors: Vec::new(),
            resource_id: None,
            location: None,
            request_id: String::new(),
        }
    }

    /// Says what happened this time in place of the general advice.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds one field at fault.
    #[must_use]
    pub fn with_error(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// Says what the call created before it failed, and where that is to be had.
    #[must_use]
    pub fn with_resource(mut self, id: impl ToString, path: impl Into<String>) -> Self {
        self.resource_id = Some(id.to_string());
        self.location = Some(path.into());
        self
    }

    /// A [`ProblemCode::ValidationFailed`] about one field, whose sentence is also the detail.
    pub fn invalid_field(
        field: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let error = FieldError::new(field, code, detail);
        Self::new(ProblemCode::ValidationFailed)
            .with_detail(format!("{}: {}", error.field, error.detail))
            .with_error(error)
    }
}

impl Problem {
    /// A [`ProblemCode::ValidationFailed`] about some fields of the value at `path` (empty for the body itself).
    pub fn invalid_fields(path: &str, fields: InvalidFields) -> Self {
        let mut problem = Self::new(ProblemCode::ValidationFailed);
        problem.errors = fields
            .into_errors()
            .into_iter()
            .map(|error| {
                let field = if path.is_empty() {
                    error.field
                } else {
                    format!("{path}.{}", error.field)
                };
                FieldError::new(field, error.code, error.detail)
            })
            .collect();
        let details: Vec<_> = problem
            .errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.detail))
            .collect();
        problem.with_detail(details.join("; "))
    }
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self::new(code)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.title, self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_back_as_it_was_written() {
        let problem = Problem::invalid_field("limits.connections", "out_of_range", "must be -1 or more");
        let json = serde_json::to_string(&problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
        assert!(
            json.contains(r#""type":"/v1/error-codes#validation_failed""#),
            "{json}"
        );
    }
}
