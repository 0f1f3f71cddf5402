//! What people typed, with what was wrong about it, so that a refused form
//! comes back as they left it.

/// A field of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// What stands in the field.
    pub value: String,
    /// Why it was refused; empty when it was not.
    pub error: String,
}

impl Field {
    /// A field with a value and nothing wrong.
    pub fn with(value: impl Into<String>) -> Field {
        Field {
            value: value.into(),
            error: String::new(),
        }
    }

    /// Whether the value was refused.
    pub fn refused(&self) -> bool {
        !self.error.is_empty()
    }
}

/// A choice of a field with a fixed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
}

/// The form that makes an account.
#[derive(Clone, Debug, Default)]
pub struct NewAccountForm {
    /// Organization the account will belong to, by id.
    pub organization: Field,
    /// Its name.
    pub name: Field,
    /// The cell that will serve it; empty leaves the choice to Tollway.
    pub cell: Field,
    /// What was wrong beside the fields; empty when nothing was.
    pub error: String,
}

/// The form that makes a user.
#[derive(Clone, Debug)]
pub struct NewUserForm {
    /// Its name.
    pub name: Field,
    /// Subjects it may publish to, one a line; empty allows all.
    pub publish_allow: Field,
    /// Filters it may subscribe with, one a line; empty allows all.
    pub subscribe_allow: Field,
    /// Whether it may answer requests outside of what it may publish to; beside an empty `publish_allow`
    /// it may then publish nothing else.
    pub allow_responses: bool,
    /// What was wrong beside the fields; empty when nothing was.
    pub error: String,
}

/// Empty, and answering requests allowed: a service that may not answer is a
/// puzzle that nobody asked for.
impl Default for NewUserForm {
    fn default() -> NewUserForm {
        NewUserForm {
            name: Field::default(),
            publish_allow: Field::default(),
            subscribe_allow: Field::default(),
            allow_responses: false,
            error: String::new(),
        }
    }
}

impl NewUserForm {
    /// Whether the permissions have to be in sight: something stands there.
    pub fn has_permissions(&self) -> bool {
        [&self.publish_allow, &self.subscribe_allow]
            .into_iter()
            .any(|field| !field.value.is_empty() || field.refused())
            || self.allow_responses
    }
}

/// Subjects as people type them in a text area: one a line, or parted by
/// commas. A filter may hold a blank before its queue group, so a blank does
/// not part.
pub fn subjects(text: &str) -> Vec<String> {
    text.split(['\n', ','])
        .map(str::trim)
        .filter(|subject| !subject.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_parted_by_lines_and_commas_and_keep_queue_groups() {
        assert_eq!(
            subjects("orders.>\r\n\r\n billing.*, audit \n"),
            ["orders.>", "billing.*", "audit"]
        );
        assert_eq!(subjects("jobs.* workers"), ["jobs.* workers"]);
        assert!(subjects(" \n,").is_empty());
    }
}
