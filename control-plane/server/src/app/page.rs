//! What callers say about how they want an answer.

use tollway_model::{Id, InvalidPage, PageRequest};

use super::{AppError, error::invalid_page};

/// Which page of a list, as the caller wrote it.
#[derive(Debug, Clone, Default)]
pub struct PageParams {
    /// The usual number when absent.
    pub limit: Option<u32>,
    /// The first page when empty.
    pub cursor: String,
}

impl PageParams {
    /// From a message, where 0 is the usual number.
    pub fn from_message(limit: u32, cursor: String) -> Self {
        Self {
            limit: (limit != 0).then_some(limit),
            cursor,
        }
    }

    pub(super) fn check<I: Id>(&self) -> Result<PageRequest<I>, AppError> {
        // The model reads 0 as "the usual number"; a caller who wrote 0 meant something else.
        if self.limit == Some(0) {
            return Err(invalid_page(InvalidPage::Limit));
        }
        let limit = self.limit.unwrap_or(0);
        PageRequest::new(limit, &self.cursor).map_err(invalid_page)
    }
}

/// When a change is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wait {
    /// When Postgres holds it.
    #[default]
    Stored,
    /// When the account's cell has acknowledged it.
    Applied,
}

impl Wait {
    /// From a message's `wait_applied`.
    pub fn applied(applied: bool) -> Self {
        if applied { Self::Applied } else { Self::Stored }
    }
}
