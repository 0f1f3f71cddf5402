//! The catalogue of problem codes, as it is served.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ProblemCode;

/// All problem codes of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorCodes {
    /// In the order of the catalogue.
    pub items: Vec<ErrorCode>,
}

/// What one code means and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorCode {
    /// The stable word.
    pub code: String,
    /// The HTTP status it comes with.
    pub status: u16,
    /// One line for people.
    pub title: String,
    /// What the caller can do about it.
    pub remedy: String,
}

impl ErrorCodes {
    /// The whole catalogue.
    pub fn catalogue() -> Self {
        Self {
            items: ProblemCode::ALL
                .iter()
                .map(|code| ErrorCode {
                    code: code.as_str().to_owned(),
                    status: code.status(),
                    title: code.title().to_owned(),
                    remedy: code.remedy().to_owned(),
                })
                .collect(),
        }
    }
}
