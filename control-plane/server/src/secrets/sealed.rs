//! The form of everything that is encrypted at rest.
//!
//! `version (1 byte) | nonce (24 bytes) | XChaCha20-Poly1305 ciphertext and tag`.
//! The long nonce may be random for every seal without a counter to keep.

use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use zeroize::Zeroizing;

use super::random_array;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const HEADER_BYTES: usize = 1 + NONCE_BYTES;

/// A sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is shorter than any sealed value, or of a version that this release does not know.
    #[error("the sealed value has a form that this release does not know")]
    Form,
    /// The key is another one, or the value was changed or belongs to another row.
    #[error("the sealed value does not open with this key in this place")]
    Refused,
}

pub(super) fn seal(key: &[u8; 32], associated: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce = random_array::<NONCE_BYTES>();
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let payload = Payload {
        msg: plain,
        aad: associated,
    };
    let ciphertext = cipher
        .encrypt(&XNonce::from(nonce), payload)
        .expect("a value of a few hundred bytes is not too long to encrypt");
    let mut sealed = Vec::with_capacity(HEADER_BYTES + ciphertext.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    sealed
}

pub(super) fn open(
    key: &[u8; 32],
    associated: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let Some((&[VERSION], rest)) = sealed.split_first_chunk::<1>() else {
        return Err(OpenError::Form);
    };
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Form)?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let payload = Payload {
        msg: ciphertext,
        aad: associated,
    };
    cipher
        .decrypt(&XNonce::from(*nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Refused)
}
