//! Why a text is no configuration.

use std::fmt;

use crate::bounds::{
    DEPTH_MAX, FILE_BYTES_MAX, INCLUDE_DEPTH_MAX, INCLUDES_MAX, TOTAL_BYTES_MAX, VARIABLE_DEPTH_MAX,
    WEIGHT_MAX,
};
use crate::position::Position;

/// The first place where a text stops being a configuration.
///
/// The message never repeats text of the file beyond names of keys, variables and paths: what stands
/// there may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct SyntaxError {
    /// Where.
    pub at: Position,
    /// Why.
    pub reason: SyntaxReason,
}

/// What is wrong with the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxReason {
    /// A file or variable is longer than [`FILE_BYTES_MAX`].
    #[error("longer than {FILE_BYTES_MAX} bytes")]
    FileTooLong,
    /// All files and variables together are longer than [`TOTAL_BYTES_MAX`].
    #[error("the configuration is longer than {TOTAL_BYTES_MAX} bytes, includes counted")]
    TotalTooLong,
    /// Not UTF-8.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// A zero byte, which stock servers take for the end of the file in some places and not in others.
    #[error("a zero byte")]
    ZeroByte,
    /// Deeper than [`DEPTH_MAX`].
    #[error("maps and lists lie more than {DEPTH_MAX} deep")]
    TooDeep,
    /// Heavier than [`WEIGHT_MAX`].
    #[error("references blow the configuration up to more than {WEIGHT_MAX} bytes")]
    TooHeavy,
    /// A key without a name.
    #[error("expected a key")]
    ExpectedKey,
    /// A key whose name would have structure in it.
    #[error("a key with {0:?} in it needs quotes; between a key and a bracket belongs a blank")]
    BracketInKey(char),
    /// Nothing, or the end of something, where a value should be.
    #[error("expected a value on the same line")]
    ExpectedValue,
    /// More text after a value.
    #[error("expected the end of the value; a text with blanks or separators in it needs quotes")]
    ExpectedEnd,
    /// A closing bracket that closes nothing.
    #[error("this bracket closes nothing")]
    StrayBracket,
    /// The file ends inside something.
    #[error("this {0} is not closed")]
    Unclosed(Opened),
    /// `\` before something that is no escape.
    #[error(r#"only \xXX, \t, \n, \r, \" and \\ are escapes"#)]
    InvalidEscape,
    /// Escapes that put bytes together which are no text.
    #[error("the escapes do not make UTF-8 text")]
    EscapesNotUtf8,
    /// A number that begins or ends with its point.
    #[error("a number needs a digit on both sides of its point; a text needs quotes")]
    PointWithoutDigit,
    /// `-` before something that is no number.
    #[error("expected a number after \"-\"; a text needs quotes")]
    MinusWithoutNumber,
    /// A number beyond 64 bits, its size included.
    #[error("the number is too large")]
    NumberTooLarge,
    /// A size that is none of k, kb, ki, kib and so on up to e.
    #[error("not a size: k, m, g, t, p and e count in thousands, with b, i or ib behind them in 1024s")]
    InvalidSize,
    /// Something that begins as a date.
    #[error("a date is written 2026-02-28T23:59:59Z; a text needs quotes")]
    InvalidDate,
    /// `include` without a path.
    #[error("expected the path of a file, in quotes when it begins with a digit or a bracket")]
    ExpectedPath,
    /// A file that includes itself.
    #[error("{0:?} is being read already: it would include itself without end")]
    IncludeCycle(String),
    /// More than [`INCLUDE_DEPTH_MAX`] files inside one another.
    #[error("more than {INCLUDE_DEPTH_MAX} files include one another")]
    IncludeTooDeep,
    /// More than [`INCLUDES_MAX`].
    #[error("more than {INCLUDES_MAX} includes")]
    TooManyIncludes,
    /// The file could not be had.
    #[error("failed to read {path:?}: {reason}")]
    IncludeFailed {
        /// The path as it was asked for.
        path: String,
        /// What whoever reads files said.
        reason: String,
    },
    /// A reference to something that is not set above it, and not in the environment.
    #[error("${0} is set neither above in an open block nor in the environment")]
    UnknownVariable(String),
    /// Variables of the environment that refer to each other in a circle.
    #[error("${0} refers to itself")]
    VariableCycle(String),
    /// More than [`VARIABLE_DEPTH_MAX`] variables of the environment in a row.
    #[error("more than {VARIABLE_DEPTH_MAX} environment variables refer to one another")]
    VariableTooDeep,
    /// A variable of the environment that cannot be read as one value.
    #[error("environment variable {name} is not one value of the configuration language: {reason}")]
    InvalidVariable {
        /// Its name.
        name: String,
        /// What is wrong with its text.
        reason: Box<SyntaxReason>,
    },
    /// `include` inside a variable of the environment.
    #[error("an environment variable cannot include files")]
    IncludeInVariable,
}

/// What a file may end inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// `{`
    Map,
    /// `[`
    List,
    /// `"` or `'`
    Quote,
    /// `(`
    Block,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "{",
            Self::List => "[",
            Self::Quote => "quote",
            Self::Block => "( (it ends with a line that holds a closing one and nothing else)",
        })
    }
}
