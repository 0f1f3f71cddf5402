//! Why a call of the application layer failed.

use std::error::Error;

use tollway_api::{FieldError, Problem, ProblemCode};
use tollway_authz::{Action, Denied, roles_that_may};
use tollway_datastore::DatastoreError;
use tollway_model::{InvalidName, InvalidPage, InvalidText, PAGE_LIMIT_MAX};

use crate::log_throttle::Throttle;

/// Each call meets these when the database is away or busy.
static UNAVAILABLE: Throttle = Throttle::new();
static CONTENDED: Throttle = Throttle::new();

/// What the caller reads is a [`Problem`]; what only we should read goes to the
/// log, once, when the error becomes a problem.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The caller can do something about it.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The database did not do its part.
    #[error("the database did not do its part")]
    Datastore(#[from] DatastoreError),
    /// A mistake of ours, or a row or key that somebody changed.
    #[error("failed to {step}")]
    Internal {
        /// What was being done.
        step: &'static str,
        /// What is wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl AppError {
    /// For `map_err`: names the step that failed through our own fault.
    pub(crate) fn internal<E: Into<Box<dyn Error + Send + Sync>>>(step: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::Internal {
            step,
            source: source.into(),
        }
    }
}

impl From<Problem> for AppError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<ProblemCode> for AppError {
    fn from(code: ProblemCode) -> Self {
        Problem::new(code).into()
    }
}

impl From<Denied> for AppError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Hidden => ProblemCode::NotFound.into(),
            Denied::Forbidden { action } => Problem::new(ProblemCode::Forbidden)
                .with_detail(who_may(action))
                .into(),
        }
    }
}

/// Whom to ask, for somebody who may not.
fn who_may(action: Action) -> String {
    let roles: Vec<_> = roles_that_may(action).map(|role| role.to_string()).collect();
    match roles.as_slice() {
        [] => format!("{action} is for platform administrators alone: ask whoever runs the platform"),
        roles => format!(
            "{action} takes the role {}: ask an owner of the organization for a token with it",
            roles.join(" or ")
        ),
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Problem(problem) => *problem,
            AppError::Datastore(DatastoreError::Unavailable { .. }) => {
                if let Some(unsaid) = UNAVAILABLE.pass() {
                    tracing::warn!(error = chain(&error), unsaid, "the database cannot be reached");
                }
                ProblemCode::DatabaseUnavailable.into()
            }
            AppError::Datastore(DatastoreError::Contended { .. }) => {
                if let Some(unsaid) = CONTENDED.pass() {
                    tracing::warn!(error = chain(&error), unsaid, "a transaction met another one");
                }
                Problem::new(ProblemCode::Overloaded)
                    .with_detail("another change was in the way and nothing was changed; try again")
            }
            AppError::Datastore(_) | AppError::Internal { .. } => {
                tracing::error!(error = chain(&error), "a call failed");
                ProblemCode::Internal.into()
            }
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let step = error.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.ends_with(&step) {
            text.push_str(": ");
            text.push_str(&step);
        }
        cause = error.source();
    }
    text
}

/// A name of a body's field that is none.
pub(crate) fn invalid_name(field: &str) -> impl Fn(InvalidName) -> AppError {
    move |error| Problem::invalid_field(field, error.code(), error.to_string()).into()
}

/// A text of a body's field that is none.
pub(crate) fn invalid_text(field: &str) -> impl Fn(InvalidText) -> AppError {
    move |error| Problem::invalid_field(field, error.code(), error.to_string()).into()
}

/// A page that cannot be asked for.
pub(crate) fn invalid_page(error: InvalidPage) -> AppError {
    let (code, text) = match error {
        InvalidPage::Cursor => (ProblemCode::InvalidCursor, error.to_string()),
        InvalidPage::Limit => (
            ProblemCode::InvalidQuery,
            format!("must be 1 to {PAGE_LIMIT_MAX}"),
        ),
    };
    Problem::new(code)
        .with_detail(format!("{}: {text}", error.field()))
        .with_error(FieldError::new(error.field(), error.code(), text))
        .into()
}
