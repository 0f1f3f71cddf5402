//! Secrets that callers prove themselves with, and that show where they were made.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{KeyEncryptionKey, random_array};

/// 192 bits that nobody guesses, with or without the mark.
const RANDOM_BYTES: usize = 24;
/// Enough that a made-up mark is right once in as many tries as nobody can make over a network.
const MARK_BYTES: usize = 8;

/// Makes secrets of 43 letters, of which the last bytes are a mark that only holders of the
/// key-encryption key can make.
///
/// The mark lets nobody in: that is for the database to say. It tells those apart who can be somebody from
/// those who call with made-up secrets, without asking the database. A secret with another mark (from before
/// the key was changed) is as good, and only waits among strangers.
pub struct CallerSecrets {
    key: Zeroizing<[u8; 32]>,
}

impl CallerSecrets {
    /// With the marks of this installation.
    pub fn new(kek: &KeyEncryptionKey) -> Self {
        Self {
            key: kek.derive(b"tollway caller secrets 1"),
        }
    }

    /// A fresh secret behind `prefix`.
    pub fn make(&self, prefix: &str) -> Zeroizing<String> {
        let random = Zeroizing::new(random_array::<RANDOM_BYTES>());
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES + MARK_BYTES]);
        bytes[..RANDOM_BYTES].copy_from_slice(random.as_slice());
        bytes[RANDOM_BYTES..].copy_from_slice(&self.mark(random.as_slice()));
        // Allocated once at its full length: a text that grew would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 43));
        text.push_str(prefix);
        BASE64URL_NOPAD.encode_append(bytes.as_slice(), &mut text);
        text
    }

    /// Whether the letters, without a prefix, have our mark.
    pub fn is_ours(&self, letters: &str) -> bool {
        let Ok(bytes) = BASE64URL_NOPAD.decode(letters.as_bytes()).map(Zeroizing::new) else {
            return false;
        };
        bytes
            .split_at_checked(RANDOM_BYTES)
            // Compared in the plain way: a mark that was found out byte by byte would let nobody in.
            .is_some_and(|(random, mark)| self.mark(random) == mark)
    }

    /// Of a fixed length and cut, so that a plain hash behind the key is enough.
    fn mark(&self, random: &[u8]) -> [u8; MARK_BYTES] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(self.key.as_slice())
            .chain_update(random)
            .finalize()
            .into();
        std::array::from_fn(|at| digest[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{authn::is_secret, secrets::random_text};

    #[test]
    fn secret_shows_its_installation_and_nothing_made_up_does() {
        let kek = KeyEncryptionKey::generate();
        let secrets = CallerSecrets::new(&kek);
        let made = secrets.make("tlw_");
        let letters = made.strip_prefix("tlw_").unwrap();
        assert!(is_secret(letters) && secrets.is_ours(letters), "{letters}");
        assert!(CallerSecrets::new(&kek).is_ours(letters));
        assert!(!CallerSecrets::new(&KeyEncryptionKey::generate()).is_ours(letters));
        assert!(!secrets.is_ours(&random_text("")));
        for other in ["", "tlw_", &letters[1..], &format!("{letters}AAAA"), "ä"] {
            assert!(!secrets.is_ours(other), "{other}");
        }
    }
}
