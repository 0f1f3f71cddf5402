//! What may be published to, and the rules that subjects and filters share.

use std::fmt;

use crate::lossy::Lossy;

/// A literal subject: one or more non-empty tokens between dots, without wildcards.
///
/// The broker matches published bytes without asking for this type, because stock servers check a
/// published subject only for clients that ask to be checked (`pedantic`). Use it where a subject
/// must be right: configuration, API requests, pedantic clients.
///
/// Bytes are not required to be UTF-8; the protocol does not ask for it either.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject<'a>(&'a [u8]);

impl<'a> Subject<'a> {
    /// Checks `bytes` and borrows them as a subject.
    pub fn new(bytes: &'a [u8]) -> Result<Self, InvalidSubject> {
        check_bytes(bytes)?;
        let mut position = 0;
        for token in tokens(bytes) {
            if matches!(token, b"*" | b">") {
                return Err(InvalidSubject::Wildcard { position });
            }
            position += token.len() + 1;
        }
        Ok(Self(bytes))
    }

    /// The subject as it stands on the wire.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The parts between the dots; there is at least one, and none is empty.
    pub fn tokens(self) -> impl Iterator<Item = &'a [u8]> {
        tokens(self.0)
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Lossy(self.0), f)
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Lossy(self.0), f)
    }
}

/// Why bytes are neither a subject nor a filter. Positions count bytes from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// There are no bytes at all.
    #[error("a subject needs at least one token")]
    Empty,
    /// Two dots in a row, or a dot at an end.
    #[error("the token at byte {position} is empty: remove the extra dot")]
    EmptyToken {
        /// Where the token should have started.
        position: usize,
    },
    /// A byte that separates words or lines of the protocol, or NUL.
    #[error(
        "byte {byte:#04x} at {position} cannot be part of a subject: blanks, line ends and NUL are not allowed"
    )]
    ForbiddenByte {
        /// Where it stands.
        position: usize,
        /// The byte.
        byte: u8,
    },
    /// `*` or `>` where only a literal subject is allowed.
    #[error("the token at byte {position} is a wildcard, and only a literal subject is allowed here")]
    Wildcard {
        /// Where the wildcard stands.
        position: usize,
    },
    /// `>` is not the last token.
    #[error("the wildcard `>` at byte {position} must be the last token")]
    TailNotLast {
        /// Where the wildcard stands.
        position: usize,
    },
}

/// Whether `bytes` are a literal subject: [`Subject::new`] for those who need no reason.
pub fn is_literal_subject(bytes: &[u8]) -> bool {
    Subject::new(bytes).is_ok()
}

/// The parts between the dots, as they are: of any bytes, so parts may be empty.
///
/// Empty bytes have one part, which is empty.
pub fn tokens(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'.')
}

/// Whether no token is empty. Only such subjects can match anything.
///
/// This is the one check that matching makes of a published subject, so it is a single pass that
/// neither allocates nor splits.
pub(crate) fn has_no_empty_token(subject: &[u8]) -> bool {
    let mut previous = b'.';
    for &byte in subject {
        if byte == b'.' && previous == b'.' {
            return false;
        }
        previous = byte;
    }
    // True for empty bytes and for a dot at the end.
    previous != b'.'
}

/// What subjects and filters have in common: non-empty tokens of allowed bytes.
pub(crate) fn check_bytes(bytes: &[u8]) -> Result<(), InvalidSubject> {
    if bytes.is_empty() {
        return Err(InvalidSubject::Empty);
    }
    let mut token_start = 0;
    for (position, &byte) in bytes.iter().enumerate() {
        match byte {
            b'.' if position == token_start => return Err(InvalidSubject::EmptyToken { position }),
            b'.' => token_start = position + 1,
            // The form feed is here because stock servers refuse it too.
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c | 0 => {
                return Err(InvalidSubject::ForbiddenByte { position, byte });
            }
            _ => {}
        }
    }
    if token_start == bytes.len() {
        return Err(InvalidSubject::EmptyToken {
            position: token_start,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_subject_has_non_empty_tokens_and_no_wildcards() {
        for good in [
            "a",
            "a.b",
            "orders.eu.1",
            "$JS.API.INFO",
            "_INBOX.x",
            "foo*",
            "foo.>>",
            "*bar.x",
            "ä.ö",
        ] {
            assert!(is_literal_subject(good.as_bytes()), "{good}");
        }
        let refused = [
            ("", InvalidSubject::Empty),
            (".", InvalidSubject::EmptyToken { position: 0 }),
            (".a", InvalidSubject::EmptyToken { position: 0 }),
            ("a.", InvalidSubject::EmptyToken { position: 2 }),
            ("a..b", InvalidSubject::EmptyToken { position: 2 }),
            (
                "a b",
                InvalidSubject::ForbiddenByte {
                    position: 1,
                    byte: b' ',
                },
            ),
            (
                "a\tb",
                InvalidSubject::ForbiddenByte {
                    position: 1,
                    byte: b'\t',
                },
            ),
            (
                "a\r",
                InvalidSubject::ForbiddenByte {
                    position: 1,
                    byte: b'\r',
                },
            ),
            (
                "a\n",
                InvalidSubject::ForbiddenByte {
                    position: 1,
                    byte: b'\n',
                },
            ),
            ("a\0", InvalidSubject::ForbiddenByte { position: 1, byte: 0 }),
            ("a.*", InvalidSubject::Wildcard { position: 2 }),
            ("a.>", InvalidSubject::Wildcard { position: 2 }),
            ("*.a", InvalidSubject::Wildcard { position: 0 }),
        ];
        for (bad, reason) in refused {
            assert_eq!(Subject::new(bad.as_bytes()), Err(reason), "{bad:?}");
        }
    }

    #[test]
    fn empty_tokens_are_seen_everywhere() {
        for plain in ["a", "a.b", "a b", "*"] {
            assert!(has_no_empty_token(plain.as_bytes()), "{plain}");
        }
        for broken in ["", ".", "..", ".a", "a.", "a..b"] {
            assert!(!has_no_empty_token(broken.as_bytes()), "{broken}");
        }
    }
}
