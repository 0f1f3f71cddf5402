//! Who is logged in, and what it may do.

use tollway_claims::{AuthenticatedUser, PermissionSet, SignedLogin, UserLimits};

use super::users::Listed;

/// A user, as its clients hold it. Users of a list share one among all their clients.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// Limits and permissions that count. Limits of the account are not worked in.
    pub(crate) limits: UserLimits,
    /// The permissions of `limits`, compiled.
    pub(crate) permissions: PermissionSet,
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

impl From<AuthenticatedUser> for User {
    fn from(user: AuthenticatedUser) -> Self {
        let AuthenticatedUser {
            login,
            limits,
            permissions,
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
