//! Values that hold no other values: texts, numbers, booleans, dates, references.
//!
//! The language has no marks for most of them, so that their first characters decide:
//!
//! ```text
//! "…"  '…'  (…)            a text; escapes only between double quotes
//! 12   -12   4kb   1.5     a number, if a separator follows
//! 10s  3secret             a text, because something else follows
//! 10.0.0.1:4222            a text, because of the second point
//! 2026-02-28T23:59:59Z     a date; four digits and a minus can be nothing else
//! yes  Off                 a boolean
//! $NAME                    a reference
//! anything                 a text, up to a separator; escapes count
//! ```

use zeroize::Zeroizing;

use crate::cursor::{Cursor, Mark, is_blank, is_line_end};
use crate::date::{DATE_CHARS, Date};
use crate::secret::Secret;
use crate::syntax_error::{Opened, SyntaxError, SyntaxReason};
use crate::value::Value;

/// What was read.
pub(crate) enum Scalar {
    /// The value itself.
    Value(Value),
    /// The name of something that is set elsewhere.
    Reference(String),
}

impl From<Value> for Scalar {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

fn text(text: &str) -> Value {
    Value::Text(Secret::new(text.to_owned()))
}

/// Reads the scalar that begins here.
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Scalar, SyntaxError> {
    match cursor.peek() {
        Some('"') => double_quoted(cursor).map(Scalar::from),
        Some('\'') => single_quoted(cursor).map(Scalar::from),
        Some('(') => block(cursor).map(Scalar::from),
        Some('-') => negative(cursor),
        Some('.') => Err(cursor.error_here(SyntaxReason::PointWithoutDigit)),
        Some(c) if c.is_ascii_digit() => begins_with_digit(cursor),
        Some(c) if !ends_unquoted(c) => unquoted(cursor, cursor.mark()),
        _ => Err(cursor.error_here(SyntaxReason::ExpectedValue)),
    }
}

/// What an unquoted text ends before.
fn ends_unquoted(c: char) -> bool {
    is_blank(c) || is_line_end(c) || matches!(c, ';' | ',' | ']' | '}')
}

fn at_end_of_unquoted(cursor: &Cursor<'_>) -> bool {
    cursor.peek().is_none_or(ends_unquoted)
}

/// Everything up to the next `'`; there is no way to write one.
fn single_quoted(cursor: &mut Cursor<'_>) -> Result<Value, SyntaxError> {
    let begin = cursor.mark();
    cursor.bump();
    let Some(length) = cursor.rest().find('\'') else {
        return Err(cursor.error(begin, SyntaxReason::Unclosed(Opened::Quote)));
    };
    let content = text(&cursor.rest()[..length]);
    cursor.advance(length + 1);
    Ok(content)
}

fn double_quoted(cursor: &mut Cursor<'_>) -> Result<Value, SyntaxError> {
    let begin = cursor.mark();
    cursor.bump();
    let content = cursor.mark();
    loop {
        match cursor.peek() {
            None => return Err(cursor.error(begin, SyntaxReason::Unclosed(Opened::Quote))),
            Some('"') => break,
            Some('\\') => escape(cursor)?,
            Some(_) => {
                cursor.bump();
            }
        }
    }
    let value = unescaped(cursor, content, cursor.since(content))?;
    cursor.bump();
    Ok(value)
}

/// Everything up to a `)` that has a line of its own; the line ends inside belong to the text.
fn block(cursor: &mut Cursor<'_>) -> Result<Value, SyntaxError> {
    let begin = cursor.mark();
    cursor.bump();
    let rest = cursor.rest();
    let closes = |at: &usize| rest[at + 2..].is_empty() || rest[at + 2..].starts_with('\n');
    let Some(line_end) = rest.match_indices("\n)").map(|(at, _)| at).find(closes) else {
        return Err(cursor.error(begin, SyntaxReason::Unclosed(Opened::Block)));
    };
    let content = text(&rest[..=line_end]);
    cursor.advance(line_end + 2);
    Ok(content)
}

/// A text without quotes that began at `begin`; the cursor may be past its first characters.
///
/// A `'` ends it too and is dropped: such a text is never a boolean or a reference.
fn unquoted(cursor: &mut Cursor<'_>, begin: Mark) -> Result<Scalar, SyntaxError> {
    let plain = cursor.mark();
    let mut escaped = false;
    while !at_end_of_unquoted(cursor) && cursor.peek() != Some('\'') {
        if cursor.peek() == Some('\\') {
            escaped = true;
            escape(cursor)?;
        } else {
            cursor.bump();
        }
    }
    let written = cursor.since(begin);
    if escaped {
        let head = written.len() - cursor.since(plain).len();
        let value = unescaped_after(cursor, begin, written, head)?;
        cursor.eat('\'');
        return Ok(value.into());
    }
    if cursor.eat('\'') {
        return Ok(text(written).into());
    }
    if let Some(truth) = boolean(written) {
        return Ok(Value::Boolean(truth).into());
    }
    match written.strip_prefix('$') {
        // A hashed password needs no quotes, although it looks like a reference.
        Some(name) if !is_bcrypt(name) => Ok(Scalar::Reference(name.to_owned())),
        _ => Ok(text(written).into()),
    }
}

fn boolean(word: &str) -> Option<bool> {
    const LONGEST: usize = "false".len();
    if word.len() > LONGEST {
        return None;
    }
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn is_bcrypt(name: &str) -> bool {
    ["2a$", "2b$", "2x$", "2y$"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Goes over one escape.
fn escape(cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
    let begin = cursor.mark();
    let bytes = cursor.rest().as_bytes();
    let length = match bytes.get(1) {
        Some(b't' | b'n' | b'r' | b'"' | b'\\') => 2,
        Some(b'x') if bytes.len() >= 4 && bytes[2..4].iter().all(u8::is_ascii_hexdigit) => 4,
        _ => return Err(cursor.error(begin, SyntaxReason::InvalidEscape)),
    };
    cursor.advance(length);
    Ok(())
}

/// A text whose escapes were gone over with [`escape`].
fn unescaped(cursor: &Cursor<'_>, begin: Mark, written: &str) -> Result<Value, SyntaxError> {
    unescaped_after(cursor, begin, written, 0)
}

/// The same, except that the first `head` bytes stand for themselves.
fn unescaped_after(
    cursor: &Cursor<'_>,
    begin: Mark,
    written: &str,
    head: usize,
) -> Result<Value, SyntaxError> {
    if !written[head..].contains('\\') {
        return Ok(text(written));
    }
    // Escapes only make a text shorter: this never grows, so no copy of a secret is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(written.len()));
    bytes.extend_from_slice(&written.as_bytes()[..head]);
    let mut rest = &written.as_bytes()[head..];
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&kind, after) = rest.split_first().expect("escape() saw the character");
        rest = after;
        bytes.push(match kind {
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'x' => {
                let (pair, after) = rest.split_at(2);
                rest = after;
                hex_digit(pair[0]) << 4 | hex_digit(pair[1])
            }
            itself => itself,
        });
    }
    match std::str::from_utf8(&bytes) {
        Ok(unescaped) => Ok(text(unescaped)),
        Err(_) => Err(cursor.error(begin, SyntaxReason::EscapesNotUtf8)),
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

fn begins_with_digit(cursor: &mut Cursor<'_>) -> Result<Scalar, SyntaxError> {
    let begin = cursor.mark();
    cursor.skip_while(|c| c.is_ascii_digit());
    match cursor.peek() {
        Some('-') => date(cursor, begin),
        Some('.') => fraction(cursor, begin),
        Some(c) if size_factors(c).is_some() => sized(cursor, begin),
        _ if at_end_of_unquoted(cursor) => integer(cursor, begin, 1),
        // The first character that makes it a text stands for itself, even a quote or a backslash.
        _ => {
            cursor.bump();
            unquoted(cursor, begin)
        }
    }
}

fn negative(cursor: &mut Cursor<'_>) -> Result<Scalar, SyntaxError> {
    let begin = cursor.mark();
    cursor.bump();
    if !cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        return Err(cursor.error(begin, SyntaxReason::MinusWithoutNumber));
    }
    cursor.skip_while(|c| c.is_ascii_digit());
    match cursor.peek() {
        Some('.') => fraction(cursor, begin),
        Some(c) if size_factors(c).is_some() => sized(cursor, begin),
        _ => integer(cursor, begin, 1),
    }
}

fn integer(cursor: &Cursor<'_>, begin: Mark, factor: i64) -> Result<Scalar, SyntaxError> {
    let written = cursor.since(begin);
    let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number = digits.parse::<i64>().ok().and_then(|n| n.checked_mul(factor));
    match number {
        Some(number) => Ok(Value::Integer(number).into()),
        None => Err(cursor.error(begin, SyntaxReason::NumberTooLarge)),
    }
}

/// What one of a size stands for: as a power of 1000, and as a power of 1024.
fn size_factors(suffix: char) -> Option<(i64, i64)> {
    let power = match suffix.to_ascii_lowercase() {
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        'e' => 6,
        _ => return None,
    };
    Some((1000_i64.pow(power), 1024_i64.pow(power)))
}

/// A number with a size behind it, such as `4k` or `4KiB`, or a text that looked like one, such as `10kx`.
fn sized(cursor: &mut Cursor<'_>, begin: Mark) -> Result<Scalar, SyntaxError> {
    let suffix = cursor.bump().expect("the caller saw the suffix");
    let (thousands, binary) = size_factors(suffix).expect("the caller saw a suffix");
    let unit = cursor.mark();
    cursor.skip_while(|c| matches!(c, 'b' | 'B' | 'i' | 'I'));
    let factor = match cursor.since(unit).to_ascii_lowercase().as_str() {
        "" => Some(thousands),
        "b" | "i" | "ib" => Some(binary),
        _ => None,
    };
    // Stock servers read `[4k]` as a list with a text in it, and nothing is gained by differing.
    if !at_end_of_unquoted(cursor) || cursor.peek() == Some(']') {
        return unquoted(cursor, begin);
    }
    match factor {
        Some(factor) => integer(cursor, begin, factor),
        None => Err(cursor.error(begin, SyntaxReason::InvalidSize)),
    }
}

/// Digits, a point and digits are a number; a second point makes it an address.
fn fraction(cursor: &mut Cursor<'_>, begin: Mark) -> Result<Scalar, SyntaxError> {
    cursor.bump();
    if !cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        return Err(cursor.error(begin, SyntaxReason::PointWithoutDigit));
    }
    cursor.skip_while(|c| c.is_ascii_digit());
    if cursor.peek() == Some('.') {
        cursor.skip_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | '-'));
        return Ok(text(cursor.since(begin)).into());
    }
    match cursor.since(begin).parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Float(number).into()),
        _ => Err(cursor.error(begin, SyntaxReason::NumberTooLarge)),
    }
}

fn date(cursor: &mut Cursor<'_>, begin: Mark) -> Result<Scalar, SyntaxError> {
    let year = cursor.since(begin).len();
    let length = DATE_CHARS - year.min(DATE_CHARS);
    let Some(after_year) = cursor.rest().get(..length) else {
        return Err(cursor.error(begin, SyntaxReason::InvalidDate));
    };
    let written = [cursor.since(begin), after_year].concat();
    match Date::parse(&written) {
        Some(date) => {
            cursor.advance(length);
            Ok(Value::Date(date).into())
        }
        None => Err(cursor.error(begin, SyntaxReason::InvalidDate)),
    }
}
