//! Whether a client may connect: the lower half of the chain, from the
//! account's document down to the signature over this connection's nonce.

use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};

use crate::account::{AccountClaims, AccountSigningKey};
use crate::connection::{ConnectionType, time_zone};
use crate::nkey::{PublicKey, Verifier};
use crate::permission_set::{PermissionError, PermissionSet};
use crate::signed_user::SignedUser;
use crate::template::{self, TemplateError};
use crate::trust::Trust;
use crate::user::UserLimits;

/// How the client proves that the user JWT is its own.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// A client of the network: the user key signs what the server chose.
    Nonce {
        /// The nonce of this connection, the bytes as they stand in INFO.
        nonce: &'a [u8],
        /// `sig` of CONNECT, base64; a bearer user needs none.
        signature: Option<&'a str>,
    },
    /// The JWT came over the mutually authenticated stream of the control
    /// plane, which holds the account's key itself.
    FleetStream,
}

/// What the node knows about a connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionFacts<'a> {
    /// The proof of possession.
    pub proof: Proof<'a>,
    /// The peer's address; `None` inside the process. A user with `src` needs one.
    pub client_ip: Option<IpAddr>,
    /// How the client is connected.
    pub connection_type: ConnectionType,
    /// Seconds since 1970.
    pub now: i64,
}

/// Who logged in with a JWT, and from where: what [`reauthenticate`] looks at again.
#[derive(Debug, Clone)]
pub struct SignedLogin {
    /// The user's claims as signed.
    pub user: SignedUser,
    client_ip: Option<IpAddr>,
    connection_type: ConnectionType,
}

/// Who is connected, and what the connection may do.
#[derive(Debug, Clone)]
pub struct AuthenticatedUser {
    /// Who it is.
    pub login: SignedLogin,
    /// What it may do.
    pub rights: Rights,
    /// When the connection has to end, seconds since 1970: the user's expiry or
    /// the end of the time window, whichever comes first.
    pub expires_at: Option<i64>,
}

/// What the documents give a user, whoever connects as it. Clones share it.
#[derive(Debug, Clone)]
pub struct Rights {
    /// The limits that count: the template's for a user of a scoped key, with
    /// the account's default permissions where nothing else is said.
    /// Limits of the account are not worked in.
    pub limits: Arc<UserLimits>,
    /// The permissions of `limits`, compiled.
    pub permissions: Arc<PermissionSet>,
}

impl AuthenticatedUser {
    /// Has the rights of another user, if they are equal: then both keep them once. Says whether
    /// they were.
    pub fn share(&mut self, rights: &Rights) -> bool {
        let equal = self.rights.limits == rights.limits;
        if equal {
            self.rights = rights.clone();
            self.login.user.share_limits(&rights.limits);
        }
        equal
    }
}

/// Why a user is refused; each variant is the rule that decided. Clients are
/// only told "Authorization Violation": the rest is for the account's events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The user belongs to another account than the one it was checked against.
    #[error("the user belongs to account {named}, not to {account}")]
    OtherAccount {
        /// The account in the user's claims.
        named: PublicKey,
        /// The account it was checked against.
        account: PublicKey,
    },
    /// The account was signed by a key that no longer speaks for the operator.
    #[error("the account is signed by {issuer}, which is not a key of the operator")]
    UntrustedAccount {
        /// Who signed the account.
        issuer: PublicKey,
    },
    /// Signed by a key that is none of the account's.
    #[error("the user is signed by {issuer}, which is not a key of the account")]
    UnknownIssuer {
        /// Who signed the user.
        issuer: PublicKey,
    },
    /// The account's identity signed, and the operator wants signing keys for that.
    #[error("the user is signed by the account's identity key, but the operator asks for a signing key")]
    IdentityKeyRefused,
    /// A user of a scoped key carries permissions or limits of its own.
    #[error("the user is signed by a scoped signing key and must not carry permissions or limits")]
    ScopedUserWithLimits,
    /// The functions of the scope's template, such as `{{name()}}`, give this user no rules.
    #[error("the template of the scoped signing key does not fit the user")]
    ScopeTemplate(#[from] TemplateError),
    /// The user's document ended.
    #[error("the user expired at {at}")]
    Expired {
        /// Seconds since 1970.
        at: i64,
    },
    /// The user's document has not begun.
    #[error("the user is not valid before {at}")]
    NotYetValid {
        /// Seconds since 1970.
        at: i64,
    },
    /// The account's document ended.
    #[error("the account expired at {at}")]
    AccountExpired {
        /// Seconds since 1970.
        at: i64,
    },
    /// The account's document has not begun.
    #[error("the account is not valid before {at}")]
    AccountNotYetValid {
        /// Seconds since 1970.
        at: i64,
    },
    /// A bearer user in an account that wants none.
    #[error("the account refuses bearer tokens")]
    BearerRefused,
    /// The way of connecting is not among those allowed.
    #[error("the user may not connect as {0}")]
    ConnectionType(ConnectionType),
    /// The account lets a service decide about this user, which is not built.
    #[error("the account asks an auth callout service about the user, which is not supported")]
    AuthCalloutUnsupported,
    /// The user may only come through a trusted proxy, and none is known.
    #[error("the user may only connect through a trusted proxy")]
    ProxyRequired,
    /// No signature over the nonce.
    #[error("the client did not sign the nonce")]
    SignatureMissing,
    /// A signature that is not the user key's over this nonce.
    #[error("the client's signature over the nonce does not match the user's key")]
    SignatureInvalid,
    /// The document is void.
    #[error("the user is revoked: its document of {issued_at} is void")]
    Revoked {
        /// When the user's document was signed.
        issued_at: i64,
    },
    /// The client's address is in none of the user's networks.
    #[error("the user may not connect from this address")]
    Source {
        /// The address, if there is one.
        client_ip: Option<IpAddr>,
    },
    /// Outside of the user's times of day.
    #[error("the user may not connect at this time of day")]
    OutsideTimes,
    /// Times of day in a zone that nobody knows.
    #[error("the user's times of day are in {location:?}, which is no time zone")]
    UnknownTimesLocation {
        /// The zone.
        location: String,
    },
    /// A rule that cannot be read.
    #[error("the user's permissions cannot be read")]
    Permissions(#[source] PermissionError),
}

impl AuthError {
    /// A stable word for events and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherAccount { .. } => "other_account",
            Self::UntrustedAccount { .. } => "untrusted_account",
            Self::UnknownIssuer { .. } => "unknown_issuer",
            Self::IdentityKeyRefused => "identity_key_refused",
            Self::ScopedUserWithLimits => "scoped_user_with_limits",
            Self::ScopeTemplate(_) => "scope_template",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::AccountExpired { .. } => "account_expired",
            Self::AccountNotYetValid { .. } => "account_not_yet_valid",
            Self::BearerRefused => "bearer_refused",
            Self::ConnectionType(_) => "connection_type",
            Self::AuthCalloutUnsupported => "auth_callout_unsupported",
            Self::ProxyRequired => "proxy_required",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureInvalid => "signature_invalid",
            Self::Revoked { .. } => "revoked",
            Self::Source { .. } => "source_address",
            Self::OutsideTimes => "outside_times",
            Self::UnknownTimesLocation { .. } => "unknown_times_location",
            Self::Permissions(_) => "invalid_permissions",
        }
    }
}

/// Decides whether a client may connect as `user` to `account`, which has to
/// be the one that [`SignedUser::account`] names.
pub fn authenticate(
    trust: &Trust,
    account: &AccountClaims,
    user: SignedUser,
    facts: &ConnectionFacts<'_>,
) -> Result<AuthenticatedUser, AuthError> {
    decide(trust, account, user, None, facts)
}

/// The same for a user that was authenticated before, against these very
/// documents, and got these rights: they are not worked out again. Everything
/// else is asked as ever.
pub fn authenticate_known(
    trust: &Trust,
    account: &AccountClaims,
    user: SignedUser,
    rights: &Rights,
    facts: &ConnectionFacts<'_>,
) -> Result<AuthenticatedUser, AuthError> {
    decide(trust, account, user, Some(rights), facts)
}

fn decide(
    trust: &Trust,
    account: &AccountClaims,
    user: SignedUser,
    known: Option<&Rights>,
    facts: &ConnectionFacts<'_>,
) -> Result<AuthenticatedUser, AuthError> {
    let login = SignedLogin {
        user,
        client_ip: facts.client_ip,
        connection_type: facts.connection_type,
    };
    let standing = check_standing(trust, account, &login, known, facts.now)?;
    check_proof(&login.user, standing.rights.limits.bearer_token, &facts.proof)?;
    Ok(standing.into_user(login))
}

/// Asks again for a live connection after the account or the operator
/// changed: everything but the proof, which was given when it connected. What
/// comes back may have other permissions and another end than before.
pub fn reauthenticate(
    trust: &Trust,
    account: &AccountClaims,
    login: &SignedLogin,
    now: i64,
) -> Result<AuthenticatedUser, AuthError> {
    let standing = check_standing(trust, account, login, None, now)?;
    Ok(standing.into_user(login.clone()))
}

/// A signature as CONNECT carries it.
pub fn encode_signature(signature: &[u8; 64]) -> String {
    BASE64URL_NOPAD.encode(signature)
}

/// What the documents give the user.
struct Standing {
    rights: Rights,
    expires_at: Option<i64>,
}

impl Standing {
    fn into_user(self, login: SignedLogin) -> AuthenticatedUser {
        let Self { rights, expires_at } = self;
        AuthenticatedUser {
            login,
            rights,
            expires_at,
        }
    }
}

fn check_standing(
    trust: &Trust,
    account: &AccountClaims,
    login: &SignedLogin,
    known: Option<&Rights>,
    now: i64,
) -> Result<Standing, AuthError> {
    let SignedLogin {
        user,
        client_ip,
        connection_type,
    } = login;
    let (claims, client_ip, connection_type) = (user.claims(), *client_ip, *connection_type);
    if let Some(at) = claims.expires_at.filter(|&at| now >= at) {
        return Err(AuthError::Expired { at });
    }
    if let Some(at) = claims.not_before.filter(|&at| now < at) {
        return Err(AuthError::NotYetValid { at });
    }
    if claims.account != account.subject {
        return Err(AuthError::OtherAccount {
            named: claims.account,
            account: account.subject,
        });
    }
    if !trust.is_trusted(&account.issuer) {
        return Err(AuthError::UntrustedAccount {
            issuer: account.issuer,
        });
    }
    let limits = match known {
        Some(rights) => rights.limits.clone(),
        None => granted_by_issuer(trust, account, user)?,
    };
    if let Some(at) = account.expires_at.filter(|&at| now >= at) {
        return Err(AuthError::AccountExpired { at });
    }
    if let Some(at) = account.not_before.filter(|&at| now < at) {
        return Err(AuthError::AccountNotYetValid { at });
    }
    if account
        .auth_callout
        .as_ref()
        .is_some_and(|callout| !callout.auth_users.contains(&claims.subject))
    {
        return Err(AuthError::AuthCalloutUnsupported);
    }
    if limits.bearer_token && account.limits.disallow_bearer {
        return Err(AuthError::BearerRefused);
    }
    if limits.proxy_required {
        return Err(AuthError::ProxyRequired);
    }
    if !connection_type.is_allowed_by(&limits.allowed_connection_types) {
        return Err(AuthError::ConnectionType(connection_type));
    }
    if account.is_revoked(&claims.subject, claims.issued_at) {
        return Err(AuthError::Revoked {
            issued_at: claims.issued_at,
        });
    }
    let from_a_listed_network = |ip: IpAddr| limits.src.iter().any(|network| network.contains(ip));
    if !limits.src.is_empty() && !client_ip.is_some_and(from_a_listed_network) {
        return Err(AuthError::Source { client_ip });
    }
    let window_end = end_of_window(&limits, now)?;
    let rights = match known {
        Some(rights) => rights.clone(),
        None => work_out(account, limits)?,
    };
    let expires_at = [claims.expires_at, window_end].into_iter().flatten().min();
    Ok(Standing { rights, expires_at })
}

fn work_out(account: &AccountClaims, mut limits: Arc<UserLimits>) -> Result<Rights, AuthError> {
    if limits.permissions.is_empty() && !account.default_permissions.is_empty() {
        Arc::make_mut(&mut limits).permissions = account.default_permissions.clone();
    }
    let permissions = PermissionSet::compile(&limits.permissions).map_err(AuthError::Permissions)?;
    Ok(Rights {
        limits,
        permissions: Arc::new(permissions),
    })
}

/// The user's limits, from its own claims or from the scope of the key that signed it.
fn granted_by_issuer(
    trust: &Trust,
    account: &AccountClaims,
    user: &SignedUser,
) -> Result<Arc<UserLimits>, AuthError> {
    let claims = user.claims();
    if claims.issuer == account.subject {
        if trust.operator().strict_signing_key_usage {
            return Err(AuthError::IdentityKeyRefused);
        }
        return Ok(user.limits().clone());
    }
    match account.signing_key(&claims.issuer) {
        None => Err(AuthError::UnknownIssuer {
            issuer: claims.issuer,
        }),
        Some(AccountSigningKey::Plain(_)) => Ok(user.limits().clone()),
        Some(AccountSigningKey::Scoped(_)) if **user.limits() != UserLimits::default() => {
            Err(AuthError::ScopedUserWithLimits)
        }
        Some(AccountSigningKey::Scoped(scope)) => {
            Ok(Arc::new(template::expand(&scope.template, claims, account)?))
        }
    }
}

/// When the user's time of day ends; `None` when it has none.
fn end_of_window(limits: &UserLimits, now: i64) -> Result<Option<i64>, AuthError> {
    if limits.times.is_empty() {
        return Ok(None);
    }
    let zone = time_zone(&limits.times_location).ok_or_else(|| AuthError::UnknownTimesLocation {
        location: limits.times_location.chars().take(64).collect(),
    })?;
    let end = limits
        .times
        .iter()
        .filter_map(|window| window.end_at(now, &zone))
        .max();
    end.map(Some).ok_or(AuthError::OutsideTimes)
}

fn check_proof(user: &SignedUser, bearer: bool, proof: &Proof<'_>) -> Result<(), AuthError> {
    match proof {
        Proof::Nonce { nonce, signature } if !bearer => check_nonce(user.verifier(), nonce, *signature),
        _ => Ok(()),
    }
}

/// Whether a client signed what the server chose with this key; `signature` is `sig` of CONNECT.
pub fn verify_nonce(key: &PublicKey, nonce: &[u8], signature: Option<&str>) -> Result<(), AuthError> {
    check_nonce(&Verifier::new(key), nonce, signature)
}

fn check_nonce(key: &Verifier, nonce: &[u8], signature: Option<&str>) -> Result<(), AuthError> {
    let text = signature
        .filter(|text| !text.is_empty())
        .ok_or(AuthError::SignatureMissing)?;
    // Stock servers take the same two ways to write it. No other one, so that a signature has few spellings.
    let signature = [BASE64URL_NOPAD, BASE64]
        .iter()
        .find_map(|encoding| encoding.decode(text.as_bytes()).ok())
        .ok_or(AuthError::SignatureInvalid)?;
    key.verify(nonce, &signature)
        .map_err(|_| AuthError::SignatureInvalid)
}
