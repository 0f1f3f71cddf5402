//! The codec of NATS tokens: JWTs signed with Ed25519 NKeys.
//!
//! A token is decoded outside in, and nothing of its content is used before
//! the step that vouches for it: size, three parts, header, the issuer's key
//! and the roles that its type demands, the signature, and only then the claims.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512_256};

use crate::exchange::ExchangeError;
use crate::json::{Object, is_zero, null_as_default, object};
use crate::nkey::{KeyError, KeyKind, PublicKey, Signer};

/// The largest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1024 * 1024;

/// The header of every token that is made here, byte for byte.
const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
const ALGORITHM: &str = "ed25519-nkey";

/// The only version of the claims.
pub(crate) const VERSION: u32 = 2;

/// Why a token is refused. None of the texts repeats the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the token has {bytes} bytes; at most {TOKEN_BYTES_MAX} are accepted")]
    TooLarge {
        /// The token's length.
        bytes: usize,
    },
    /// Not `header.claims.signature`.
    #[error("a token has three parts separated by dots")]
    Parts,
    /// A part is no base64url text without padding.
    #[error("the {part} of the token is not base64url without padding")]
    Encoding {
        /// `header`, `claims` or `signature`.
        part: &'static str,
    },
    /// The header is no JSON object of the expected form.
    #[error("the header of the token cannot be read: {0}")]
    Header(String),
    /// `typ` is not `JWT`.
    #[error("the type in the token's header is not JWT")]
    HeaderType,
    /// Any algorithm but `ed25519-nkey`, including `none` and the `ed25519` of version 1 tokens.
    #[error("the algorithm in the token's header is not ed25519-nkey")]
    Algorithm,
    /// The header lists extensions that must be understood, and none are.
    #[error("the token's header names critical extensions that are not supported")]
    CriticalHeader,
    /// The claims are no JSON of the expected form.
    #[error("the claims of the token cannot be read: {0}")]
    Claims(String),
    /// Exports, imports or mappings of an account document are wrong.
    #[error("what the account shares, imports or renames is not acceptable")]
    Exchange(#[from] ExchangeError),
    /// A token of another type, such as a user where an account is expected.
    #[error("the token is of type {found:?}, not {expected:?}")]
    Type {
        /// The type that was asked for.
        expected: &'static str,
        /// The type in the token, cut to a readable length.
        found: String,
    },
    /// Another version of the claims than 2.
    #[error("the token's claims have version {0}; only version 2 is supported")]
    Version(u32),
    /// `iss` is not a key.
    #[error("the issuer of the token is not a key")]
    Issuer(#[source] KeyError),
    /// `iss` is a key of a role that may not sign such a token.
    #[error("a token of this type is signed by an {expected} key, not by an {found} key")]
    IssuerRole {
        /// The role that signs such tokens.
        expected: KeyKind,
        /// The role of the issuer in the token.
        found: KeyKind,
    },
    /// `sub` is not a key.
    #[error("the subject of the token is not a key")]
    Subject(#[source] KeyError),
    /// `sub` is a key of another role.
    #[error("the subject of the token is an {found} key, not an {expected} key")]
    SubjectRole {
        /// The role such a token is about.
        expected: KeyKind,
        /// The role of the subject in the token.
        found: KeyKind,
    },
    /// The issuer did not sign this header and these claims.
    #[error("the signature of the token does not match")]
    Signature,
}

impl TokenError {
    /// A stable word for logs, refusals and the API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "token_too_large",
            Self::Parts
            | Self::Encoding { .. }
            | Self::Header(_)
            | Self::HeaderType
            | Self::CriticalHeader
            | Self::Claims(_) => "malformed",
            Self::Exchange(error) => error.code(),
            Self::Algorithm => "unsupported_algorithm",
            Self::Type { .. } => "wrong_token_type",
            Self::Version(_) => "unsupported_version",
            Self::Issuer(_) | Self::IssuerRole { .. } => "invalid_issuer",
            Self::Subject(_) | Self::SubjectRole { .. } => "invalid_subject",
            Self::Signature => "bad_signature",
        }
    }
}

/// Why claims cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The claims name another issuer than the key that should sign them.
    #[error("the claims name the issuer {issuer}, but the signing key is {signer}")]
    Issuer {
        /// The issuer in the claims.
        issuer: PublicKey,
        /// The public half of the key that was given.
        signer: PublicKey,
    },
    /// A key of this role does not sign such a token.
    #[error("a token of type {kind} is signed by an {expected} key")]
    IssuerRole {
        /// The token's type.
        kind: &'static str,
        /// The role that signs it.
        expected: KeyKind,
    },
    /// A token of this type is about a key of another role.
    #[error("a token of type {kind} is about an {expected} key")]
    SubjectRole {
        /// The token's type.
        kind: &'static str,
        /// The role of its subject.
        expected: KeyKind,
    },
    /// What the claims call the user is empty, or longer than any reader takes.
    #[error("the claims call the user by {0} bytes, which must be 1 to {max}", max = crate::user::USER_BYTES_MAX)]
    User(usize),
    /// The document grants something to users of a key that is none of the account's.
    #[error("the claims grant something to the users of {0}, which is no key of the account")]
    ShareOfStranger(PublicKey),
    /// The document's exports, imports or mappings would be refused by every reader.
    #[error("what the account shares, imports or renames is not acceptable")]
    Exchange(#[from] ExchangeError),
    /// The document would be refused by every reader.
    #[error("the token would have {bytes} bytes; at most {TOKEN_BYTES_MAX} are accepted")]
    TooLarge {
        /// The token's length.
        bytes: usize,
    },
}

/// The `nats` object of one token type.
pub(crate) trait Body: Serialize + DeserializeOwned {
    const TYPE: &'static str;
    const ISSUER: KeyKind;
    const SUBJECT: KeyKind;
}

/// What all tokens have around their `nats` object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "B: DeserializeOwned"))]
pub(crate) struct Envelope<B> {
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) exp: i64,
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) jti: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) iat: i64,
    pub(crate) iss: PublicKey,
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) name: String,
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) nbf: i64,
    pub(crate) sub: PublicKey,
    #[serde(deserialize_with = "object")]
    pub(crate) nats: B,
}

/// Signs claims. `envelope.jti` is filled in here.
pub(crate) fn encode<B: Body>(mut envelope: Envelope<B>, signer: &Signer) -> Result<String, EncodeError> {
    let public = signer.public();
    if envelope.iss != public {
        return Err(EncodeError::Issuer {
            issuer: envelope.iss,
            signer: public,
        });
    }
    if public.kind() != B::ISSUER {
        return Err(EncodeError::IssuerRole {
            kind: B::TYPE,
            expected: B::ISSUER,
        });
    }
    if envelope.sub.kind() != B::SUBJECT {
        return Err(EncodeError::SubjectRole {
            kind: B::TYPE,
            expected: B::SUBJECT,
        });
    }
    let json = |envelope: &Envelope<B>| serde_json::to_vec(envelope).expect("claims are plain JSON values");
    // The id is the hash of the claims without it: the same claims have the same id.
    envelope.jti.clear();
    envelope.jti = BASE32_NOPAD.encode(&Sha512_256::digest(json(&envelope)));
    let mut token = BASE64URL_NOPAD.encode(HEADER.as_bytes());
    token.push('.');
    BASE64URL_NOPAD.encode_append(&json(&envelope), &mut token);
    let signature = signer.sign(token.as_bytes());
    token.push('.');
    BASE64URL_NOPAD.encode_append(&signature, &mut token);
    if token.len() > TOKEN_BYTES_MAX {
        return Err(EncodeError::TooLarge { bytes: token.len() });
    }
    Ok(token)
}

/// Reads a token of type `B` whose signature by its own `iss` holds. Whether
/// that issuer is to be trusted is the caller's question.
pub(crate) fn decode<B: Body>(token: &str) -> Result<Envelope<B>, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLarge { bytes: token.len() });
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Parts)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Parts)?;
    if claims.contains('.') {
        return Err(TokenError::Parts);
    }
    check_header(&base64url("header", header)?)?;

    let claims = base64url("claims", claims)?;
    let Object(peek): Object<Peek> = serde_json::from_slice(&claims).map_err(claims_error)?;
    if peek.nats.kind != B::TYPE {
        let found = peek.nats.kind.chars().take(64).collect();
        return Err(TokenError::Type {
            expected: B::TYPE,
            found,
        });
    }
    if peek.nats.version != VERSION {
        return Err(TokenError::Version(peek.nats.version));
    }
    let issuer: PublicKey = peek.iss.parse().map_err(TokenError::Issuer)?;
    if issuer.kind() != B::ISSUER {
        return Err(TokenError::IssuerRole {
            expected: B::ISSUER,
            found: issuer.kind(),
        });
    }
    let subject: PublicKey = peek.sub.parse().map_err(TokenError::Subject)?;
    if subject.kind() != B::SUBJECT {
        return Err(TokenError::SubjectRole {
            expected: B::SUBJECT,
            found: subject.kind(),
        });
    }
    let signature = base64url("signature", signature)?;
    issuer
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| TokenError::Signature)?;

    let Object(envelope) = serde_json::from_slice(&claims).map_err(claims_error)?;
    Ok(envelope)
}

/// What has to be known before the signature can be checked.
#[derive(Deserialize)]
struct Peek {
    iss: String,
    sub: String,
    #[serde(deserialize_with = "object")]
    nats: PeekBody,
}

#[derive(Deserialize)]
struct PeekBody {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    version: u32,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    crit: Option<serde::de::IgnoredAny>,
}

fn check_header(json: &[u8]) -> Result<(), TokenError> {
    let Object(header): Object<Header> =
        serde_json::from_slice(json).map_err(|error| TokenError::Header(error.to_string()))?;
    if header.typ != "JWT" {
        return Err(TokenError::HeaderType);
    }
    if header.alg != ALGORITHM {
        return Err(TokenError::Algorithm);
    }
    if header.crit.is_some() {
        return Err(TokenError::CriticalHeader);
    }
    Ok(())
}

fn base64url(part: &'static str, text: &str) -> Result<Vec<u8>, TokenError> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| TokenError::Encoding { part })
}

fn claims_error(error: serde_json::Error) -> TokenError {
    TokenError::Claims(error.to_string())
}
