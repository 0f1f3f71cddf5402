//! Where something stands in a configuration.

use std::fmt;
use std::sync::Arc;

/// A place in a file, as editors count: lines and columns from 1, a column for each character.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position {
    file: Arc<str>,
    line: u32,
    column: u32,
}

impl Position {
    pub(crate) fn new(file: Arc<str>, line: u32, column: u32) -> Self {
        Self { file, line, column }
    }

    /// The path of the file, or `$NAME` for a value that came from the environment.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The character in the line, from 1.
    pub fn column(&self) -> u32 {
        self.column
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
