//! The step before something that cuts clients off.

use askama::Template;

use super::Shell;
use crate::form::Field;

/// Asks once more, and says what will happen.
#[derive(Clone, Debug, Template)]
#[template(path = "confirm.html")]
pub struct ConfirmPage {
    /// Who looks at it.
    pub shell: Shell,
    /// The question, as a heading.
    pub question: String,
    /// What will happen, a sentence each.
    pub consequences: Vec<String>,
    /// Where the form goes.
    pub action: String,
    /// What the button says.
    pub button: String,
    /// Whether clients are cut off by it.
    pub danger: bool,
    /// Where not doing it leads.
    pub back: String,
    /// A reason to be given; absent where none is asked for.
    pub reason: Option<Field>,
}
