//! Lists, of which an answer holds a part.

use serde::Serialize;

use crate::api::response::{ConsumerInfo, StreamInfo};

/// How many names of streams an answer holds.
pub const STREAM_NAMES_MAX: usize = 1024;
/// How many streams an answer holds.
pub const STREAM_LIST_MAX: usize = 256;
/// How many names of consumers an answer holds.
pub const CONSUMER_NAMES_MAX: usize = 1024;
/// How many consumers an answer holds.
pub const CONSUMER_LIST_MAX: usize = 256;
/// How many subjects of a stream an answer holds.
pub const STREAM_SUBJECTS_MAX: usize = 100_000;

/// Which part of a list an answer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// How many there are in all.
    pub total: usize,
    /// How many were passed over.
    pub offset: usize,
    /// How many would fit.
    pub limit: usize,
}

impl Page {
    /// The page of `limit` that begins at `offset`, as far as there is one.
    pub fn new(total: usize, offset: i64, limit: usize) -> Self {
        let offset = usize::try_from(offset.max(0)).unwrap_or(usize::MAX);
        Self {
            total,
            offset: offset.min(total),
            limit,
        }
    }

    /// What is on it.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.total.min(self.offset + self.limit)
    }
}

/// The answer to `STREAM.NAMES`. None stands for `null`, which stock servers write for no names at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamNames {
    #[serde(flatten)]
    pub page: Page,
    pub streams: Option<Vec<String>>,
}

/// The answer to `STREAM.LIST`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct StreamList {
    #[serde(flatten)]
    pub page: Page,
    pub streams: Vec<StreamInfo>,
}

/// The answer to `CONSUMER.NAMES`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ConsumerNames {
    #[serde(flatten)]
    pub page: Page,
    pub consumers: Vec<String>,
}

/// The answer to `CONSUMER.LIST`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ConsumerList {
    #[serde(flatten)]
    pub page: Page,
    pub consumers: Vec<ConsumerInfo>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_list_ends() {
        let page = |total, offset, limit| Page::new(total, offset, limit);
        assert_eq!(page(5, 0, 2).range(), 0..2);
        assert_eq!(page(5, 4, 2).range(), 4..5);
        assert_eq!((page(5, 9, 2).offset, page(5, 9, 2).range()), (5, 5..5));
        assert_eq!(page(5, -3, 2).range(), 0..2);
        assert_eq!(page(0, i64::MAX, 2).range(), 0..0);
    }
}
