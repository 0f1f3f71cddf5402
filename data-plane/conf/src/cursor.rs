//! The text that is read, and the place in it.

use std::sync::Arc;

use crate::position::Position;
use crate::syntax_error::{SyntaxError, SyntaxReason};

/// Reads a text character by character and always knows where it is.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    file: Arc<str>,
    at: usize,
    line: u32,
    column: u32,
}

/// A place to say where something began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    at: usize,
    line: u32,
    column: u32,
}

impl<'a> Cursor<'a> {
    /// A byte order mark, which some editors put first, is no part of the text.
    pub(crate) fn new(file: Arc<str>, text: &'a str) -> Self {
        Self {
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            file,
            at: 0,
            line: 1,
            column: 1,
        }
    }

    /// The next character.
    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes over the next character.
    pub(crate) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        if next == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(next)
    }

    /// Goes over the next character if it is this one.
    pub(crate) fn eat(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.bump();
        }
        found
    }

    /// Goes over so many bytes, which must end between two characters.
    pub(crate) fn advance(&mut self, bytes: usize) {
        let end = self.at + bytes;
        while self.at < end {
            self.bump();
        }
    }

    /// Goes over characters as long as they are of a kind.
    pub(crate) fn skip_while(&mut self, of_kind: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&of_kind) {
            self.bump();
        }
    }

    /// Goes over the rest of the line.
    pub(crate) fn skip_line(&mut self) {
        let rest = self.rest();
        let line = &rest[..rest.find(is_line_end).unwrap_or(rest.len())];
        self.at += line.len();
        self.column = self
            .column
            .saturating_add(u32::try_from(line.chars().count()).unwrap_or(u32::MAX));
    }

    /// This place.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            line: self.line,
            column: self.column,
        }
    }

    /// The text from a place to here.
    pub(crate) fn since(&self, mark: Mark) -> &'a str {
        &self.text[mark.at..self.at]
    }

    /// A place as a value keeps it.
    pub(crate) fn position(&self, mark: Mark) -> Position {
        Position::new(Arc::clone(&self.file), mark.line, mark.column)
    }

    /// An error at a place.
    pub(crate) fn error(&self, mark: Mark, reason: SyntaxReason) -> SyntaxError {
        SyntaxError {
            at: self.position(mark),
            reason,
        }
    }

    /// An error here.
    pub(crate) fn error_here(&self, reason: SyntaxReason) -> SyntaxError {
        self.error(self.mark(), reason)
    }
}

/// Blanks inside a line.
pub(crate) fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Ends of a line.
pub(crate) fn is_line_end(c: char) -> bool {
    c == '\n' || c == '\r'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut cursor = Cursor::new("f".into(), "\u{feff}aé\nb");
        let places: Vec<_> = std::iter::from_fn(|| {
            let at = cursor.position(cursor.mark());
            cursor.bump().map(|c| (c, at.line(), at.column()))
        })
        .collect();
        assert_eq!(places, [('a', 1, 1), ('é', 1, 2), ('\n', 1, 3), ('b', 2, 1)]);
    }
}
