//! Roles: what kind of caller somebody is.

use std::fmt;
use std::str::FromStr;

/// What a token or session may do; the table is in `tollway-authz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the installation: everything, in every organization. Belongs to no organization.
    PlatformAdmin,
    /// Everything in one organization, its API tokens included.
    Owner,
    /// Everything in one organization but handing out API tokens.
    Admin,
    /// Reads accounts, manages their users and credentials, sends requests.
    Developer,
    /// Reads.
    Viewer,
}

/// A word that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of platform_admin, owner, admin, developer and viewer")]
pub struct UnknownRole;

impl Role {
    /// All roles, the mightiest first.
    pub const ALL: [Self; 5] = [
        Self::PlatformAdmin,
        Self::Owner,
        Self::Admin,
        Self::Developer,
        Self::Viewer,
    ];

    /// The word that the API and the database use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// Whether the role is one in an organization; the only other one is [`Self::PlatformAdmin`].
    pub const fn is_in_organization(self) -> bool {
        !matches!(self, Self::PlatformAdmin)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back_from_its_word_and_from_json() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        assert_eq!("root".parse::<Role>(), Err(UnknownRole));
    }
}
