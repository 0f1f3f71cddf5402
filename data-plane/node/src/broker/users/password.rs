//! Passwords and tokens as a configuration has them: plain, or as a bcrypt hash.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::broker::bounds::BCRYPT_COST_MAX;

/// What is compared with what a client shows. The letters of a plain password are not kept.
///
/// Two are equal when they were made of the same text in the same process.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    /// The digest of the text, which is as long for every text.
    Plain([u8; 32]),
    /// The hash, of the form `$2a$10$…`.
    Bcrypt(Box<str>),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A text that says it is a bcrypt hash, and is none that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// It is damaged.
    #[error("looks like a bcrypt hash and is none: {0}")]
    Malformed(String),
    /// Checking it would take longer than any client waits.
    #[error(
        "is a bcrypt hash of cost {0}; a client would not live to see it checked, so at most {BCRYPT_COST_MAX} is taken"
    )]
    TooDear(u32),
}

impl Password {
    /// Takes what a configuration says.
    pub(crate) fn new(text: &str) -> Result<Self, InvalidPassword> {
        if !is_bcrypt(text) {
            return Ok(Self::Plain(digest(text)));
        }
        // Also the cost of a hash that is right otherwise has to be one that exists.
        if let Err(error) = text.parse::<bcrypt::HashParts>() {
            return Err(InvalidPassword::Malformed(error.to_string()));
        }
        match cost(text) {
            4..=BCRYPT_COST_MAX => Ok(Self::Bcrypt(text.into())),
            cost @ 0..4 => Err(InvalidPassword::Malformed(format!("there is no cost {cost}"))),
            cost => Err(InvalidPassword::TooDear(cost)),
        }
    }

    /// Takes as long as a look at a plain password, when there is none to look at.
    pub(crate) fn look_at_none(shown: &str) {
        std::hint::black_box(digest(shown));
    }

    /// What a check costs: none when it is done at once.
    pub(crate) fn cost(&self) -> Option<u32> {
        match self {
            Self::Plain(_) => None,
            Self::Bcrypt(hash) => Some(cost(hash)),
        }
    }

    /// Whether a text is this password. How long it takes says nothing about the text; for a hash
    /// it takes long, and must not be done where clients wait.
    pub(crate) fn is(&self, shown: &str) -> bool {
        match self {
            Self::Plain(digest) => digest.ct_eq(&self::digest(shown)).into(),
            Self::Bcrypt(hash) => bcrypt::verify(shown, hash).unwrap_or(false),
        }
    }
}

/// The compare is about digests, so that neither length nor letters show in its time.
fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// As stock servers tell a hash from a password.
fn is_bcrypt(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 6
        && bytes.starts_with(b"$2")
        && b"abxy".contains(&bytes[2])
        && bytes[3] == b'$'
        && bytes[4..6].iter().all(u8::is_ascii_digit)
        && bytes[6] == b'$'
}

fn cost(hash: &str) -> u32 {
    hash.get(4..6).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by another implementation (Python's bcrypt).
    const HASH: &str = "$2a$04$dlmgruYkqoXFzkQxLgjO0.LZJM1rI3sWgPji2N1QUbrjI9MMlVgy.";

    #[test]
    fn plain_texts_are_themselves_and_nothing_else() {
        let password = Password::new("s3cret").unwrap();
        assert!(password.is("s3cret"));
        for other in ["", "s3cre", "s3crets", "S3cret"] {
            assert!(!password.is(other), "{other}");
        }
        assert_eq!(password.cost(), None);
    }

    #[test]
    fn hashes_of_other_programs_are_checked() {
        let password = Password::new(HASH).unwrap();
        assert_eq!(password.cost(), Some(4));
        assert!(password.is("s3cret"));
        assert!(!password.is("secret") && !password.is("") && !password.is(HASH));
        // As by a stock server, the letter of the version makes no difference.
        for version in ["$2b$", "$2x$", "$2y$"] {
            let other = Password::new(&HASH.replace("$2a$", version)).unwrap();
            assert!(other.is("s3cret"), "{version}");
        }
    }

    #[test]
    fn a_damaged_hash_is_no_password() {
        for text in [&HASH[..50], &format!("{HASH}x"), &HASH.replace("$04$", "$03$")] {
            assert!(
                matches!(Password::new(text), Err(InvalidPassword::Malformed(_))),
                "{text}"
            );
        }
        let dear = HASH.replace("$04$", "$31$");
        assert_eq!(Password::new(&dear).err(), Some(InvalidPassword::TooDear(31)));
        // What does not begin like one is a plain password.
        for text in ["$2a$", "$2c$10$abc", "$3a$10$abc"] {
            assert!(Password::new(text).unwrap().is(text), "{text}");
        }
    }
}
