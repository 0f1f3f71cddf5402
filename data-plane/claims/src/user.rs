//! A user's claims: who may connect to an account, and what for.

use serde::{Deserialize, Serialize};

use crate::connection::{Cidr, TimeWindow, networks};
use crate::json::{null_as_default, object_or_none, time_or_none};
use crate::limit::Limit;
use crate::nkey::{KeyKind, PublicKey, Signer};
use crate::operator::{empty_as_none, expect_role};
use crate::permissions::Permissions;
use crate::token::{self, Body, EncodeError, Envelope, TokenError, VERSION};

/// Bytes of [`UserClaims::user`]. The node keeps it as long as the user is connected.
pub const USER_BYTES_MAX: usize = 128;

/// What an account says about one of its users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserClaims {
    /// The account's identity key or one of its signing keys.
    pub issuer: PublicKey,
    /// The account, when the issuer is one of its signing keys. Use [`Self::account`] to read it.
    pub issuer_account: Option<PublicKey>,
    /// The user's own key.
    pub subject: PublicKey,
    /// A name for people.
    pub name: String,
    /// When it was signed, seconds since 1970. A revocation compares it.
    pub issued_at: i64,
    /// From when on the user is refused and cut off, seconds since 1970.
    pub expires_at: Option<i64>,
    /// Before this the user is refused, seconds since 1970.
    pub not_before: Option<i64>,
    /// Labels, `key:value` by custom.
    pub tags: Vec<String>,
    /// Whose credentials these are, in the words of who issues them. What one user may take is
    /// shared by all credentials that name the same one; those that name none are a user each.
    pub user: Option<String>,
    /// Permissions and limits. All absent when the issuer is a scoped signing key.
    pub limits: UserLimits,
}

/// Permissions and limits of a user, or of the template of a scoped signing key.
///
/// The default says nothing: it is what a user of a scoped signing key
/// carries, and leaves a user of a plain key with limits of zero. Start from
/// [`UserLimits::unlimited`] for a plain one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UserLimits {
    /// What may be published and subscribed to.
    #[serde(flatten)]
    pub permissions: Permissions,
    /// Subscriptions of one connection.
    #[serde(rename = "subs", default, skip_serializing_if = "Limit::is_zero")]
    pub subscriptions: Limit,
    /// Largest message (headers and payload), in bytes.
    #[serde(rename = "payload", default, skip_serializing_if = "Limit::is_zero")]
    pub payload: Limit,
    /// Carried for NATS tools; no server enforces it.
    #[serde(rename = "data", default, skip_serializing_if = "Limit::is_zero")]
    pub data: Limit,
    /// Networks the user may connect from; everywhere when empty.
    #[serde(default, deserialize_with = "networks", skip_serializing_if = "Vec::is_empty")]
    pub src: Vec<Cidr>,
    /// Times of day the user may be connected in; always when empty.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub times: Vec<TimeWindow>,
    /// The time zone of `times`; UTC when empty.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub times_location: String,
    /// The JWT alone is enough to connect; no signature over the nonce is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bearer_token: bool,
    /// Only connections that a trusted proxy vouches for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proxy_required: bool,
    /// Words of [`crate::ConnectionType`]; every type when empty.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub allowed_connection_types: Vec<String>,
}

impl UserLimits {
    /// No limits beyond those of the account, and everything permitted.
    pub fn unlimited() -> Self {
        Self {
            subscriptions: Limit::Unlimited,
            payload: Limit::Unlimited,
            data: Limit::Unlimited,
            ..Self::default()
        }
    }
}

impl UserClaims {
    /// A user without limits of its own, signed by the account's identity key.
    /// Set `issuer_account` as well when a signing key is the issuer.
    pub fn new(issuer: PublicKey, subject: PublicKey, name: impl Into<String>, issued_at: i64) -> Self {
        Self {
            issuer,
            issuer_account: None,
            subject,
            name: name.into(),
            issued_at,
            expires_at: None,
            not_before: None,
            tags: Vec::new(),
            user: None,
            limits: UserLimits::unlimited(),
        }
    }

    /// The account the user says it belongs to.
    pub fn account(&self) -> PublicKey {
        self.issuer_account.unwrap_or(self.issuer)
    }

    /// The signed token.
    pub fn encode(&self, signer: &Signer) -> Result<String, EncodeError> {
        if let Some(user) = self.user.as_ref().filter(|user| !may_be_called(user)) {
            return Err(EncodeError::User(user.len()));
        }
        let nats = RawUser {
            limits: self.limits.clone(),
            issuer_account: self.issuer_account,
            tags: self.tags.clone(),
            tollway: self.user.clone().map(|user| RawTollwayUser { user }),
            kind: RawUser::TYPE.into(),
            version: VERSION,
        };
        let envelope = Envelope {
            exp: self.expires_at.unwrap_or(0),
            jti: String::new(),
            iat: self.issued_at,
            iss: self.issuer,
            name: self.name.clone(),
            nbf: self.not_before.unwrap_or(0),
            sub: self.subject,
            nats,
        };
        token::encode(envelope, signer)
    }

    /// Reads a token whose issuer signed it. [`crate::authenticate`] decides whether that issuer counts.
    pub fn decode(token: &str) -> Result<Self, TokenError> {
        let envelope = token::decode::<RawUser>(token)?;
        if let Some(account) = &envelope.nats.issuer_account {
            expect_role("issuer_account", account, KeyKind::Account)?;
        }
        let user = envelope.nats.tollway.map(|tollway| tollway.user);
        if user.as_ref().is_some_and(|user| !may_be_called(user)) {
            let reason = format!("tollway.user must have 1 to {USER_BYTES_MAX} bytes");
            return Err(TokenError::Claims(reason));
        }
        Ok(Self {
            issuer: envelope.iss,
            issuer_account: envelope.nats.issuer_account,
            subject: envelope.sub,
            name: envelope.name,
            issued_at: envelope.iat,
            expires_at: time_or_none(envelope.exp),
            not_before: time_or_none(envelope.nbf),
            tags: envelope.nats.tags,
            user,
            limits: envelope.nats.limits,
        })
    }
}

fn may_be_called(user: &str) -> bool {
    (1..=USER_BYTES_MAX).contains(&user.len())
}

#[derive(Debug, Serialize, Deserialize)]
struct RawUser {
    #[serde(flatten)]
    limits: UserLimits,
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    issuer_account: Option<PublicKey>,
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    tags: Vec<String>,
    #[serde(
        default,
        deserialize_with = "object_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    tollway: Option<RawTollwayUser>,
    #[serde(rename = "type")]
    kind: String,
    version: u32,
}

/// Our own claim, which stock servers ignore.
#[derive(Debug, Serialize, Deserialize)]
struct RawTollwayUser {
    user: String,
}

impl Body for RawUser {
    const TYPE: &'static str = "user";
    const ISSUER: KeyKind = KeyKind::Account;
    const SUBJECT: KeyKind = KeyKind::User;
}
