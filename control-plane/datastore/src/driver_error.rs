//! What the driver says, for people: without the words of the library around it, and without the line of
//! Postgres' own source that the library adds.

use std::{error::Error, fmt, io};

/// An error of the driver whose text is what Postgres or the system said.
pub(crate) struct DriverError(sqlx::Error);

impl From<sqlx::Error> for DriverError {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            sqlx::Error::Database(error) => match error.code() {
                Some(code) => write!(f, "{} (SQLSTATE {code})", error.message()),
                None => f.write_str(error.message()),
            },
            sqlx::Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => f.write_str("connection refused"),
                io::ErrorKind::NotFound => f.write_str("there is no such socket"),
                io::ErrorKind::TimedOut => f.write_str("no answer in time"),
                _ => error.fmt(f),
            },
            sqlx::Error::Tls(error) => write!(f, "TLS failed: {error}"),
            sqlx::Error::PoolTimedOut => f.write_str("no connection was free or came in time"),
            sqlx::Error::PoolClosed => f.write_str("the connections are closed already"),
            error => error.fmt(f),
        }
    }
}

impl fmt::Debug for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// The text has said it all: a cause would repeat it.
impl Error for DriverError {}
