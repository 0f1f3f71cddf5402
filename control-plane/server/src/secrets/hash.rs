//! How bearer secrets are stored: as SHA-256.
//!
//! They are 256 random bits, so a slow hash adds nothing; and since Postgres
//! looks up the hash, the time of a comparison says nothing about the secret.

use sha2::{Digest, Sha256};

/// SHA-256 of a bearer secret's text.
pub type SecretHash = [u8; 32];

/// What is stored in place of `secret`.
pub fn secret_hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}
