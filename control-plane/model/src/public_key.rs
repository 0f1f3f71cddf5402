//! Public NKeys in their text form.
//!
//! Only the shape is checked here (a letter that says the kind, then base32): whoever signs or verifies
//! with a key checks its checksum too.

use std::fmt;

/// A text that does not look like a public key of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a public key here is {letter:?} and 55 of A-Z and 2-7")]
pub struct InvalidPublicKey {
    /// What keys of this kind begin with.
    pub letter: char,
}

macro_rules! public_key {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The key as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidPublicKey;

            fn try_from(text: String) -> Result<Self, InvalidPublicKey> {
                let base32 = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
                if text.len() == 56 && text.starts_with($letter) && text.bytes().all(base32) {
                    Ok(Self(text))
                } else {
                    Err(InvalidPublicKey { letter: $letter })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidPublicKey;

            fn from_str(text: &str) -> Result<Self, InvalidPublicKey> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(key: $name) -> Self {
                key.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

public_key!(
    /// Public key of an operator, or of one of its signing keys: `O...`.
    OperatorKey, 'O'
);
public_key!(
    /// Public key of an account, or of one of its signing keys: `A...`.
    AccountKey, 'A'
);
public_key!(
    /// Public key of a user: `U...`.
    UserKey, 'U'
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_letter_length_and_alphabet_make_a_key() {
        let good = format!("A{}", "B2".repeat(27) + "C");
        assert_eq!(good.parse::<AccountKey>().unwrap().as_str(), good);
        assert_eq!(good.parse::<UserKey>(), Err(InvalidPublicKey { letter: 'U' }));
        for bad in [
            "",
            "A",
            &good[..55],
            &format!("{good}A"),
            &good.to_lowercase(),
            &good.replace('B', "1"),
        ] {
            assert!(bad.parse::<AccountKey>().is_err(), "{bad}");
        }
    }
}
