//! Between rows and model values.

use std::error::Error;

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::DatastoreError;

/// A row of a table on its way to a model value.
pub(crate) struct Reader<'r> {
    row: &'r PgRow,
    table: &'static str,
    id: String,
}

impl<'r> Reader<'r> {
    /// `key` is the column that names the row in errors.
    pub(crate) fn new(row: &'r PgRow, table: &'static str, key: &str) -> Self {
        let id = match row.try_get::<uuid::Uuid, _>(key) {
            Ok(id) => id.to_string(),
            Err(_) => row.try_get::<String, _>(key).unwrap_or_default(),
        };
        Self { row, table, id }
    }

    /// A column as the database holds it.
    pub(crate) fn get<T>(&self, column: &str) -> Result<T, DatastoreError>
    where
        T: sqlx::Type<sqlx::Postgres> + sqlx::Decode<'r, sqlx::Postgres>,
    {
        self.row.try_get(column).map_err(|error| self.inconsistent(error))
    }

    /// A text column that must be a valid value of a model type.
    pub(crate) fn parse<T>(&self, column: &str) -> Result<T, DatastoreError>
    where
        T: std::str::FromStr,
        T::Err: Error + Send + Sync + 'static,
    {
        self.get::<&str>(column)?
            .parse()
            .map_err(|error: T::Err| self.inconsistent(error))
    }

    /// A bigint column that counts something and so is not negative.
    pub(crate) fn count(&self, column: &str) -> Result<u64, DatastoreError> {
        u64::try_from(self.get::<i64>(column)?).map_err(|error| self.inconsistent(error))
    }

    /// A bigint column that counts something small: what does not fit is shown as the largest number.
    pub(crate) fn small_count(&self, column: &str) -> Result<u32, DatastoreError> {
        Ok(u32::try_from(self.count(column)?).unwrap_or(u32::MAX))
    }

    pub(crate) fn inconsistent(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> DatastoreError {
        DatastoreError::inconsistent(self.table, &self.id, source)
    }
}

/// A count as a bigint. Counts that do not fit stay at the largest one instead of turning negative.
pub(crate) fn to_bigint(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Texts from a node or browser: Postgres takes no NUL, lists no line breaks, and nobody needs a page.
pub(crate) fn bounded_text(text: &str, length_max: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(length_max)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_are_cut_and_cleaned() {
        assert_eq!(bounded_text("a\0b\r\nc\u{1b}[0m", 5), "abc[0");
    }

    #[test]
    fn a_count_that_does_not_fit_does_not_turn_negative() {
        assert_eq!(to_bigint(u64::MAX), i64::MAX);
    }
}
