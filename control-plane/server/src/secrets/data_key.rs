//! The key that seals the seeds of one organization.

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{OpenError, random_array, sealed};

/// One organization's data key. Wiped from memory when dropped; no formatting shows it.
pub struct DataKey {
    organization: Uuid,
    key: Zeroizing<[u8; 32]>,
}

impl DataKey {
    /// A fresh key for an organization.
    pub fn generate(organization: Uuid) -> Self {
        Self {
            organization,
            key: Zeroizing::new(random_array()),
        }
    }

    pub(super) fn from_bytes(organization: Uuid, key: Zeroizing<[u8; 32]>) -> Self {
        Self { organization, key }
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Encrypts a seed. `public` is the public half's text: the seed opens beside no other.
    pub fn seal(&self, public: &str, secret: &[u8]) -> Vec<u8> {
        sealed::seal(&self.key, &self.associated(public), secret)
    }

    /// Decrypts what [`Self::seal`] made for the same public half.
    pub fn open(&self, public: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        sealed::open(&self.key, &self.associated(public), sealed)
    }

    /// The organization has a fixed length, so the two parts cannot run into each other.
    fn associated(&self, public: &str) -> Vec<u8> {
        [
            b"tollway seed 1".as_slice(),
            self.organization.as_bytes(),
            public.as_bytes(),
        ]
        .concat()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey")
            .field("organization", &self.organization)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_opens_only_beside_its_own_public_key_and_organization() {
        let organization = Uuid::from_u128(7);
        let key = DataKey::generate(organization);
        let sealed = key.seal("AAAA", b"SAMSECRET");
        assert_eq!(key.open("AAAA", &sealed).unwrap().as_slice(), b"SAMSECRET");
        assert_eq!(key.open("AAAB", &sealed), Err(OpenError::Refused));
        let moved = DataKey::from_bytes(Uuid::from_u128(8), key.key.clone());
        assert_eq!(moved.open("AAAA", &sealed), Err(OpenError::Refused));
        assert_eq!(
            DataKey::generate(organization).open("AAAA", &sealed),
            Err(OpenError::Refused)
        );
    }

    #[test]
    fn no_changed_or_cut_value_opens() {
        let key = DataKey::generate(Uuid::from_u128(7));
        let sealed = key.seal("AAAA", b"SAMSECRET");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open("AAAA", &changed).is_err(), "byte {at}");
            assert!(key.open("AAAA", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_same_seed_seals_differently_each_time_and_never_shows_itself() {
        let key = DataKey::generate(Uuid::from_u128(7));
        let sealed = key.seal("AAAA", b"SAMSECRET");
        assert_ne!(sealed, key.seal("AAAA", b"SAMSECRET"));
        assert!(!sealed.windows(9).any(|window| window == b"SAMSECRET"));
        assert!(!format!("{key:?}").contains(&format!("{:?}", key.key)));
    }
}
