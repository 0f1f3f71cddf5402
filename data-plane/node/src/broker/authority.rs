//! Who decides whether a client may log in.

use tollway_claims::{PublicKey, Trust};

use super::users::UserList;

/// What a broker asks about users.
#[derive(Debug)]
pub enum Authority {
    /// An operator: users show JWTs that its accounts signed.
    Operator(Trust),
    /// A configuration that lists its users.
    Users(UserList),
}

/// What clients hear about logins in INFO.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Greeting {
    /// That they have to authenticate.
    pub(crate) auth_required: bool,
    /// Something to sign.
    pub(crate) nonce: bool,
    /// They are somebody's, sooner or later: who says nothing at all is not left waiting.
    pub(crate) limited: bool,
}

impl Authority {
    /// What a client is told that is not in yet.
    pub(crate) fn greeting(&self) -> Greeting {
        match self {
            Self::Operator(_) => Greeting::SIGN,
            Self::Users(users) => Greeting {
                auth_required: users.asks(),
                nonce: users.takes_signatures(),
                limited: users.knows_users(),
            },
        }
    }

    /// Whether there are users at all, also when clients may come that show none.
    pub(crate) fn knows_users(&self) -> bool {
        match self {
            Self::Operator(_) => true,
            Self::Users(users) => users.knows_users(),
        }
    }

    /// The account of those who run the node.
    pub(crate) fn system_account(&self) -> Option<PublicKey> {
        match self {
            Self::Operator(trust) => trust.operator().system_account,
            Self::Users(users) => users.system_account(),
        }
    }
}

impl Greeting {
    /// For users with JWTs, also as long as nobody decides.
    pub(crate) const SIGN: Self = Self {
        auth_required: true,
        nonce: true,
        limited: true,
    };
}
