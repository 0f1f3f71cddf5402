//! The form that makes an account.

use askama::Template;

use super::Shell;
use crate::form::{Choice, NewAccountForm};

/// A form for a new account.
#[derive(Clone, Debug, Template)]
#[template(path = "new_account.html")]
pub struct NewAccountPage {
    /// Who looks at it.
    pub shell: Shell,
    /// Organizations to choose from; one alone needs no choice, and is named.
    pub organizations: Vec<Choice>,
    /// Cells to choose from; empty for those who do not see the fleet.
    pub cells: Vec<Choice>,
    /// What was typed before.
    pub form: NewAccountForm,
}
