//! The rights table.

use std::fmt::Write as _;

use tollway_model::Role;

use crate::{Action, Reach};

/// Whether the role may do the action where it is at home: this function is the table.
///
/// Platform admins may do everything. Actions that reach the platform are theirs alone.
pub const fn allows(role: Role, action: Action) -> bool {
    use Action as A;
    match role {
        Role::PlatformAdmin => true,
        // Below, only actions inside the caller's own organization are left.
        _ if matches!(action.reach(), Reach::Platform) => false,
        Role::Owner => true,
        // A token may have any role of the organization: whoever makes one could make an owner.
        Role::Admin => !matches!(action, A::ApiTokenCreate | A::ApiTokenDelete),
        Role::Developer => {
            reads(action)
                || matches!(
                    action,
                    A::UserCreate | A::UserDelete | A::IssuanceCreate | A::IssuanceRevoke | A::AccountRequest
                )
        }
        Role::Viewer => reads(action),
    }
}

/// The roles that may do the action inside their own organization, the greatest first; none when it is for
/// platform admins alone.
pub fn roles_that_may(action: Action) -> impl Iterator<Item = Role> {
    Role::ALL
        .into_iter()
        .filter(move |role| role.is_in_organization() && allows(*role, action))
}

/// Actions that change nothing and show no secret. A list of API tokens tells who else has which
/// rights, which is the business of those who hand them out.
const fn reads(action: Action) -> bool {
    use Action as A;
    matches!(
        action,
        A::OrganizationRead
            | A::AccountList
            | A::AccountRead
            | A::AccountRolloutRead
            | A::UsageRead
            | A::UserList
            | A::UserRead
            | A::IssuanceList
    )
}

/// The table as a Markdown document: `docs/rights.md` is this text.
pub fn rights_markdown() -> String {
    let mut text = String::from(
        "# Rights\n\
         \n\
         Who may do what. Made from `control-plane/authz`; a test compares it. To renew it after a change:\n\
         \n\
         ```\n\
         UPDATE_GOLDEN=1 cargo nextest run -p tollway-authz rights\n\
         ```\n\
         \n\
         Owners, admins, developers and viewers act inside their own organization; anything of another one\n\
         is answered as if it did not exist. A platform admin belongs to no organization and may enter all.\n\
         \n\
         | action | reach |",
    );
    for role in Role::ALL {
        write!(text, " {role} |").expect("a String takes every text");
    }
    text.push_str(" what |\n|---|---|");
    text.push_str(&"---|".repeat(Role::ALL.len() + 1));
    text.push('\n');
    for &action in Action::ALL {
        let reach = match action.reach() {
            Reach::Organization => "organization",
            Reach::Platform => "platform",
        };
        write!(text, "| `{action}` | {reach} |").expect("a String takes every text");
        for role in Role::ALL {
            text.push_str(if allows(role, action) { " yes |" } else { " - |" });
        }
        let what = action.documentation().trim();
        writeln!(text, " {what} |").expect("a String takes every text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test compares a file")]
    fn the_rights_document_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rights.md");
        if std::env::var("UPDATE_GOLDEN").is_ok() {
            std::fs::write(&path, rights_markdown()).unwrap();
        }
        let document = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            document,
            rights_markdown(),
            "docs/rights.md is not the table: run UPDATE_GOLDEN=1 cargo nextest run -p tollway-authz rights"
        );
    }

    #[test]
    fn a_smaller_role_never_has_a_right_that_a_greater_one_lacks() {
        for pair in Role::ALL.windows(2) {
            for &action in Action::ALL {
                assert!(
                    allows(pair[0], action) || !allows(pair[1], action),
                    "{} {action}",
                    pair[1]
                );
            }
        }
    }

    #[test]
    fn a_viewer_changes_nothing() {
        for &action in Action::ALL {
            let verb = action.as_str().rsplit('.').next().unwrap();
            if allows(Role::Viewer, action) {
                assert!(matches!(verb, "read" | "list" | "rollout_read"), "{action}");
            }
        }
    }

    #[test]
    fn only_owners_and_platform_admins_hand_out_api_tokens() {
        let makers: Vec<_> = Role::ALL
            .into_iter()
            .filter(|role| allows(*role, Action::ApiTokenCreate))
            .collect();
        assert_eq!(makers, [Role::PlatformAdmin, Role::Owner]);
    }

    #[test]
    fn the_words_of_actions_are_unique() {
        let words: std::collections::BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(words.len(), Action::ALL.len());
    }
}
