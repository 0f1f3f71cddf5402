//! What can go wrong with the database itself. What an operation refuses is in its own error.

use std::error::Error;

use crate::driver_error::DriverError;

/// The database did not do its part. Texts name the step, never a statement; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum DatastoreError {
    /// No connection could be had, or it broke: nothing is known to have changed. Try again later.
    #[error("the database is not available: failed to {step}")]
    Unavailable {
        /// What was being done.
        step: &'static str,
        /// What the driver says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another transaction was in the way; nothing changed. Try the whole transaction again.
    #[error("another change was in the way: failed to {step}")]
    Contended {
        /// What was being done.
        step: &'static str,
        /// What the driver says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The roles or tables are not there: the database was not migrated, or the user may not take the roles.
    #[error(
        "failed to {step}: run the migrations, or grant app_tenant, app_system and app_auth to the database user"
    )]
    NotPrepared {
        /// What was being done.
        step: &'static str,
        /// What the driver says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Postgres refused a statement of ours: a mistake in this program.
    #[error("failed to {step}")]
    Statement {
        /// What was being done.
        step: &'static str,
        /// What the driver says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A row holds what this program never writes.
    #[error("the row {id} of {table} is not consistent")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// What the row is known by.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl DatastoreError {
    /// Sorts an error of the driver by what the caller can do about it.
    pub(crate) fn from_driver(step: &'static str, error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .map(|code| code.into_owned());
        let is_about_types = matches!(
            error,
            // Decoding is about our statements and types; everything else is about the connection.
            sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
                | sqlx::Error::TypeNotFound { .. }
                | sqlx::Error::RowNotFound
        );
        let source = Box::new(DriverError::from(error));
        let Some(code) = code else {
            return match is_about_types {
                true => Self::Statement { step, source },
                false => Self::Unavailable { step, source },
            };
        };
        match code.as_str() {
            // Serialization failure, deadlock, lock or statement not in time.
            "40001" | "40P01" | "55P03" | "57014" => Self::Contended { step, source },
            // No such role, may not take it, no such table or function.
            "22023" | "42501" | "42P01" | "42883" => Self::NotPrepared { step, source },
            // Connections, resources, shutdown, read-only standby.
            code if code.starts_with("08")
                || code.starts_with("53")
                || code.starts_with("57")
                || code.starts_with("58")
                || code == "25006" =>
            {
                Self::Unavailable { step, source }
            }
            _ => Self::Statement { step, source },
        }
    }

    pub(crate) fn inconsistent(
        table: &'static str,
        id: impl ToString,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Inconsistent {
            table,
            id: id.to_string(),
            source: source.into(),
        }
    }
}

/// For `map_err`: names the step that failed.
pub(crate) fn failed_to(step: &'static str) -> impl Fn(sqlx::Error) -> DatastoreError {
    move |error| DatastoreError::from_driver(step, error)
}
