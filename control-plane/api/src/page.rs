//! Lists come in pages; a page names where the next one begins.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items of a page when the caller does not say.
pub const PAGE_LIMIT_DEFAULT: u32 = 50;
/// Most items of a page.
pub const PAGE_LIMIT_MAX: u32 = 100;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// Oldest first.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with its items converted.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            next_cursor: self.next_cursor,
        }
    }
}
