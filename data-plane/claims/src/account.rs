//! An account's claims: its limits, its keys, and who is revoked.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::exchange;
use crate::export::{self, Export, RawExport};
use crate::import::{self, Import, RawImport};
use crate::json::{
    Object, is_default, null_as_default, object, object_or_default, object_or_none, objects_or_null,
    time_or_none,
};
use crate::limit::Limit;
use crate::mapping::{self, Mappings, RawMappings};
use crate::nkey::{KeyKind, PublicKey, Signer};
use crate::operator::expect_role;
use crate::permissions::Permissions;
use crate::rate::{Rates, UserShare};
use crate::token::{self, Body, EncodeError, Envelope, TokenError, VERSION};
use crate::user::UserLimits;

/// What an operator says about an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountClaims {
    /// The operator key that signed it.
    pub issuer: PublicKey,
    /// The account's identity.
    pub subject: PublicKey,
    /// A name for people.
    pub name: String,
    /// When it was signed, seconds since 1970.
    pub issued_at: i64,
    /// From when on nobody may be connected, seconds since 1970.
    pub expires_at: Option<i64>,
    /// Before this nobody may connect, seconds since 1970.
    pub not_before: Option<i64>,
    /// Labels, `key:value` by custom.
    pub tags: Vec<String>,
    /// The limits that NATS knows.
    pub limits: NatsLimits,
    /// Keys beside the identity that sign users.
    pub signing_keys: Vec<AccountSigningKey>,
    /// Users whose documents up to a time are void.
    pub revocations: Revocations,
    /// What others may import.
    pub exports: Vec<Export>,
    /// What is taken from others.
    pub imports: Vec<Import>,
    /// How what its clients publish is renamed.
    pub mappings: Mappings,
    /// For users whose own claims say nothing about permissions.
    pub default_permissions: Permissions,
    /// Another service decides about most users.
    pub auth_callout: Option<AuthCallout>,
    /// Our own claim, which stock servers ignore. Absent in documents made by others.
    pub tollway: Option<TollwayClaim>,
}

/// `nats.limits`. Absent numbers are zero, and zero allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatsLimits {
    /// Subscriptions of one connection (not of the account).
    #[serde(rename = "subs", default)]
    pub subscriptions: Limit,
    /// Carried for NATS tools; no server enforces it.
    #[serde(default)]
    pub data: Limit,
    /// Largest message (headers and payload), in bytes.
    #[serde(default)]
    pub payload: Limit,
    /// Imports in the document.
    #[serde(default)]
    pub imports: Limit,
    /// Exports in the document.
    #[serde(default)]
    pub exports: Limit,
    /// Whether exports may have wildcards.
    #[serde(default)]
    pub wildcards: bool,
    /// Whether users who only show a JWT are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disallow_bearer: bool,
    /// Client connections open at the same time.
    #[serde(rename = "conn", default)]
    pub connections: Limit,
    /// Leaf node connections open at the same time.
    #[serde(rename = "leaf", default)]
    pub leaf_nodes: Limit,
}

impl NatsLimits {
    /// No limits; bearer tokens are accepted, JetStream stays off.
    pub fn unlimited() -> Self {
        Self {
            subscriptions: Limit::Unlimited,
            data: Limit::Unlimited,
            payload: Limit::Unlimited,
            imports: Limit::Unlimited,
            exports: Limit::Unlimited,
            wildcards: true,
            disallow_bearer: false,
            connections: Limit::Unlimited,
            leaf_nodes: Limit::Unlimited,
        }
    }
}

/// A key that signs users in the account's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountSigningKey {
    /// Users carry their own permissions and limits.
    Plain(PublicKey),
    /// Users carry none; the template decides.
    Scoped(Box<Scope>),
}

impl AccountSigningKey {
    /// The key itself.
    pub fn key(&self) -> PublicKey {
        match self {
            Self::Plain(key) => *key,
            Self::Scoped(scope) => scope.key,
        }
    }
}

impl From<PublicKey> for AccountSigningKey {
    fn from(key: PublicKey) -> Self {
        Self::Plain(key)
    }
}

/// A signing key whose users all get the same permissions and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The signing key.
    pub key: PublicKey,
    /// What such users are called.
    pub role: String,
    /// A sentence for people.
    pub description: String,
    /// What such users get.
    pub template: UserLimits,
}

/// Whose documents are void: those signed at or before a time. Of an account
/// these are users, of an export the accounts it was activated for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Everybody's (`*`), seconds since 1970.
    pub all: Option<i64>,
    /// Single users' (or accounts'), seconds since 1970.
    pub users: BTreeMap<PublicKey, i64>,
}

impl Revocations {
    /// Whether a document for `user` that was signed at `issued_at` is void.
    pub fn is_revoked(&self, user: &PublicKey, issued_at: i64) -> bool {
        let up_to = self.all.max(self.users.get(user).copied());
        up_to.is_some_and(|up_to| issued_at <= up_to)
    }

    /// Makes documents for `user` void that were signed at `at` or before. Never takes a later revocation back.
    pub fn revoke(&mut self, user: PublicKey, at: i64) {
        let up_to = self.users.entry(user).or_insert(at);
        *up_to = (*up_to).max(at);
    }
}

/// `nats.authorization`: a service inside the account decides about users who are not listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthCallout {
    /// Users who connect without being asked about: the service itself.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub auth_users: Vec<PublicKey>,
    /// Accounts the service may place users into.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub allowed_accounts: Vec<String>,
    /// A curve key requests are encrypted for; empty when they are not.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub xkey: String,
}

/// `nats.tollway`: what NATS has no words for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TollwayClaim {
    /// Grows with each change of the account's document, because `iat` counts whole seconds.
    pub version: u64,
    /// Totals of the account.
    #[serde(deserialize_with = "object")]
    pub limits: TollwayLimits,
    /// Rates of the account.
    #[serde(
        default,
        deserialize_with = "object_or_default",
        skip_serializing_if = "is_default"
    )]
    pub rates: Rates,
    /// What each user may take of that, unless its signing key says something else.
    #[serde(
        default,
        deserialize_with = "object_or_default",
        skip_serializing_if = "is_default"
    )]
    pub users: UserShare,
    /// What each user of a signing key may take. Where a key says nothing, `users` does.
    #[serde(
        default,
        deserialize_with = "objects_of_keys",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub signing_keys: BTreeMap<PublicKey, UserShare>,
}

impl TollwayClaim {
    /// Totals alone: no rates, and each user may take all there is.
    pub fn new(version: u64, limits: TollwayLimits) -> Self {
        Self {
            version,
            limits,
            rates: Rates::UNLIMITED,
            users: UserShare::UNLIMITED,
            signing_keys: BTreeMap::new(),
        }
    }
}

/// An object whose keys are public keys and whose values are objects.
fn objects_of_keys<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<PublicKey, UserShare>, D::Error> {
    let objects: BTreeMap<PublicKey, Object<UserShare>> = null_as_default(deserializer)?;
    Ok(objects
        .into_iter()
        .map(|(key, Object(share))| (key, share))
        .collect())
}

/// Totals of the account. Absent numbers are zero, as everywhere in claims.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TollwayLimits {
    /// Client connections open at the same time.
    #[serde(default)]
    pub connections: Limit,
    /// Subscriptions of all connections together.
    #[serde(default)]
    pub subscriptions: Limit,
}

impl AccountClaims {
    /// An account without limits, keys beside its identity, or a claim of ours.
    pub fn new(issuer: PublicKey, subject: PublicKey, name: impl Into<String>, issued_at: i64) -> Self {
        Self {
            issuer,
            subject,
            name: name.into(),
            issued_at,
            expires_at: None,
            not_before: None,
            tags: Vec::new(),
            limits: NatsLimits::unlimited(),
            signing_keys: Vec::new(),
            revocations: Revocations::default(),
            exports: Vec::new(),
            imports: Vec::new(),
            mappings: Mappings::new(),
            default_permissions: Permissions::default(),
            auth_callout: None,
            tollway: None,
        }
    }

    /// The document's version, or `None` when it carries no claim of ours.
    pub fn version(&self) -> Option<u64> {
        self.tollway.as_ref().map(|claim| claim.version)
    }

    /// What each user may take that this key signs.
    pub fn user_share(&self, issuer: &PublicKey) -> UserShare {
        let Some(claim) = &self.tollway else {
            return UserShare::UNLIMITED;
        };
        let of_key = claim.signing_keys.get(issuer).copied().unwrap_or_default();
        of_key.or(claim.users)
    }

    /// Whether our own claim speaks of keys of this account alone: what is said about another key
    /// was meant for one of these, and would silently not be in force.
    fn check_shares(&self) -> Result<(), PublicKey> {
        let shares = self.tollway.iter().flat_map(|claim| claim.signing_keys.keys());
        match shares
            .into_iter()
            .find(|&key| *key != self.subject && self.signing_key(key).is_none())
        {
            Some(stranger) => Err(*stranger),
            None => Ok(()),
        }
    }

    /// Whether a document for `user` that was signed at `issued_at` is void.
    pub fn is_revoked(&self, user: &PublicKey, issued_at: i64) -> bool {
        self.revocations.is_revoked(user, issued_at)
    }

    /// The signing key with this public half, if it is one of this account's.
    pub fn signing_key(&self, key: &PublicKey) -> Option<&AccountSigningKey> {
        self.signing_keys
            .iter()
            .find(|signing_key| signing_key.key() == *key)
    }

    /// Whether exports, imports and mappings are such that every server reads them.
    pub fn check_exchange(&self) -> Result<(), exchange::ExchangeError> {
        self.check_exchange_with(exchange::NestedExports::Refused)
    }

    /// The same, for an account of a configuration file.
    pub fn check_exchange_with(
        &self,
        nested: exchange::NestedExports,
    ) -> Result<(), exchange::ExchangeError> {
        exchange::check(
            &self.subject,
            &self.limits,
            nested,
            &self.exports,
            &self.imports,
            &self.mappings,
        )
    }

    /// The signed token.
    pub fn encode(&self, signer: &Signer) -> Result<String, EncodeError> {
        self.check_exchange()?;
        self.check_shares().map_err(EncodeError::ShareOfStranger)?;
        let nats = RawAccount {
            imports: self.imports.iter().map(|import| Some(import.into())).collect(),
            exports: self.exports.iter().map(|export| Some(export.into())).collect(),
            mappings: mapping::to_raw(&self.mappings),
            tags: self.tags.clone(),
            limits: self.limits.clone(),
            signing_keys: self.signing_keys.iter().map(RawSigningKey::from).collect(),
            revocations: raw_revocations(&self.revocations),
            default_permissions: self.default_permissions.clone(),
            authorization: self.auth_callout.clone().unwrap_or_default(),
            tollway: self.tollway.clone(),
            kind: RawAccount::TYPE.into(),
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

    /// Reads a token whose issuer signed it. [`crate::Trust`] decides whether that issuer counts.
    pub fn decode(token: &str) -> Result<Self, TokenError> {
        let envelope = token::decode::<RawAccount>(token)?;
        let nats = envelope.nats;
        let signing_keys: Vec<_> = nats
            .signing_keys
            .into_iter()
            .map(AccountSigningKey::try_from)
            .collect::<Result<_, _>>()?;
        let claims = Self {
            issuer: envelope.iss,
            subject: envelope.sub,
            name: envelope.name,
            issued_at: envelope.iat,
            expires_at: time_or_none(envelope.exp),
            not_before: time_or_none(envelope.nbf),
            tags: nats.tags,
            limits: nats.limits,
            signing_keys,
            revocations: revocations(KeyKind::User, nats.revocations)
                .map_err(|_| TokenError::Claims("revocations holds what is no user key".into()))?,
            exports: export::exports(nats.exports)?,
            imports: import::imports(nats.imports)?,
            mappings: mapping::from_raw(nats.mappings)?,
            default_permissions: nats.default_permissions,
            // The object is there and empty in documents of stock tools that use no callout.
            auth_callout: Some(nats.authorization).filter(|callout| !is_default(callout)),
            tollway: nats.tollway,
        };
        claims.check_exchange()?;
        claims.check_shares().map_err(|stranger| {
            TokenError::Claims(format!(
                "tollway.signing_keys speaks of {stranger}, which is no key of the account"
            ))
        })?;
        Ok(claims)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct RawAccount {
    #[serde(
        default,
        deserialize_with = "objects_or_null",
        skip_serializing_if = "Vec::is_empty"
    )]
    imports: Vec<Option<RawImport>>,
    #[serde(
        default,
        deserialize_with = "objects_or_null",
        skip_serializing_if = "Vec::is_empty"
    )]
    exports: Vec<Option<RawExport>>,
    #[serde(
        default,
        deserialize_with = "mapping::raw_mappings",
        skip_serializing_if = "RawMappings::is_empty"
    )]
    mappings: RawMappings,
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "object_or_default")]
    limits: NatsLimits,
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    signing_keys: Vec<RawSigningKey>,
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    revocations: BTreeMap<String, i64>,
    #[serde(
        default,
        deserialize_with = "object_or_default",
        skip_serializing_if = "is_default"
    )]
    default_permissions: Permissions,
    #[serde(
        default,
        deserialize_with = "object_or_default",
        skip_serializing_if = "is_default"
    )]
    authorization: AuthCallout,
    #[serde(
        default,
        deserialize_with = "object_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    tollway: Option<TollwayClaim>,
    #[serde(rename = "type")]
    kind: String,
    version: u32,
}

impl Body for RawAccount {
    const TYPE: &'static str = "account";
    const ISSUER: KeyKind = KeyKind::Operator;
    const SUBJECT: KeyKind = KeyKind::Account;
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum RawSigningKey {
    Plain(PublicKey),
    #[serde(deserialize_with = "object")]
    Scoped(Box<RawScope>),
}

#[derive(Debug, Serialize, Deserialize)]
struct RawScope {
    kind: String,
    key: PublicKey,
    #[serde(default)]
    role: String,
    #[serde(default)]
    template: UserLimits,
    #[serde(default)]
    description: String,
}

const USER_SCOPE: &str = "user_scope";

impl From<&AccountSigningKey> for RawSigningKey {
    fn from(key: &AccountSigningKey) -> Self {
        match key {
            AccountSigningKey::Plain(key) => Self::Plain(*key),
            AccountSigningKey::Scoped(scope) => Self::Scoped(Box::new(RawScope {
                kind: USER_SCOPE.into(),
                key: scope.key,
                role: scope.role.clone(),
                template: scope.template.clone(),
                description: scope.description.clone(),
            })),
        }
    }
}

impl TryFrom<RawSigningKey> for AccountSigningKey {
    type Error = TokenError;

    fn try_from(raw: RawSigningKey) -> Result<Self, TokenError> {
        let key = match raw {
            RawSigningKey::Plain(key) => Self::Plain(key),
            RawSigningKey::Scoped(scope) if scope.kind == USER_SCOPE => Self::Scoped(Box::new(Scope {
                key: scope.key,
                role: scope.role,
                description: scope.description,
                template: scope.template,
            })),
            RawSigningKey::Scoped(_) => {
                return Err(TokenError::Claims(
                    "signing_keys holds a scope of an unknown kind".into(),
                ));
            }
        };
        expect_role("signing_keys", &key.key(), KeyKind::Account)?;
        Ok(key)
    }
}

/// The key of a revocation that is meant for everybody.
const EVERYBODY: &str = "*";

pub(crate) fn raw_revocations(revocations: &Revocations) -> BTreeMap<String, i64> {
    let users = revocations.users.iter().map(|(user, at)| (user.to_string(), *at));
    users
        .chain(revocations.all.map(|at| (EVERYBODY.to_owned(), at)))
        .collect()
}

/// A revocation that cannot be read makes the whole document unreadable:
/// skipping it would let somebody in who was meant to be kept out. The error
/// is the text that is no key of this role.
pub(crate) fn revocations(role: KeyKind, raw: BTreeMap<String, i64>) -> Result<Revocations, String> {
    let mut revocations = Revocations::default();
    for (text, at) in raw {
        if text == EVERYBODY {
            revocations.all = Some(at);
            continue;
        }
        match text.parse::<PublicKey>() {
            Ok(key) if key.kind() == role => revocations.users.insert(key, at),
            _ => return Err(text),
        };
    }
    Ok(revocations)
}
