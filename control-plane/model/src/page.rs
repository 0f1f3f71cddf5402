//! Lists in pages.
//!
//! A page begins after the last id of the page before, so nothing is skipped or shown twice when rows
//! come and go between two pages. To callers the cursor is a word without meaning.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use crate::Id;

/// Most items of a page.
pub const PAGE_LIMIT_MAX: u32 = 100;
/// Items of a page when nobody says how many.
pub const PAGE_LIMIT_DEFAULT: u32 = 50;

const _: () = assert!(PAGE_LIMIT_DEFAULT <= PAGE_LIMIT_MAX);

/// Where the next page of a list of `I` begins. Text form: base64url, the same for the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor<I> {
    after: Uuid,
    of: PhantomData<I>,
}

/// A page that cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPage {
    /// The limit is above [`PAGE_LIMIT_MAX`].
    #[error("a page has at most {PAGE_LIMIT_MAX} items")]
    Limit,
    /// The cursor was not made by this list.
    #[error("the cursor is not the next_cursor of a page of this list")]
    Cursor,
}

impl InvalidPage {
    /// The name of the parameter that is wrong.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Cursor => "cursor",
        }
    }

    /// The stable word for this error in field errors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Limit => "out_of_range",
            Self::Cursor => "invalid_cursor",
        }
    }
}

impl<I: Id> PageCursor<I> {
    /// The page that begins after this item.
    pub fn after(id: I) -> Self {
        Self {
            after: id.uuid(),
            of: PhantomData,
        }
    }

    /// The last item of the page before.
    pub fn id(&self) -> I {
        I::from_uuid(self.after)
    }
}

/// The kind of the ids stands in the cursor: one list's cursor in another list is a mistake to tell
/// about, not a page to make up.
impl<I: Id> fmt::Display for PageCursor<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [I::PREFIX.as_bytes(), self.after.as_bytes()].concat();
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

impl<I: Id> FromStr for PageCursor<I> {
    type Err = InvalidPage;

    fn from_str(text: &str) -> Result<Self, InvalidPage> {
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| InvalidPage::Cursor)?;
        let id = bytes
            .strip_prefix(I::PREFIX.as_bytes())
            .ok_or(InvalidPage::Cursor)?;
        let after = Uuid::from_slice(id).map_err(|_| InvalidPage::Cursor)?;
        Ok(Self {
            after,
            of: PhantomData,
        })
    }
}

/// Which page of a list of `I` is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<I> {
    limit: u32,
    cursor: Option<PageCursor<I>>,
}

impl<I: Id> PageRequest<I> {
    /// A request from outside: a `limit` of 0 is the default, an empty `cursor` the first page.
    ///
    /// # Errors
    /// The limit is too large, or the cursor is not one of this list.
    pub fn new(limit: u32, cursor: &str) -> Result<Self, InvalidPage> {
        let limit = match limit {
            0 => PAGE_LIMIT_DEFAULT,
            1..=PAGE_LIMIT_MAX => limit,
            _ => return Err(InvalidPage::Limit),
        };
        let cursor = if cursor.is_empty() {
            None
        } else {
            Some(cursor.parse()?)
        };
        Ok(Self { limit, cursor })
    }

    /// The first page, as large as pages get.
    pub fn first() -> Self {
        Self {
            limit: PAGE_LIMIT_MAX,
            cursor: None,
        }
    }

    /// The page after `cursor`, as large as pages get.
    pub fn following(cursor: PageCursor<I>) -> Self {
        Self {
            limit: PAGE_LIMIT_MAX,
            cursor: Some(cursor),
        }
    }

    /// Most items of the page.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The last item of the page before; `None` on the first page.
    pub fn after(&self) -> Option<I> {
        self.cursor.map(|cursor| cursor.id())
    }
}

/// Some items of a list, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, I> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last page.
    pub next_cursor: Option<PageCursor<I>>,
}

impl<T, I: Id> Page<T, I> {
    /// A page from up to one item more than was asked for: that item only says that there is a next page.
    pub fn from_rows(mut rows: Vec<T>, request: &PageRequest<I>, id: impl Fn(&T) -> I) -> Self {
        let limit = request.limit as usize;
        let next_cursor = if rows.len() > limit {
            rows.truncate(limit);
            rows.last().map(|last| PageCursor::after(id(last)))
        } else {
            None
        };
        Self {
            items: rows,
            next_cursor,
        }
    }

    /// The same page with its items turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U, I> {
        Page {
            items: self.items.into_iter().map(turn).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, UserId};
    use proptest::prelude::*;

    fn id(ms: u64) -> AccountId {
        AccountId::new(ms, [0; 10])
    }

    #[test]
    fn a_cursor_reads_back_and_holds_no_character_that_urls_escape() {
        let text = PageCursor::after(id(7)).to_string();
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        );
        assert_eq!(text.parse::<PageCursor<AccountId>>().unwrap().id(), id(7));
    }

    #[test]
    fn a_forged_cursor_and_one_of_another_list_are_refused() {
        let other = PageCursor::after(UserId::new(7, [0; 10])).to_string();
        let good = PageCursor::after(id(7)).to_string();
        for text in [
            other.as_str(),
            "x",
            "====",
            &good[..good.len() - 4],
            &format!("{good}AAAA"),
        ] {
            assert_eq!(
                PageRequest::<AccountId>::new(0, text),
                Err(InvalidPage::Cursor),
                "{text}"
            );
        }
    }

    #[test]
    fn limits_have_a_default_and_a_maximum() {
        assert_eq!(PageRequest::<AccountId>::new(0, "").unwrap().limit(), 50);
        assert_eq!(PageRequest::<AccountId>::new(100, "").unwrap().limit(), 100);
        assert_eq!(PageRequest::<AccountId>::new(101, ""), Err(InvalidPage::Limit));
    }

    #[test]
    fn the_extra_row_is_not_shown_and_makes_a_cursor() {
        let request = PageRequest::<AccountId>::new(2, "").unwrap();
        let page = Page::from_rows(vec![id(1), id(2), id(3)], &request, |id| *id);
        assert_eq!(page.items, [id(1), id(2)]);
        assert_eq!(page.next_cursor.unwrap().id(), id(2));
        let last = Page::from_rows(vec![id(3), id(4)], &request, |id| *id);
        assert_eq!(last.next_cursor, None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<PageCursor<AccountId>>();
        }
    }
}
