//! Which right each operation needs that takes a body: asked before anything of the body is read.
//!
//! Operations have the same names in the OpenAPI document and as methods of the gRPC services. The function
//! behind the operation asks for its right all the same, and for the organization that it is about.

use tollway_authz::{Action, Reach, authorize, authorize_platform};

use super::{AppError, OpContext};

/// `None` for operations that take no body.
pub(crate) fn action_of(operation: &str) -> Option<Action> {
    Some(match operation {
        "CreateOrganization" => Action::OrganizationCreate,
        "UpdateOrganization" => Action::OrganizationGrant,
        "CreateApiToken" => Action::ApiTokenCreate,
        "CreateAccount" => Action::AccountCreate,
        "UpdateAccount" => Action::AccountUpdate,
        "SuspendAccount" => Action::AccountSuspend,
        "RequestInAccount" => Action::AccountRequest,
        "CreateUser" => Action::UserCreate,
        "IssueCredentials" => Action::IssuanceCreate,
        "CreateCell" => Action::CellCreate,
        "CreateEnrolmentToken" => Action::EnrolmentTokenCreate,
        _ => return None,
    })
}

impl OpContext {
    /// Whether the caller's role has the right of the operation, wherever that is about.
    ///
    /// # Errors
    /// `forbidden`, which tells nothing of what there is: it depends on the caller alone.
    pub(crate) fn check_role(&self, operation: &str) -> Result<(), AppError> {
        let Some(action) = action_of(operation) else {
            return Ok(());
        };
        match (action.reach(), self.principal().organization()) {
            (Reach::Platform, _) => drop(authorize_platform(self.principal(), action)?),
            (Reach::Organization, Some(home)) => drop(authorize(self.principal(), action, home)?),
            (Reach::Organization, None) => {}
        }
        Ok(())
    }
}
