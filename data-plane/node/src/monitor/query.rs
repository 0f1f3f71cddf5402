//! What stands behind the question mark of a page's address.

use std::collections::HashMap;

/// The parameters of one request; of several with one name the last counts.
#[derive(Debug, Default)]
pub(crate) struct Query(HashMap<String, String>);

/// A value that is none for its parameter. Its text is for whoever asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidQuery(pub(crate) String);

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
                "Error decoding boolean for '{name}': \"{}\"",
                shown(other)
            ))),
        }
    }

    /// A number that means none when it is 0.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, InvalidQuery> {
        let number: Option<u64> = self.parsed(name, "uint64")?;
        Ok(number.filter(|number| *number != 0))
    }

    /// A whole number.
    pub(super) fn signed(&self, name: &str) -> Result<Option<i64>, InvalidQuery> {
        self.parsed(name, "int")
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str, kind: &str) -> Result<Option<T>, InvalidQuery> {
        let number = self.text(name).map(|text| {
            let wrong = |_| InvalidQuery(format!("Error decoding {kind} for '{name}': \"{}\"", shown(text)));
            text.parse().map_err(wrong)
        });
        number.transpose()
    }
}

/// Characters of a text that are repeated to who sent it.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// A text of whoever asks, as it may be repeated: short, and with nothing that a terminal obeys.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN_CHARACTERS_MAX)
        .flat_map(char::escape_debug)
        .collect()
}
