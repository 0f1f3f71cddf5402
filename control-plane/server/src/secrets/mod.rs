//! Secrets: how they are made, and how they are kept.
//!
//! ```text
//! key-encryption key   outside the database: a file of 0600, or TOLLWAY_KEK
//!   └─ wraps one data key per organization        (table data_key)
//!        └─ seals the seeds of that organization  (columns *_seed, private_key)
//! ```
//!
//! Every seal names what it belongs to (organization and public key) as
//! associated data, so a sealed seed copied to another row does not open there.
//! Plain seeds live in memory that is wiped when it is dropped.

mod caller_secret;
mod data_key;
mod hash;
mod kek_source;
mod key_encryption_key;
mod random;
mod sealed;

pub use caller_secret::CallerSecrets;
pub use data_key::DataKey;
pub use hash::{SecretHash, secret_hash};
pub use kek_source::KekSource;
pub use key_encryption_key::{KEK_VARIABLE, KekError, KeyEncryptionKey};
pub use random::{random_array, random_text};
pub use sealed::OpenError;
