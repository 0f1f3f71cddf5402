//! Texts that may be secret.

use std::fmt;

use zeroize::Zeroizing;

/// A text that does not print itself and is wiped when it is dropped.
///
/// Every text of a configuration is one until a typed option says that it is none: whether
/// `x: hunter2` is a password shows only where `$x` is used. [`Secret::expose`] is the one way to
/// its letters, so that whoever reads a secret can be found by that word.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text over; the given `String` itself becomes the secret, no copy stays behind.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The letters.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// How many bytes the text has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text has no letters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_neither_its_letters_nor_their_number() {
        let secret = Secret::new("hunter2".into());
        let printed = format!("{secret:?} {:?}", Some(&secret));
        assert!(
            !printed.contains("hunter2") && !printed.contains('7'),
            "{printed}"
        );
    }
}
