//! Text in quotes, as the texts of errors show it.

use std::fmt::Write as _;

/// The text in double quotes, with escapes for what would not be readable.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character, '"');
    }
    quoted.push('"');
    quoted
}

/// One character in single quotes.
pub(crate) fn quoted_char(character: char) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, character, '\'');
    quoted.push('\'');
    quoted
}

fn push_escaped(to: &mut String, character: char, quote: char) {
    match character {
        '\\' => to.push_str("\\\\"),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        '\u{7}' => to.push_str("\\a"),
        '\u{8}' => to.push_str("\\b"),
        '\u{b}' => to.push_str("\\v"),
        '\u{c}' => to.push_str("\\f"),
        _ if character == quote => {
            to.push('\\');
            to.push(quote);
        }
        '\0'..='\x1f' | '\x7f' => {
            let _ = write!(to, "\\x{:02x}", u32::from(character));
        }
        _ => to.push(character),
    }
}
