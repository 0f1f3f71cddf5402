//! NKeys: Ed25519 keys whose text form says what the key is for.
//!
//! A public key is the base32 of one prefix byte, 32 key bytes and a CRC-16,
//! so that its first letter is its role: `O`perator, `A`ccount, `U`ser or
//! server (`N`). A seed carries two prefix bytes and begins with `SO`, `SA` ...
//!
//! The `nkeys` crate has the same functions but leaves copies of seeds in
//! memory; here every buffer that held one is wiped. Tests compare the two.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, Zeroizing};

const PREFIX_SEED: u8 = 18 << 3;

/// Letters of a public key's text: 1 + 32 + 2 bytes in base32.
const PUBLIC_TEXT_LEN: usize = 56;
/// Letters of a seed's text: 2 + 32 + 2 bytes in base32.
const SEED_TEXT_LEN: usize = 58;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// `O...`: signs account documents.
    Operator,
    /// `A...`: signs users.
    Account,
    /// `U...`: signs the nonce of a connection.
    User,
    /// `N...`: names a server.
    Server,
}

impl KeyKind {
    const fn prefix(self) -> u8 {
        match self {
            Self::Operator => 14 << 3,
            Self::Account => 0,
            Self::User => 20 << 3,
            Self::Server => 13 << 3,
        }
    }

    fn from_prefix(prefix: u8) -> Option<Self> {
        [Self::Operator, Self::Account, Self::User, Self::Server]
            .into_iter()
            .find(|kind| kind.prefix() == prefix)
    }

    /// The role in one lower-case word, for texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Account => "account",
            Self::User => "user",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no key. Never repeats the text: it may be a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A key has exactly one length.
    #[error("an nkey of this form has {expected} characters, not {found}")]
    Length {
        /// Characters such a text has.
        expected: usize,
        /// Characters (bytes) it had.
        found: usize,
    },
    /// Letters outside base32 (upper case A-Z and 2-7).
    #[error("an nkey is upper-case base32 text")]
    Encoding,
    /// The checksum says that the text was mistyped or cut.
    #[error("the checksum of the nkey does not match")]
    Checksum,
    /// The prefix is none of the roles that Tollway knows.
    #[error("the nkey's prefix is not that of an operator, account, user or server")]
    Prefix,
    /// A public key where a seed is needed, or the other way round.
    #[error("the nkey is not a seed")]
    NotASeed,
}

/// The signature was not made by this key over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match the key and the signed bytes")]
pub struct SignatureMismatch;

/// A public key and its role. Its text form (`Display`, `FromStr`, serde) is the NATS one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey {
    kind: KeyKind,
    bytes: [u8; 32],
}

impl PublicKey {
    /// A key from its 32 bytes. Whether they are a point of the curve shows when a signature is checked.
    pub const fn from_bytes(kind: KeyKind, bytes: [u8; 32]) -> Self {
        Self { kind, bytes }
    }

    /// What the key is for.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The 32 bytes of the key, without prefix and checksum.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Checks that `signature` (64 bytes) was made by this key over `message`.
    ///
    /// Bytes that are no point of the curve, points of small order (for which
    /// anybody can make signatures) and wrong lengths are a mismatch as well.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        Verifier::new(self).verify(message, signature)
    }
}

/// A public key made ready to check signatures: finding its point of the curve is a part of the
/// work that need not be done again for a key that is asked often.
#[derive(Debug, Clone)]
pub(crate) struct Verifier(Option<VerifyingKey>);

impl Verifier {
    pub(crate) fn new(key: &PublicKey) -> Self {
        let point = VerifyingKey::from_bytes(&key.bytes).ok();
        Self(point.filter(|point| !point.is_weak()))
    }

    /// See [`PublicKey::verify`].
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        let key = self.0.as_ref().ok_or(SignatureMismatch)?;
        let signature = Signature::from_slice(signature).map_err(|_| SignatureMismatch)?;
        key.verify(message, &signature).map_err(|_| SignatureMismatch)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut raw = [0u8; 35];
        raw[0] = self.kind.prefix();
        raw[1..33].copy_from_slice(&self.bytes);
        let crc = crc16(&raw[..33]).to_le_bytes();
        raw[33..].copy_from_slice(&crc);
        let mut text = [0u8; PUBLIC_TEXT_LEN];
        BASE32_NOPAD.encode_mut(&raw, &mut text);
        f.pad(std::str::from_utf8(&text).expect("base32 is ASCII"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let raw = decode::<PUBLIC_TEXT_LEN, 35>(text)?;
        let kind = KeyKind::from_prefix(raw[0]).ok_or(KeyError::Prefix)?;
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&raw[1..33]);
        Ok(Self { kind, bytes })
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A private key. The key is wiped from memory when this is dropped, and no
/// formatting shows it.
pub struct Signer {
    kind: KeyKind,
    key: SigningKey,
}

impl Signer {
    /// A new key from 32 bytes of a cryptographic random source.
    pub fn generate(kind: KeyKind, mut random: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&random);
        random.zeroize();
        Self { kind, key }
    }

    /// A key from the text of its seed (`SO...`, `SA...`, `SU...`, `SN...`).
    pub fn from_seed(seed: &str) -> Result<Self, KeyError> {
        if seed.len() == PUBLIC_TEXT_LEN && seed.parse::<PublicKey>().is_ok() {
            return Err(KeyError::NotASeed);
        }
        let raw = decode::<SEED_TEXT_LEN, 36>(seed)?;
        if raw[0] & 0b1111_1000 != PREFIX_SEED {
            return Err(KeyError::NotASeed);
        }
        // The role's eight bits lie across the two prefix bytes.
        let kind = KeyKind::from_prefix((raw[0] & 0b111) << 5 | raw[1] >> 3).ok_or(KeyError::Prefix)?;
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&raw[2..34]);
        Ok(Self {
            kind,
            key: SigningKey::from_bytes(&bytes),
        })
    }

    /// The seed's text. Treat it as the secret it is.
    pub fn seed(&self) -> Zeroizing<String> {
        let mut raw = Zeroizing::new([0u8; 36]);
        let prefix = self.kind.prefix();
        raw[0] = PREFIX_SEED | prefix >> 5;
        raw[1] = (prefix & 0b1_1111) << 3;
        raw[2..34].copy_from_slice(self.key.as_bytes());
        let crc = crc16(&raw[..34]).to_le_bytes();
        raw[34..].copy_from_slice(&crc);
        // Allocated once at its full length: a string that grew would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(SEED_TEXT_LEN));
        BASE32_NOPAD.encode_append(raw.as_slice(), &mut text);
        text
    }

    /// What the key is for.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey {
            kind: self.kind,
            bytes: self.key.verifying_key().to_bytes(),
        }
    }

    /// An Ed25519 signature over `message`; the same message gives the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("public", &self.public())
            .finish_non_exhaustive()
    }
}

/// Base32 text of `TEXT` letters to `RAW` bytes, the last two of which are a
/// checksum that holds. `RAW` is wiped when dropped, because it may be a seed.
fn decode<const TEXT: usize, const RAW: usize>(text: &str) -> Result<Zeroizing<[u8; RAW]>, KeyError> {
    if text.len() != TEXT {
        return Err(KeyError::Length {
            expected: TEXT,
            found: text.len(),
        });
    }
    let mut raw = Zeroizing::new([0u8; RAW]);
    match BASE32_NOPAD.decode_mut(text.as_bytes(), raw.as_mut_slice()) {
        Ok(length) if length == RAW => {}
        _ => return Err(KeyError::Encoding),
    }
    let (body, crc) = raw.split_at(RAW - 2);
    if crc16(body).to_le_bytes() != crc {
        return Err(KeyError::Checksum);
    }
    Ok(raw)
}

/// CRC-16 with polynomial 0x1021 and start value 0 (XMODEM), as NKeys use it.
fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0u16, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            if crc & 0x8000 != 0 {
                crc << 1 ^ 0x1021
            } else {
                crc << 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [(KeyKind, nkeys::KeyPairType, &str, &str); 4] = [
        (KeyKind::Operator, nkeys::KeyPairType::Operator, "O", "SO"),
        (KeyKind::Account, nkeys::KeyPairType::Account, "A", "SA"),
        (KeyKind::User, nkeys::KeyPairType::User, "U", "SU"),
        (KeyKind::Server, nkeys::KeyPairType::Server, "N", "SN"),
    ];

    proptest! {
        #[test]
        fn keys_and_signatures_are_those_of_the_reference(random: [u8; 32], message: Vec<u8>) {
            for (kind, reference_kind, letter, seed_letters) in KINDS {
                let ours = Signer::generate(kind, random);
                let reference = nkeys::KeyPair::new_from_raw(reference_kind, random).unwrap();
                let public = ours.public();
                prop_assert_eq!(public.to_string(), reference.public_key());
                prop_assert!(public.to_string().starts_with(letter));
                prop_assert_eq!(ours.seed().to_string(), reference.seed().unwrap());
                prop_assert!(ours.seed().starts_with(seed_letters));

                let signature = ours.sign(&message);
                prop_assert_eq!(signature.to_vec(), reference.sign(&message).unwrap());
                prop_assert_eq!(public.verify(&message, &signature), Ok(()));
                let mut other = message.clone();
                other.push(0);
                prop_assert_eq!(public.verify(&other, &signature), Err(SignatureMismatch));

                prop_assert_eq!(public.to_string().parse::<PublicKey>(), Ok(public));
                prop_assert_eq!(Signer::from_seed(&ours.seed()).unwrap().public(), public);
            }
        }

        #[test]
        fn one_wrong_letter_is_noticed(place in 0usize..58, letter in "[A-Z2-7]") {
            let signer = Signer::generate(KeyKind::User, [7; 32]);
            let mut seed = signer.seed().to_string();
            prop_assume!(seed[place..=place] != letter);
            seed.replace_range(place..=place, &letter);
            prop_assert!(Signer::from_seed(&seed).is_err());
            let mut public = signer.public().to_string();
            let place = place.min(55);
            prop_assume!(public[place..=place] != letter);
            public.replace_range(place..=place, &letter);
            prop_assert!(public.parse::<PublicKey>().is_err());
        }
    }

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        let signer = Signer::generate(KeyKind::User, [7; 32]);
        let (seed, public) = (signer.seed(), signer.public().to_string());
        assert_eq!(Signer::from_seed(&public).err(), Some(KeyError::NotASeed));
        assert_eq!(
            seed.parse::<PublicKey>(),
            Err(KeyError::Length {
                expected: 56,
                found: 58
            })
        );
        assert_eq!(
            public.to_lowercase().parse::<PublicKey>(),
            Err(KeyError::Encoding)
        );
        assert_eq!(
            "".parse::<PublicKey>(),
            Err(KeyError::Length {
                expected: 56,
                found: 0
            })
        );
        assert_eq!("ä".repeat(28).parse::<PublicKey>(), Err(KeyError::Encoding));
        let curve = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::Curve, [7; 32]).unwrap();
        assert_eq!(curve.public_key().parse::<PublicKey>(), Err(KeyError::Prefix));
        assert_eq!(
            Signer::from_seed(&curve.seed().unwrap()).err(),
            Some(KeyError::Prefix)
        );
    }

    #[test]
    fn debug_text_shows_no_seed() {
        let signer = Signer::generate(KeyKind::Account, [7; 32]);
        let text = format!("{signer:?}");
        assert!(text.contains(&signer.public().to_string()));
        assert!(!text.contains(&signer.seed()[..10]));
    }

    #[test]
    fn key_in_json_is_its_text() {
        let key = Signer::generate(KeyKind::Account, [7; 32]).public();
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{key}\""));
        assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), key);
        // A text with an escape is not borrowed from the input.
        let escaped = json.replacen('A', "\\u0041", 1);
        assert_eq!(serde_json::from_str::<PublicKey>(&escaped).unwrap(), key);
    }
}
