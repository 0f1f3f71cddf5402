//! What the operator says about an account beside its JWT.
//!
//! A NATS account JWT cannot say that an account is suspended. The statement
//! can, signed by the same key and carrying the same document version, so that
//! neither an old statement nor an old JWT can be replayed alone.

use serde::{Deserialize, Serialize};

use crate::json::object;
use crate::nkey::{KeyKind, PublicKey, Signer};
use crate::token::{self, Body, EncodeError, Envelope, TokenError, VERSION};

/// The operator's statement about one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementClaims {
    /// The operator key that signed it.
    pub issuer: PublicKey,
    /// The account it is about.
    pub subject: PublicKey,
    /// When it was signed, seconds since 1970.
    pub issued_at: i64,
    /// The version of the account's document; equal to the one in the account JWT.
    pub version: u64,
    /// Why no client may be connected; `None` when the account is served.
    pub suspended: Option<String>,
}

impl StatementClaims {
    /// The signed token.
    pub fn encode(&self, signer: &Signer) -> Result<String, EncodeError> {
        let nats = RawStatement {
            statement: Inner {
                version: self.version,
                suspended: self.suspended.clone(),
            },
            kind: RawStatement::TYPE.into(),
            version: VERSION,
        };
        let envelope = Envelope {
            exp: 0,
            jti: String::new(),
            iat: self.issued_at,
            iss: self.issuer,
            name: String::new(),
            nbf: 0,
            sub: self.subject,
            nats,
        };
        token::encode(envelope, signer)
    }

    /// Reads a token whose issuer signed it. [`crate::Trust`] decides whether that issuer counts.
    pub fn decode(token: &str) -> Result<Self, TokenError> {
        let envelope = token::decode::<RawStatement>(token)?;
        Ok(Self {
            issuer: envelope.iss,
            subject: envelope.sub,
            issued_at: envelope.iat,
            version: envelope.nats.statement.version,
            suspended: envelope.nats.statement.suspended,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct RawStatement {
    #[serde(deserialize_with = "object")]
    statement: Inner,
    #[serde(rename = "type")]
    kind: String,
    version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Inner {
    version: u64,
    // Written as null when absent, and never skipped: silence must not read as "not suspended".
    #[serde(deserialize_with = "Option::deserialize")]
    suspended: Option<String>,
}

impl Body for RawStatement {
    const TYPE: &'static str = "tollway_account_statement";
    const ISSUER: KeyKind = KeyKind::Operator;
    const SUBJECT: KeyKind = KeyKind::Account;
}
