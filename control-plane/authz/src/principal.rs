//! Who asks.

use std::fmt;

use tollway_model::{ApiTokenId, NodeId, OrganizationId, Role, SessionId};

/// Who did something, for the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A machine with an API token.
    ApiToken(ApiTokenId),
    /// A signed-in browser.
    Session(SessionId),
    /// A node, over the fleet stream.
    Node(NodeId),
    /// A part of the control plane itself, such as `bootstrap`.
    System(&'static str),
}

impl fmt::Display for Actor {
    /// `tok_...`, `ses_...`, `nod_...` or `system:bootstrap`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiToken(id) => id.fmt(f),
            Self::Session(id) => id.fmt(f),
            Self::Node(id) => id.fmt(f),
            Self::System(part) => write!(f, "system:{part}"),
        }
    }
}

/// A caller whose identity was proved.
///
/// A platform admin belongs to no organization, everybody else to exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    role: Role,
    organization: Option<OrganizationId>,
    actor: Actor,
}

/// A platform admin in an organization, or somebody else in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a platform admin belongs to no organization, and everybody else to one")]
pub struct InvalidPrincipal;

impl Principal {
    /// A caller with what its token or session says.
    ///
    /// # Errors
    /// Role and organization do not go together.
    pub fn new(
        role: Role,
        organization: Option<OrganizationId>,
        actor: Actor,
    ) -> Result<Self, InvalidPrincipal> {
        if role.is_in_organization() != organization.is_some() {
            return Err(InvalidPrincipal);
        }
        Ok(Self {
            role,
            organization,
            actor,
        })
    }

    /// A part of the control plane acting by itself, such as `bootstrap` or `fleet`. Never for requests.
    pub const fn system(part: &'static str) -> Self {
        Self {
            role: Role::PlatformAdmin,
            organization: None,
            actor: Actor::System(part),
        }
    }

    /// What the caller is.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The organization the caller belongs to; `None` for platform admins, who may enter any.
    pub const fn organization(&self) -> Option<OrganizationId> {
        self.organization
    }

    /// Whether the caller's role has this right where it is at home. For rules about what a permitted
    /// call may say; a permission itself comes from [`crate::authorize`].
    pub const fn may(&self, action: crate::Action) -> bool {
        crate::allows(self.role, action)
    }

    /// Who the caller is in the audit log.
    pub const fn actor(&self) -> Actor {
        self.actor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_platform_admins_are_in_no_organization() {
        let organization = OrganizationId::new(1, [1; 10]);
        let actor = Actor::System("test");
        for role in Role::ALL {
            let alone = Principal::new(role, None, actor).is_ok();
            let inside = Principal::new(role, Some(organization), actor).is_ok();
            assert_eq!(
                (alone, inside),
                (role == Role::PlatformAdmin, role != Role::PlatformAdmin),
                "{role}"
            );
        }
    }

    #[test]
    fn actors_are_told_apart_in_the_audit_log() {
        assert_eq!(Actor::System("bootstrap").to_string(), "system:bootstrap");
        assert!(
            Actor::ApiToken(ApiTokenId::new(1, [1; 10]))
                .to_string()
                .starts_with("tok_")
        );
    }
}
