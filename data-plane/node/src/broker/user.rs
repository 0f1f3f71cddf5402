//! Who is logged in, and what it may do.

use std::sync::Arc;

use tollway_claims::{AuthenticatedUser, PermissionSet, PublicKey, Rights, SignedLogin, UserLimits};

use super::users::{Listed, Secret};

/// A user, as its clients hold it. Users of a list share one among all their clients.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// Limits and permissions that count. Limits of the account are not worked in.
    pub(crate) limits: Arc<UserLimits>,
    /// The permissions of `limits`, compiled.
    pub(crate) permissions: Arc<PermissionSet>,
    /// When the connection has to end, seconds since 1970.
    pub(crate) expires_at: Option<i64>,
    pub(crate) origin: Origin,
}

/// What let it in.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A JWT.
    Signed(Box<SignedLogin>),
    /// The list of a configuration.
    Listed(Listed),
}

impl User {
    /// The node itself, when it publishes in an account.
    pub(crate) fn of_node(account: PublicKey) -> Self {
        Self {
            limits: Arc::new(UserLimits::unlimited()),
            permissions: Arc::default(),
            expires_at: None,
            origin: Origin::Listed(Listed {
                name: None,
                account,
                secret: Secret::None,
            }),
        }
    }
}

impl User {
    /// What it is called: its public key, or its name in a list.
    pub(crate) fn name(&self) -> Option<String> {
        match &self.origin {
            Origin::Signed(login) => Some(login.user.claims().subject.to_string()),
            Origin::Listed(listed) => listed.name.clone(),
        }
    }
}

impl From<AuthenticatedUser> for User {
    fn from(user: AuthenticatedUser) -> Self {
        let AuthenticatedUser {
            login,
            rights: Rights { limits, permissions },
            expires_at,
        } = user;
        Self {
            limits,
            permissions,
            expires_at,
            origin: Origin::Signed(Box::new(login)),
        }
    }
}
