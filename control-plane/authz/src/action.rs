//! Everything that somebody may be allowed to do.

/// What an action is about, and so which scope it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Something inside one organization.
    Organization,
    /// Something of the whole installation.
    Platform,
}

macro_rules! actions {
    ($(#[doc = $doc:literal] $name:ident = $word:literal, $reach:ident;)*) => {
        /// An action on a resource. The word (`account.create`) stands in the audit log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $(#[doc = $doc] $name,)*
        }

        impl Action {
            /// All actions, in the order of the rights table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word that names the action: resource, dot, verb.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Whether the action is about one organization or about the installation.
            pub const fn reach(self) -> Reach {
                match self {
                    $(Self::$name => Reach::$reach,)*
                }
            }

            /// What the action does, for the rights table; the text of its documentation.
            pub(crate) const fn documentation(self) -> &'static str {
                match self {
                    $(Self::$name => $doc,)*
                }
            }
        }
    };
}

actions! {
    /// Create an organization.
    OrganizationCreate = "organization.create", Platform;
    /// List all organizations.
    OrganizationList = "organization.list", Platform;
    /// Grant an organization other quotas.
    OrganizationGrant = "organization.grant", Platform;
    /// Delete an organization without accounts.
    OrganizationDelete = "organization.delete", Platform;
    /// See an organization's name.
    OrganizationRead = "organization.read", Organization;
    /// Create an API token of the organization.
    ApiTokenCreate = "api_token.create", Organization;
    /// List the API tokens of the organization, without their secrets.
    ApiTokenList = "api_token.list", Organization;
    /// Delete an API token.
    ApiTokenDelete = "api_token.delete", Organization;
    /// Create an account.
    AccountCreate = "account.create", Organization;
    /// List accounts.
    AccountList = "account.list", Organization;
    /// See an account, its limits and what is open in it.
    AccountRead = "account.read", Organization;
    /// Change an account's limits, up to what the platform granted.
    AccountUpdate = "account.update", Organization;
    /// Cut an account off.
    AccountSuspend = "account.suspend", Organization;
    /// Let a suspended account in again, unless the platform suspended it.
    AccountResume = "account.resume", Organization;
    /// Name the cell that a new account lives in.
    AccountPlace = "account.place", Platform;
    /// Set limits beyond what was granted, which makes them the grant.
    AccountGrant = "account.grant", Platform;
    /// Resume an account that the platform suspended.
    AccountPardon = "account.pardon", Platform;
    /// Delete an account.
    AccountDelete = "account.delete", Organization;
    /// See how far an account's newest document has travelled.
    AccountRolloutRead = "account.rollout_read", Organization;
    /// Send a message into an account and read the reply.
    AccountRequest = "account.request", Organization;
    /// See what an account used.
    UsageRead = "usage.read", Organization;
    /// Create a user of an account.
    UserCreate = "user.create", Organization;
    /// List an account's users.
    UserList = "user.list", Organization;
    /// See a user and its permissions.
    UserRead = "user.read", Organization;
    /// Delete a user and revoke its credentials.
    UserDelete = "user.delete", Organization;
    /// Issue credentials for a user.
    IssuanceCreate = "issuance.create", Organization;
    /// List what was issued for a user.
    IssuanceList = "issuance.list", Organization;
    /// Revoke issued credentials.
    IssuanceRevoke = "issuance.revoke", Organization;
    /// Create a cell.
    CellCreate = "cell.create", Platform;
    /// List cells.
    CellList = "cell.list", Platform;
    /// See a cell, its nodes and what they refused.
    CellRead = "cell.read", Platform;
    /// Delete a cell without accounts.
    CellDelete = "cell.delete", Platform;
    /// Create a one-time token with which a node joins a cell.
    EnrolmentTokenCreate = "enrolment_token.create", Platform;
    /// Create a one-time link that signs a browser in.
    SignInLinkCreate = "sign_in_link.create", Platform;
    /// Run the installation: first start, fleet, metering. Nobody's request.
    SystemRun = "system.run", Platform;
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
