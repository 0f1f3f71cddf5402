//! The opaque text that says where a page begins.
//!
//! It holds the list's kind and the id of the last item of the page before. It
//! grants nothing: the list it is given to asks for permission as always, so it
//! needs no signature, only a form that is checked.

use uuid::Uuid;

/// The lists that have pages; a cursor of one is refused by the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum List {
    /// `/v1/organizations`
    Organizations = 1,
    /// `/v1/organizations/{organization}/accounts`
    Accounts = 2,
    /// `/v1/organizations/{organization}/api-tokens`
    ApiTokens = 3,
    /// `/v1/accounts/{account}/users`
    Users = 4,
    /// `/v1/accounts/{account}/users/{user}/issuances`
    Issuances = 5,
    /// `/v1/cells`
    Cells = 6,
}

/// Raised when the content of a cursor changes its form, so that old ones are refused cleanly.
const CURSOR_VERSION: u8 = 1;
const CURSOR_BYTES: usize = 18;

/// A text that no page of this list ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct InvalidCursor;

/// The cursor of the page that begins after `last`.
pub fn encode_cursor(list: List, last: Uuid) -> String {
    let mut bytes = [0; CURSOR_BYTES];
    bytes[0] = CURSOR_VERSION;
    bytes[1] = list as u8;
    bytes[2..].copy_from_slice(last.as_bytes());
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

/// The id after which the page begins.
pub fn decode_cursor(list: List, cursor: &str) -> Result<Uuid, InvalidCursor> {
    let bytes = data_encoding::BASE64URL_NOPAD
        .decode(cursor.as_bytes())
        .map_err(|_| InvalidCursor)?;
    let bytes: [u8; CURSOR_BYTES] = bytes.try_into().map_err(|_| InvalidCursor)?;
    if bytes[0] != CURSOR_VERSION || bytes[1] != list as u8 {
        return Err(InvalidCursor);
    }
    Uuid::from_slice(&bytes[2..]).map_err(|_| InvalidCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_in_its_own_list_only() {
        let id = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);
        let cursor = encode_cursor(List::Users, id);
        assert_eq!(decode_cursor(List::Users, &cursor), Ok(id));
        assert_eq!(decode_cursor(List::Cells, &cursor), Err(InvalidCursor));
    }

    #[test]
    fn forged_texts_are_refused() {
        for text in ["", "x", "AAAA", "not base64 !", "\u{1F600}", &"A".repeat(4096)] {
            assert_eq!(decode_cursor(List::Accounts, text), Err(InvalidCursor), "{text}");
        }
    }
}
