//! The text forms of the secrets with which callers prove who they are.
//!
//! | secret | text | ends |
//! |---|---|---|
//! | API token | `tlw_` and 43 letters | when deleted, or at its own end |
//! | sign-in link | 43 letters | after its first use, or 15 minutes |
//! | session cookie | 43 letters | 12 hours unused, 7 days, or at sign-out |
//! | enrolment token | `twe_`, 43 letters, a dot, the authority's fingerprint | after its first use, or at its own end |
//!
//! All are stored as SHA-256. The first three hold 192 random bits and a mark that shows which installation
//! made them ([`crate::secrets::CallerSecrets`]); the last holds 256 random bits.

use time::Duration;

/// What API tokens begin with.
pub const API_TOKEN_PREFIX: &str = "tlw_";
/// What enrolment tokens begin with.
pub const ENROLMENT_TOKEN_PREFIX: &str = "twe_";

/// How long a sign-in link can be used.
pub const SIGN_IN_LINK_LIFETIME: Duration = Duration::minutes(15);
/// How long a session lasts, however much it is used.
pub const SESSION_LIFETIME: Duration = Duration::days(7);
/// How long a session lasts without being used.
pub const SESSION_IDLE_MAX: Duration = Duration::hours(12);

/// Whether the text has the form of the secrets that callers have: 43 letters of base64url.
pub fn is_secret(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The secret part of an enrolment token as a node presents it: without the fingerprint, which is for the node.
pub fn enrolment_secret(token: &str) -> &str {
    token.trim().split('.').next().unwrap_or_default()
}
