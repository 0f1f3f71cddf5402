//! What `$NAME` stands for.
//!
//! A reference finds the keys that are set *above* it in the blocks that are open around it, the
//! innermost first, and else a variable of the environment. The text of such a variable is read as
//! a value: `4222` is a number, `{user: a}` a map, and `$OTHER` goes on in the environment.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::bounds::{DEPTH_MAX, VARIABLE_DEPTH_MAX};
use crate::cursor::{Cursor, Mark, is_blank};
use crate::secret::Secret;
use crate::syntax_error::{SyntaxError, SyntaxReason};
use crate::tree::{Document, Parser, skip_blanks_and_comment, skip_space_and_comments};
use crate::value::{Map, Node, Value};

/// What a document was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A file.
    File,
    /// A variable of the environment.
    Variable,
}

/// The value for a reference that began at `begin`.
pub(crate) fn resolve(
    parser: &mut Parser<'_>,
    document: &mut Document<'_>,
    begin: Mark,
    name: &str,
) -> Result<Value, SyntaxError> {
    let above = document.scopes.iter_mut().rev().find_map(|map| map.get_mut(name));
    if let Some(entry) = above {
        entry.referenced = true;
        let measure = entry.node.measure();
        let refuse = |reason| document.cursor.error(begin, reason);
        if document.depth + measure.depth > DEPTH_MAX + 1 {
            return Err(refuse(SyntaxReason::TooDeep));
        }
        // Weighed before it is copied: that keeps references to references small.
        parser.weigh(measure.weight).map_err(refuse)?;
        return Ok(entry.node.value.clone());
    }
    let refuse = |reason| document.cursor.error(begin, reason);
    if parser.open_variables.iter().any(|open| open == name) {
        return Err(refuse(SyntaxReason::VariableCycle(name.to_owned())));
    }
    if parser.open_variables.len() >= VARIABLE_DEPTH_MAX {
        return Err(refuse(SyntaxReason::VariableTooDeep));
    }
    let Some(text) = parser.around.variable(name) else {
        return Err(refuse(SyntaxReason::UnknownVariable(name.to_owned())));
    };
    let text = Zeroizing::new(text);
    parser.open_variables.push(name.to_owned());
    let node = environment(parser, name, &text, document.depth).map_err(|error| {
        refuse(match error.reason {
            // The bounds and the circle are about the configuration, not about this variable.
            reason @ (SyntaxReason::VariableCycle(_) | SyntaxReason::VariableTooDeep) => reason,
            reason => SyntaxReason::InvalidVariable {
                name: name.to_owned(),
                reason: Box::new(reason),
            },
        })
    })?;
    parser.open_variables.pop();
    Ok(node.value)
}

/// Reads the text of a variable: one value, and nothing but a comment behind it.
fn environment(parser: &mut Parser<'_>, name: &str, text: &str, depth: usize) -> Result<Node, SyntaxError> {
    let file: Arc<str> = format!("${name}").into();
    let text = parser.text(&file, text.as_bytes())?;
    let mut document = Document::variable(Cursor::new(file, text), depth);
    document.cursor.skip_while(is_blank);
    if document.cursor.peek().is_none() {
        // A variable that is set to nothing is an empty text.
        let at = document.cursor.position(document.cursor.mark());
        let value = Value::Text(Secret::default());
        return Ok(Node { value, at });
    }
    let node = parser.value(&mut document)?;
    skip_blanks_and_comment(&mut document.cursor);
    if !document.cursor.eat(';') {
        document.cursor.eat(',');
    }
    skip_space_and_comments(&mut document.cursor);
    match document.cursor.peek() {
        None => Ok(node),
        Some(_) => Err(document.cursor.error_here(SyntaxReason::ExpectedEnd)),
    }
}

impl<'a> Document<'a> {
    /// A document that sees no keys but its own.
    fn variable(cursor: Cursor<'a>, depth: usize) -> Self {
        Self {
            cursor,
            path: "",
            scopes: vec![Map::default()],
            depth,
            reading: Reading::Variable,
        }
    }
}
