//! A body taken apart: values with the bytes they were written as.

use crate::bounds::JSON_DEPTH_MAX;
use crate::json::JsonError;
use crate::json::text::quoted_char;

/// A value and how it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node<'a> {
    /// The bytes between its start and its end.
    pub(crate) raw: &'a [u8],
    pub(crate) value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it was written: the target's type decides whether it fits.
    Number(&'a str),
    String(String),
    Array(Vec<Node<'a>>),
    /// In the order of the text; a name may come twice.
    Object(Vec<(String, Node<'a>)>),
}

/// Takes values from the front of a body.
pub(crate) struct Parser<'a> {
    body: &'a [u8],
    at: usize,
    depth: usize,
}

const IN_STRING: &str = "in string";
const IN_NUMBER: &str = "in numeric literal";

impl<'a> Parser<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            at: 0,
            depth: 0,
        }
    }

    /// The next value; none when only blanks are left.
    pub(crate) fn next(&mut self) -> Result<Option<Node<'a>>, JsonError> {
        self.skip_blanks();
        if self.at == self.body.len() {
            return Ok(None);
        }
        self.node().map(Some)
    }

    /// The only value there is.
    pub(crate) fn only(&mut self) -> Result<Node<'a>, JsonError> {
        let node = self.next()?.ok_or(JsonError::End)?;
        self.skip_blanks();
        if self.at < self.body.len() {
            return Err(self.unexpected("after top-level value"));
        }
        Ok(node)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.body.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.body.get(self.at).copied().ok_or(JsonError::End)
    }

    /// Refuses the character at hand.
    fn unexpected(&self, context: &str) -> JsonError {
        let rest = &self.body[self.at.min(self.body.len())..];
        let character = first_char(rest);
        JsonError::Syntax {
            text: format!("invalid character {} {context}", quoted_char(character)),
            offset: self.at + character.len_utf8(),
        }
    }

    /// Refuses the escape that ends after so many more bytes.
    fn bad_escape(&self, bytes: usize) -> JsonError {
        let start = self.body[..self.at].iter().rposition(|&byte| byte == b'\\');
        let end = (self.at + bytes).min(self.body.len());
        let sequence = String::from_utf8_lossy(&self.body[start.unwrap_or(self.at)..end]);
        JsonError::Syntax {
            text: format!("invalid escape sequence `{sequence}` in string"),
            offset: end,
        }
    }

    fn node(&mut self) -> Result<Node<'a>, JsonError> {
        let start = self.at;
        let value = match self.peek()? {
            b'{' => self.nested(Self::object)?,
            b'[' => self.nested(Self::array)?,
            b'"' => Value::String(self.string()?),
            b't' => self.literal("true", Value::Bool(true))?,
            b'f' => self.literal("false", Value::Bool(false))?,
            b'n' => self.literal("null", Value::Null)?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(self.unexpected("looking for beginning of value")),
        };
        Ok(Node {
            raw: &self.body[start..self.at],
            value,
        })
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Value<'a>, JsonError>,
    ) -> Result<Value<'a>, JsonError> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(JsonError::Syntax {
                text: "exceeded max depth".to_owned(),
                offset: self.at + 1,
            });
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value<'a>, JsonError> {
        let mut fields = Vec::new();
        self.skip_blanks();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(Value::Object(fields));
        }
        loop {
            self.skip_blanks();
            if self.peek()? != b'"' {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let name = self.string()?;
            self.skip_blanks();
            if self.peek()? != b':' {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.skip_blanks();
            fields.push((name, self.node()?));
            self.skip_blanks();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
        self.at += 1;
        Ok(Value::Object(fields))
    }

    fn array(&mut self) -> Result<Value<'a>, JsonError> {
        let mut elements = Vec::new();
        self.skip_blanks();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            self.skip_blanks();
            elements.push(self.node()?);
            self.skip_blanks();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.unexpected("after array element")),
            }
        }
        self.at += 1;
        Ok(Value::Array(elements))
    }

    fn literal(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        for &expected in word.as_bytes() {
            if self.peek()? != expected {
                let context = format!("in literal {word} (expecting {})", quoted_char(expected.into()));
                return Err(self.unexpected(&context));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return Err(self.unexpected(IN_NUMBER)),
        }
        if self.body.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.body.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            self.some_digits()?;
        }
        let text = str::from_utf8(&self.body[start..self.at]).expect("digits, signs and letters are ASCII");
        Ok(Value::Number(text))
    }

    fn digits(&mut self) {
        while matches!(self.body.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.unexpected(IN_NUMBER));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    self.escape(&mut bytes)?;
                }
                0..=0x1f => return Err(self.unexpected(IN_STRING)),
                byte => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        // What is no text becomes the replacement character, as in stock servers.
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    fn escape(&mut self, to: &mut Vec<u8>) -> Result<(), JsonError> {
        let plain = match self.peek()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.at += 1;
                return self.unicode(to);
            }
            _ => return Err(self.bad_escape(1)),
        };
        self.at += 1;
        to.push(plain);
        Ok(())
    }

    fn unicode(&mut self, to: &mut Vec<u8>) -> Result<(), JsonError> {
        let mut unit = self.unit()?;
        // Half of a pair without its other half becomes the replacement character.
        if (0xd800..0xdc00).contains(&unit) && self.body[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.unit()?;
            if (0xdc00..0xe000).contains(&low) {
                unit = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            } else {
                self.at = back;
            }
        }
        let character = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
        to.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let mut unit = 0;
        for left in (1..=4).rev() {
            let Some(digit) = char::from(self.peek()?).to_digit(16) else {
                return Err(self.bad_escape(left));
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }
}

fn first_char(bytes: &[u8]) -> char {
    let end = bytes.len().min(4);
    let text = match str::from_utf8(&bytes[..end]) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).expect("it is valid up to there"),
    };
    text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}
