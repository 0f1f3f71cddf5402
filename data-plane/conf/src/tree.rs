//! From text to tree.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::bounds::{
    DEPTH_MAX, FILE_BYTES_MAX, INCLUDE_DEPTH_MAX, INCLUDES_MAX, NODE_WEIGHT, PROBLEMS_MAX, TOTAL_BYTES_MAX,
    WEIGHT_MAX,
};
use crate::cursor::{Cursor, Mark, is_blank, is_line_end};
use crate::notice::{Notice, NoticeReason};
use crate::position::Position;
use crate::scalar::{self, Scalar};
use crate::surroundings::{Surroundings, include_path};
use crate::syntax_error::{Opened, SyntaxError, SyntaxReason};
use crate::value::{Entry, Map, Node, Value};
use crate::variables::{self, Reading};

/// A configuration as it is written, with includes and references put in.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The keys at the top.
    pub root: Map,
    /// The beginning of the first file, for what is said about the whole.
    pub at: Position,
    /// What a person should know.
    pub notices: Vec<Notice>,
}

impl Tree {
    /// Reads a file whose bytes are there already; `path` is where it came from. The same path,
    /// bytes and surroundings always give the same answer.
    pub fn parse(path: &str, bytes: &[u8], around: &mut dyn Surroundings) -> Result<Self, SyntaxError> {
        let mut parser = Parser::new(around);
        let root = parser.file(path, bytes, 0)?;
        Ok(Self {
            root,
            at: Position::new(path.into(), 1, 1),
            notices: parser.notices,
        })
    }
}

/// What all files of one configuration share.
pub(crate) struct Parser<'a> {
    pub(crate) around: &'a mut dyn Surroundings,
    /// Files that are being read, each included by the one before it.
    open_files: Vec<String>,
    /// Variables of the environment that are being read.
    pub(crate) open_variables: Vec<String>,
    includes: usize,
    bytes: usize,
    weight: usize,
    notices: Vec<Notice>,
}

/// One file, or one variable of the environment, while it is read.
pub(crate) struct Document<'a> {
    pub(crate) cursor: Cursor<'a>,
    /// Where it came from; includes are looked for beside it.
    pub(crate) path: &'a str,
    /// Maps that are open, the outermost first. References look through them from the innermost.
    pub(crate) scopes: Vec<Map>,
    /// How deep the next value will lie.
    pub(crate) depth: usize,
    pub(crate) reading: Reading,
}

/// What keys stand in.
#[derive(Clone, Copy)]
enum Block {
    /// The file itself.
    Top,
    /// Brackets around keys that stay keys of the file.
    Bare(Mark),
    /// A value.
    Map(Mark),
}

impl<'a> Parser<'a> {
    fn new(around: &'a mut dyn Surroundings) -> Self {
        Self {
            around,
            open_files: Vec::new(),
            open_variables: Vec::new(),
            includes: 0,
            bytes: 0,
            weight: 0,
            notices: Vec::new(),
        }
    }

    /// Reads a whole file. Its keys see no variables of the file that includes it.
    fn file(&mut self, path: &str, bytes: &[u8], depth: usize) -> Result<Map, SyntaxError> {
        let file: Arc<str> = path.into();
        let text = self.text(&file, bytes)?;
        let mut document = Document {
            cursor: Cursor::new(file, text),
            path,
            scopes: vec![Map::default()],
            depth: depth + 1,
            reading: Reading::File,
        };
        self.open_files.push(path.to_owned());
        self.entries(&mut document, Block::Top)?;
        self.open_files.pop();
        Ok(document
            .scopes
            .pop()
            .expect("every block closes only its own scope"))
    }

    /// Checks what every text has to keep to before it is read.
    pub(crate) fn text<'t>(&mut self, file: &Arc<str>, bytes: &'t [u8]) -> Result<&'t str, SyntaxError> {
        let refuse = |line: usize, reason| SyntaxError {
            at: Position::new(Arc::clone(file), u32::try_from(line).unwrap_or(u32::MAX), 1),
            reason,
        };
        if bytes.len() > FILE_BYTES_MAX {
            return Err(refuse(1, SyntaxReason::FileTooLong));
        }
        self.bytes += bytes.len();
        if self.bytes > TOTAL_BYTES_MAX {
            return Err(refuse(1, SyntaxReason::TotalTooLong));
        }
        let line_of = |at: usize| 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        if let Some(zero) = bytes.iter().position(|byte| *byte == 0) {
            return Err(refuse(line_of(zero), SyntaxReason::ZeroByte));
        }
        std::str::from_utf8(bytes)
            .map_err(|error| refuse(line_of(error.valid_up_to()), SyntaxReason::NotUtf8))
    }

    /// Keys and values up to the end of the block.
    fn entries(&mut self, document: &mut Document<'_>, block: Block) -> Result<(), SyntaxError> {
        loop {
            skip_space_and_comments(&mut document.cursor);
            let here = document.cursor.mark();
            match (document.cursor.peek(), block) {
                (None, Block::Top) => return Ok(()),
                (None, Block::Bare(begin) | Block::Map(begin)) => {
                    return Err(document.cursor.error(begin, SyntaxReason::Unclosed(Opened::Map)));
                }
                (Some('}'), Block::Bare(_) | Block::Map(_)) => {
                    document.cursor.bump();
                    return Ok(());
                }
                (Some('}'), Block::Top) => {
                    self.stray_bracket(document)?;
                    skip_space_and_comments(&mut document.cursor);
                    if document.cursor.peek().is_some() {
                        return Err(document.cursor.error(here, SyntaxReason::StrayBracket));
                    }
                }
                (Some('{'), Block::Top | Block::Bare(_)) => {
                    document.cursor.bump();
                    let depth = document.depth;
                    self.enter(document, here)?;
                    self.entries(document, Block::Bare(here))?;
                    document.depth = depth;
                    document.cursor.skip_while(is_blank);
                    if matches!(block, Block::Bare(_)) && !document.cursor.eat(',') {
                        document.cursor.eat(';');
                    }
                }
                (Some(_), _) => {
                    self.entry(document, block)?;
                    self.end_of_entry(document, block)?;
                }
            }
        }
    }

    /// A key and its value, or an include.
    fn entry(&mut self, document: &mut Document<'_>, block: Block) -> Result<(), SyntaxError> {
        let begin = document.cursor.mark();
        let (key, quoted) = key(&mut document.cursor)?;
        let blank_follows = document.cursor.peek().is_some_and(char::is_whitespace);
        if !quoted && blank_follows && key.eq_ignore_ascii_case("include") {
            return self.include(document, begin);
        }
        document.cursor.skip_while(char::is_whitespace);
        if document.cursor.eat('=') || document.cursor.eat(':') {
            match block {
                Block::Top | Block::Bare(_) => document.cursor.skip_while(is_blank),
                Block::Map(_) => document.cursor.skip_while(char::is_whitespace),
            }
        }
        let node = self.value(document)?;
        self.weigh(key.len())
            .map_err(|reason| document.cursor.error(begin, reason))?;
        let entry = Entry {
            key: key.to_owned(),
            at: document.cursor.position(begin),
            node,
            referenced: false,
        };
        self.insert(document, entry);
        Ok(())
    }

    fn insert(&mut self, document: &mut Document<'_>, entry: Entry) {
        let scope = document.scopes.last_mut().expect("the file itself is a scope");
        let (key, at) = (entry.key.clone(), entry.at.clone());
        // To set again what an included file has set is what includes are for.
        if let Some(before) = scope.insert(entry)
            && before.file() == at.file()
        {
            self.notice(at, NoticeReason::Repeated { key, before });
        }
    }

    fn notice(&mut self, at: Position, reason: NoticeReason) {
        if self.notices.len() < PROBLEMS_MAX {
            self.notices.push(Notice { at, reason });
        }
    }

    /// Any value, and nothing behind it.
    pub(crate) fn value(&mut self, document: &mut Document<'_>) -> Result<Node, SyntaxError> {
        let begin = document.cursor.mark();
        let depth = document.depth;
        self.weigh(NODE_WEIGHT)
            .map_err(|reason| document.cursor.error(begin, reason))?;
        let value = match document.cursor.peek() {
            Some('{') => {
                document.cursor.bump();
                self.enter(document, begin)?;
                document.scopes.push(Map::default());
                self.entries(document, Block::Map(begin))?;
                Value::Map(document.scopes.pop().expect("this block has opened it"))
            }
            Some('[') => {
                document.cursor.bump();
                self.enter(document, begin)?;
                Value::List(self.items(document, begin)?)
            }
            _ => match scalar::read(&mut document.cursor)? {
                Scalar::Value(value) => {
                    if let Value::Text(text) = &value {
                        self.weigh(text.len())
                            .map_err(|reason| document.cursor.error(begin, reason))?;
                    }
                    value
                }
                Scalar::Reference(name) => variables::resolve(self, document, begin, &name)?,
            },
        };
        document.depth = depth;
        Ok(Node {
            value,
            at: document.cursor.position(begin),
        })
    }

    /// Goes one deeper.
    fn enter(&mut self, document: &mut Document<'_>, begin: Mark) -> Result<(), SyntaxError> {
        document.depth += 1;
        if document.depth > DEPTH_MAX {
            return Err(document.cursor.error(begin, SyntaxReason::TooDeep));
        }
        Ok(())
    }

    /// Counts what the tree is about to grow by.
    pub(crate) fn weigh(&mut self, weight: usize) -> Result<(), SyntaxReason> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > WEIGHT_MAX {
            return Err(SyntaxReason::TooHeavy);
        }
        Ok(())
    }

    fn items(&mut self, document: &mut Document<'_>, begin: Mark) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        loop {
            skip_space_and_comments(&mut document.cursor);
            match document.cursor.peek() {
                None => {
                    return Err(document.cursor.error(begin, SyntaxReason::Unclosed(Opened::List)));
                }
                Some(']') => {
                    document.cursor.bump();
                    return Ok(items);
                }
                Some(_) => items.push(self.value(document)?),
            }
            skip_blanks_and_comment(&mut document.cursor);
            match document.cursor.peek() {
                Some(c) if c == ',' || is_line_end(c) => {
                    document.cursor.bump();
                }
                Some(']') | None => {}
                Some(_) => return Err(document.cursor.error_here(SyntaxReason::ExpectedEnd)),
            }
        }
    }

    /// Goes over what has to stand between two entries.
    fn end_of_entry(&mut self, document: &mut Document<'_>, block: Block) -> Result<(), SyntaxError> {
        skip_blanks_and_comment(&mut document.cursor);
        match (document.cursor.peek(), block) {
            (Some(c), _) if is_line_end(c) || c == ',' || c == ';' => {
                document.cursor.bump();
                Ok(())
            }
            (Some('}'), Block::Top) => self.stray_bracket(document),
            // The caller closes the block, or says that nobody has.
            (None, _) | (Some('}'), Block::Bare(_) | Block::Map(_)) => Ok(()),
            (Some(_), _) => Err(document.cursor.error_here(SyntaxReason::ExpectedEnd)),
        }
    }

    fn stray_bracket(&mut self, document: &mut Document<'_>) -> Result<(), SyntaxError> {
        let at = document.cursor.position(document.cursor.mark());
        document.cursor.bump();
        self.notice(at, NoticeReason::StrayBracket);
        Ok(())
    }

    /// Puts the keys of another file where `include` stands.
    fn include(&mut self, document: &mut Document<'_>, begin: Mark) -> Result<(), SyntaxError> {
        document.cursor.skip_while(is_blank);
        let wanted = path(&mut document.cursor)?;
        let refuse = |reason| document.cursor.error(begin, reason);
        if document.reading == Reading::Variable {
            return Err(refuse(SyntaxReason::IncludeInVariable));
        }
        let path = include_path(document.path, wanted);
        if self.open_files.contains(&path) {
            return Err(refuse(SyntaxReason::IncludeCycle(path)));
        }
        if self.open_files.len() > INCLUDE_DEPTH_MAX {
            return Err(refuse(SyntaxReason::IncludeTooDeep));
        }
        self.includes += 1;
        if self.includes > INCLUDES_MAX {
            return Err(refuse(SyntaxReason::TooManyIncludes));
        }
        let bytes = match self.around.include(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(reason) => return Err(refuse(SyntaxReason::IncludeFailed { path, reason })),
        };
        let included = self.file(&path, &bytes, document.depth - 1)?;
        for entry in included.into_entries() {
            self.insert(document, entry);
        }
        Ok(())
    }
}

/// A key, and whether it stood in quotes. Between quotes every character stands for itself.
fn key<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, bool), SyntaxError> {
    let begin = cursor.mark();
    match cursor.peek() {
        Some(quote @ ('"' | '\'')) => {
            cursor.bump();
            let Some(length) = cursor.rest().find(quote) else {
                return Err(cursor.error(begin, SyntaxReason::Unclosed(Opened::Quote)));
            };
            let key = &cursor.rest()[..length];
            cursor.advance(length + 1);
            Ok((key, true))
        }
        Some('/' | '=' | ':') | None => Err(cursor.error(begin, SyntaxReason::ExpectedKey)),
        Some(_) => {
            while let Some(c) = cursor.peek() {
                match c {
                    '=' | ':' => break,
                    _ if c.is_whitespace() => break,
                    '{' | '}' | '[' | ']' | ',' | ';' => {
                        return Err(cursor.error_here(SyntaxReason::BracketInKey(c)));
                    }
                    _ => cursor.bump(),
                };
            }
            Ok((cursor.since(begin), false))
        }
    }
}

/// The path behind `include`.
fn path<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, SyntaxError> {
    let begin = cursor.mark();
    match cursor.peek() {
        Some(quote @ ('"' | '\'')) => {
            cursor.bump();
            let Some(length) = cursor.rest().find(quote) else {
                return Err(cursor.error(begin, SyntaxReason::Unclosed(Opened::Quote)));
            };
            let path = &cursor.rest()[..length];
            cursor.advance(length + 1);
            Ok(path)
        }
        Some(c) if c.is_ascii_digit() || matches!(c, '[' | '{' | '(' | '-' | '\\') => {
            Err(cursor.error(begin, SyntaxReason::ExpectedPath))
        }
        _ => {
            cursor.skip_while(|c| !is_blank(c) && !is_line_end(c) && !matches!(c, ';' | '}' | '\''));
            match cursor.since(begin) {
                "" => Err(cursor.error(begin, SyntaxReason::ExpectedPath)),
                path => Ok(path),
            }
        }
    }
}

fn at_comment(cursor: &Cursor<'_>) -> bool {
    cursor.rest().starts_with('#') || cursor.rest().starts_with("//")
}

/// To the next thing that says something, over line ends.
pub(crate) fn skip_space_and_comments(cursor: &mut Cursor<'_>) {
    loop {
        cursor.skip_while(char::is_whitespace);
        if !at_comment(cursor) {
            return;
        }
        cursor.skip_line();
    }
}

/// To the end of the line, if nothing but a comment is left on it.
pub(crate) fn skip_blanks_and_comment(cursor: &mut Cursor<'_>) {
    cursor.skip_while(is_blank);
    if at_comment(cursor) {
        cursor.skip_line();
    }
}
