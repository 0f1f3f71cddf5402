//! A user's claims as a node keeps them while the user is connected.

use std::sync::{Arc, OnceLock};

use crate::nkey::{PublicKey, Verifier};
use crate::token::TokenError;
use crate::user::{UserClaims, UserLimits};

/// A user's claims whose issuer signed them. Only decoding makes one, so what
/// it says was said by its issuer, though nobody has asked yet whether that
/// issuer may. Clones share the claims.
#[derive(Debug, Clone)]
pub struct SignedUser {
    signed: Arc<Signed>,
    /// Apart, because many users have the same.
    limits: Arc<UserLimits>,
}

#[derive(Debug)]
struct Signed {
    identity: UserIdentity,
    /// The user's key, from the first time that it was asked for a proof.
    verifier: OnceLock<Verifier>,
}

/// Who a user is and how long its document counts: [`UserClaims`] without permissions and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserIdentity {
    /// The account's identity key or one of its signing keys.
    pub issuer: PublicKey,
    /// The account that the user belongs to.
    pub account: PublicKey,
    /// The user's own key.
    pub subject: PublicKey,
    /// A name for people.
    pub name: String,
    /// When it was signed, seconds since 1970.
    pub issued_at: i64,
    /// From when on the user is refused, seconds since 1970.
    pub expires_at: Option<i64>,
    /// Before this the user is refused, seconds since 1970.
    pub not_before: Option<i64>,
    /// Labels, `key:value` by custom.
    pub tags: Vec<String>,
    /// Whose credentials these are, see [`UserClaims::user`].
    pub user: Option<String>,
}

impl PartialEq for SignedUser {
    fn eq(&self, other: &Self) -> bool {
        self.claims() == other.claims() && self.limits == other.limits
    }
}

impl Eq for SignedUser {}

impl SignedUser {
    /// Reads a user JWT and checks its signature.
    pub fn decode(jwt: &str) -> Result<Self, TokenError> {
        let claims = UserClaims::decode(jwt)?;
        let account = claims.account();
        let UserClaims {
            issuer,
            issuer_account: _,
            subject,
            name,
            issued_at,
            expires_at,
            not_before,
            tags,
            user,
            limits,
        } = claims;
        let identity = UserIdentity {
            issuer,
            account,
            subject,
            name,
            issued_at,
            expires_at,
            not_before,
            tags,
            user,
        };
        let verifier = OnceLock::new();
        Ok(Self {
            signed: Arc::new(Signed { identity, verifier }),
            limits: Arc::new(limits),
        })
    }

    /// The account to look up and to authenticate against.
    pub fn account(&self) -> PublicKey {
        self.claims().account
    }

    /// The claims, without permissions and limits.
    pub fn claims(&self) -> &UserIdentity {
        &self.signed.identity
    }

    /// Whether somebody else has it too.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.signed) > 1
    }

    /// Permissions and limits, as the document has them.
    pub(crate) fn limits(&self) -> &Arc<UserLimits> {
        &self.limits
    }

    /// Keeps these limits instead of its own, if they are equal.
    pub(crate) fn share_limits(&mut self, limits: &Arc<UserLimits>) {
        if self.limits == *limits {
            self.limits = limits.clone();
        }
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        self.signed
            .verifier
            .get_or_init(|| Verifier::new(&self.claims().subject))
    }
}
