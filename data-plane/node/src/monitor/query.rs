//! What stands behind the question mark of a page's address.

use std::collections::HashMap;

/// The parameters of one request; of several with one name the last counts.
#[derive(Debug, Default)]
pub(super) struct Query(HashMap<String, String>);

/// A value that is none for its parameter. Its text is for whoever asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidQuery(pub(super) String);

impl From<HashMap<String, String>> for Query {
    fn from(parameters: HashMap<String, String>) -> Self {
        Self(parameters)
    }
}

impl Query {
    /// Says a parameter, whatever was said before.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// A text; an empty one stands for none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Whether a page is to tell more.
    pub(super) fn switch(&self, name: &str) -> Result<bool, InvalidQuery> {
        match self.text(name) {
            None => Ok(false),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(other) => Err(InvalidQuery(format!(
                "Error decoding boolean for '{name}': {other:?}"
            ))),
        }
    }

    /// A whole number from 0.
    pub(super) fn number(&self, name: &str, usual: usize) -> Result<usize, InvalidQuery> {
        match self.text(name) {
            None => Ok(usual),
            Some(text) => text
                .parse()
                .map_err(|_| InvalidQuery(format!("Error decoding int for '{name}': {text:?}"))),
        }
    }
}
