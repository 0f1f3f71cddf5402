//! Scopes: the proof that a permission was asked for and given.

use tollway_model::OrganizationId;

use crate::{Action, Actor, Principal, Reach, rights};

/// The whole installation, as the target of a [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform;

/// A permission that was given: to act on `T`, as somebody, for one action.
///
/// Made by [`authorize`] and [`authorize_platform`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<T> {
    target: T,
    actor: Actor,
    action: Action,
    of_platform: bool,
}

impl<T> Scope<T> {
    /// Whether it was given to somebody of the platform, who belongs to no organization.
    pub fn is_of_platform(&self) -> bool {
        self.of_platform
    }

    /// Who acts, for the audit log.
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// What was permitted, for the audit log.
    pub fn action(&self) -> Action {
        self.action
    }
}

impl Scope<OrganizationId> {
    /// The one organization that may be acted in.
    pub fn organization(&self) -> OrganizationId {
        self.target
    }
}

/// Why a permission was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The caller must not learn whether the thing exists: answer "not found".
    #[error("there is no such thing for this caller")]
    Hidden,
    /// The caller may know the thing, and may not do this with it.
    #[error("the caller's role does not allow {action}")]
    Forbidden {
        /// What was asked for: [`roles_that_may`](crate::roles_that_may) says who may.
        action: Action,
    },
}

/// May `principal` do `action` inside `organization`?
///
/// # Errors
/// [`Denied::Hidden`] in somebody else's organization, [`Denied::Forbidden`] when the role is too small.
pub fn authorize(
    principal: &Principal,
    action: Action,
    organization: OrganizationId,
) -> Result<Scope<OrganizationId>, Denied> {
    if principal.organization().is_some_and(|home| home != organization) {
        return Err(Denied::Hidden);
    }
    if action.reach() != Reach::Organization || !rights::allows(principal.role(), action) {
        return Err(Denied::Forbidden { action });
    }
    Ok(Scope {
        target: organization,
        actor: principal.actor(),
        action,
        of_platform: principal.organization().is_none(),
    })
}

/// May `principal` do `action` on the installation?
///
/// # Errors
/// [`Denied::Forbidden`] for everybody but platform admins.
pub fn authorize_platform(principal: &Principal, action: Action) -> Result<Scope<Platform>, Denied> {
    if action.reach() != Reach::Platform || !rights::allows(principal.role(), action) {
        return Err(Denied::Forbidden { action });
    }
    Ok(Scope {
        target: Platform,
        actor: principal.actor(),
        action,
        of_platform: true,
    })
}

impl Scope<Platform> {
    /// The scope of a part of the control plane that acts by itself, such as `fleet` or `metering`.
    /// Never for requests: those have a caller to ask about.
    pub const fn system(part: &'static str) -> Self {
        Self {
            target: Platform,
            actor: Actor::System(part),
            action: Action::SystemRun,
            of_platform: true,
        }
    }

    /// The installation.
    pub fn platform(&self) -> Platform {
        self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollway_model::Role;

    fn organization(number: u64) -> OrganizationId {
        OrganizationId::new(number, [0; 10])
    }

    fn member(role: Role) -> Principal {
        let home = role.is_in_organization().then(|| organization(1));
        Principal::new(role, home, Actor::System("test")).unwrap()
    }

    #[test]
    fn nobody_of_an_organization_gets_a_scope_of_another_one() {
        for role in Role::ALL.into_iter().filter(|role| role.is_in_organization()) {
            for &action in Action::ALL {
                assert_eq!(
                    authorize(&member(role), action, organization(2)),
                    Err(Denied::Hidden),
                    "{action}"
                );
            }
        }
    }

    #[test]
    fn nobody_of_an_organization_gets_a_scope_of_the_platform() {
        for role in Role::ALL.into_iter().filter(|role| role.is_in_organization()) {
            for &action in Action::ALL {
                assert_eq!(
                    authorize_platform(&member(role), action),
                    Err(Denied::Forbidden { action }),
                    "{action}"
                );
            }
        }
    }

    #[test]
    fn a_platform_admin_enters_every_organization_and_the_scope_says_which() {
        let admin = member(Role::PlatformAdmin);
        let scope = authorize(&admin, Action::AccountDelete, organization(7)).unwrap();
        assert_eq!(scope.organization(), organization(7));
        assert!(scope.is_of_platform());
        assert_eq!(scope.action(), Action::AccountDelete);
    }

    #[test]
    fn an_action_gives_only_the_scope_of_its_reach() {
        let admin = member(Role::PlatformAdmin);
        for &action in Action::ALL {
            let inside = authorize(&admin, action, organization(1)).is_ok();
            let platform = authorize_platform(&admin, action).is_ok();
            assert_eq!(
                (inside, platform),
                match action.reach() {
                    Reach::Organization => (true, false),
                    Reach::Platform => (false, true),
                }
            );
        }
    }
}
