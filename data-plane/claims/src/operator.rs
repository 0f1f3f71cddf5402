//! The operator's claims: whose signatures count.

use serde::{Deserialize, Serialize};

use crate::json::{null_as_default, time_or_none};
use crate::nkey::{KeyKind, PublicKey, Signer};
use crate::token::{self, Body, EncodeError, Envelope, TokenError, VERSION};

/// Which keys speak for an operator. Signed by the operator's identity key, so issuer and subject are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorClaims {
    /// The key that signed this. Trusted only when it is also the subject ([`crate::Trust`] checks it).
    pub issuer: PublicKey,
    /// The operator's identity.
    pub subject: PublicKey,
    /// A name for people.
    pub name: String,
    /// When it was signed, seconds since 1970.
    pub issued_at: i64,
    /// From when on nothing that relies on it is accepted, seconds since 1970.
    pub expires_at: Option<i64>,
    /// Keys that sign accounts and statements in the operator's name.
    pub signing_keys: Vec<PublicKey>,
    /// The account of the cells' own events and services.
    pub system_account: Option<PublicKey>,
    /// Identity keys (the operator's, and every account's) may not sign what a signing key signs.
    pub strict_signing_key_usage: bool,
}

impl OperatorClaims {
    /// Claims that an identity key makes about itself, without signing keys.
    pub fn new(identity: PublicKey, name: impl Into<String>, issued_at: i64) -> Self {
        Self {
            issuer: identity,
            subject: identity,
            name: name.into(),
            issued_at,
            expires_at: None,
            signing_keys: Vec::new(),
            system_account: None,
            strict_signing_key_usage: false,
        }
    }

    /// The signed token.
    pub fn encode(&self, signer: &Signer) -> Result<String, EncodeError> {
        let nats = RawOperator {
            signing_keys: self.signing_keys.clone(),
            system_account: self.system_account,
            strict_signing_key_usage: self.strict_signing_key_usage,
            kind: RawOperator::TYPE.into(),
            version: VERSION,
        };
        let envelope = Envelope {
            exp: self.expires_at.unwrap_or(0),
            jti: String::new(),
            iat: self.issued_at,
            iss: self.issuer,
            name: self.name.clone(),
            nbf: 0,
            sub: self.subject,
            nats,
        };
        token::encode(envelope, signer)
    }

    /// Reads a token whose issuer signed it. [`crate::Trust`] decides whether that issuer counts.
    pub fn decode(token: &str) -> Result<Self, TokenError> {
        let envelope = token::decode::<RawOperator>(token)?;
        let nats = envelope.nats;
        for key in &nats.signing_keys {
            expect_role("signing_keys", key, KeyKind::Operator)?;
        }
        if let Some(key) = &nats.system_account {
            expect_role("system_account", key, KeyKind::Account)?;
        }
        Ok(Self {
            issuer: envelope.iss,
            subject: envelope.sub,
            name: envelope.name,
            issued_at: envelope.iat,
            expires_at: time_or_none(envelope.exp),
            signing_keys: nats.signing_keys,
            system_account: nats.system_account,
            strict_signing_key_usage: nats.strict_signing_key_usage,
        })
    }
}

/// A key inside claims that must have a certain role.
pub(crate) fn expect_role(field: &str, key: &PublicKey, role: KeyKind) -> Result<(), TokenError> {
    if key.kind() == role {
        return Ok(());
    }
    Err(TokenError::Claims(format!(
        "{field} holds an {} key where an {role} key belongs",
        key.kind()
    )))
}

#[derive(Debug, Serialize, Deserialize)]
struct RawOperator {
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    signing_keys: Vec<PublicKey>,
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    system_account: Option<PublicKey>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    strict_signing_key_usage: bool,
    #[serde(rename = "type")]
    kind: String,
    version: u32,
}

impl Body for RawOperator {
    const TYPE: &'static str = "operator";
    const ISSUER: KeyKind = KeyKind::Operator;
    const SUBJECT: KeyKind = KeyKind::Operator;
}

/// An optional key, where some tools write an empty text for "none".
pub(crate) fn empty_as_none<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PublicKey>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}
