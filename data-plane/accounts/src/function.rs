//! One token of a transform's destination: a literal, a reference to a
//! wildcard of the source, or a function of wildcards.
//!
//! | written | becomes |
//! |---|---|
//! | `$1`, `{{wildcard(1)}}` | what the first `*` matches |
//! | `{{partition(10,1,2)}}` | a number from 0 to 9, from the hash of these wildcards |
//! | `{{partition(10)}}` | the same from the whole subject |
//! | `{{random(10)}}` | a number from 0 to 9, by chance |
//! | `{{splitFromLeft(1,3)}}` | two tokens: three bytes, and the rest |
//! | `{{splitFromRight(1,3)}}` | two tokens: the rest, and three bytes |
//! | `{{sliceFromLeft(1,3)}}` | tokens of three bytes, a shorter one last |
//! | `{{sliceFromRight(1,3)}}` | tokens of three bytes, a shorter one first |
//! | `{{split(1,-)}}` | the parts between the separators; empty ones are left out |
//! | `{{left(1,3)}}`, `{{right(1,3)}}` | three bytes of that end |
//!
//! A name may begin each of its words with a capital (`SplitFromLeft`).
//! Lengths count bytes; a token that is shorter stays whole.

use crate::transform::TransformError;

/// One token of a destination, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// These bytes.
    Literal(Box<[u8]>),
    /// All tokens that the `>` of the source takes.
    Tail,
    /// What a wildcard takes. Wildcards are counted from 0 here.
    Wildcard(usize),
    /// Hash of these wildcards, or of the whole subject when there are none.
    Partition { buckets: u32, of: Box<[usize]> },
    /// A number below this.
    Random { buckets: u32 },
    /// A cut of what a wildcard takes.
    Cut { wildcard: usize, cut: Cut, bytes: usize },
    /// Parts of what a wildcard takes; between all characters when the separator is empty.
    Split { wildcard: usize, separator: Box<[u8]> },
}

/// How a token is cut at a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    SplitFromLeft,
    SplitFromRight,
    SliceFromLeft,
    SliceFromRight,
    Left,
    Right,
}

/// What is wrong with a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// No function of this name, or not of the form `{{name(arguments)}}`.
    #[error("there is no such function")]
    Unknown,
    /// An argument is missing.
    #[error("an argument is missing")]
    TooFewArguments,
    /// More arguments than the function takes.
    #[error("there are too many arguments")]
    TooManyArguments,
    /// An argument that is no number from 1 to 2147483647, or a separator with a blank.
    #[error("an argument is not what the function takes")]
    Argument,
    /// A reference to a `*` that the source does not have.
    #[error("it refers to wildcard {found}, but the source has {wildcards}")]
    Wildcard {
        /// The reference.
        found: i64,
        /// How many `*` there are.
        wildcards: usize,
    },
}

/// Reads one token of a destination whose source has so many `*`. `>` is for the caller.
pub(crate) fn part(token: &str, wildcards: usize) -> Result<Part, TransformError> {
    let function = |source| TransformError::Function {
        token: token.to_owned(),
        source,
    };
    if let Some(index) = token.strip_prefix('$').and_then(integer) {
        return reference(index, wildcards).map(Part::Wildcard).map_err(function);
    }
    match token.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
        Some(call) if !call.is_empty() => parse_call(call, wildcards).map_err(function),
        _ => Ok(Part::Literal(token.as_bytes().into())),
    }
}

fn parse_call(call: &str, wildcards: usize) -> Result<Part, FunctionError> {
    let (name, rest) = call.trim().split_once('(').ok_or(FunctionError::Unknown)?;
    let arguments = rest.strip_suffix(')').ok_or(FunctionError::Unknown)?;
    let arguments: Vec<&str> = arguments
        .split(',')
        .enumerate()
        // Blanks after a comma are not part of the argument: a separator may not begin with one.
        .map(|(index, text)| if index == 0 { text } else { text.trim_start() })
        .collect();
    let name = name.trim_end();
    let is = |camel_case: &str| is_spelling_of(name, camel_case);
    if is("Wildcard") {
        let [index] = exactly(&arguments)?;
        return wildcard(index, wildcards).map(Part::Wildcard);
    }
    if is("Partition") {
        let (buckets, of) = arguments.split_first().ok_or(FunctionError::TooFewArguments)?;
        let of: Result<_, _> = of.iter().map(|index| wildcard(index, wildcards)).collect();
        return Ok(Part::Partition {
            buckets: number(buckets)?,
            of: of?,
        });
    }
    if is("Random") {
        let [buckets] = exactly(&arguments)?;
        let buckets = number(buckets)?;
        return Ok(Part::Random { buckets });
    }
    if is("Split") {
        let [index, separator] = exactly(&arguments)?;
        if separator.contains(char::is_whitespace) {
            return Err(FunctionError::Argument);
        }
        return Ok(Part::Split {
            wildcard: wildcard(index, wildcards)?,
            separator: separator.as_bytes().into(),
        });
    }
    for (name, cut) in [
        ("SplitFromLeft", Cut::SplitFromLeft),
        ("SplitFromRight", Cut::SplitFromRight),
        ("SliceFromLeft", Cut::SliceFromLeft),
        ("SliceFromRight", Cut::SliceFromRight),
        ("Left", Cut::Left),
        ("Right", Cut::Right),
    ] {
        if is(name) {
            let [index, bytes] = exactly(&arguments)?;
            return Ok(Part::Cut {
                wildcard: wildcard(index, wildcards)?,
                cut,
                bytes: number(bytes)? as usize,
            });
        }
    }
    Err(FunctionError::Unknown)
}

/// Each capital of the camel case may be small.
fn is_spelling_of(name: &str, camel_case: &str) -> bool {
    name.len() == camel_case.len()
        && name.bytes().zip(camel_case.bytes()).all(|(found, wanted)| {
            found == wanted || (wanted.is_ascii_uppercase() && found == wanted.to_ascii_lowercase())
        })
}

fn exactly<'a, const N: usize>(arguments: &[&'a str]) -> Result<[&'a str; N], FunctionError> {
    match arguments.len() {
        found if found < N => Err(FunctionError::TooFewArguments),
        found if found > N => Err(FunctionError::TooManyArguments),
        _ => {
            let mut exact = [""; N];
            exact.copy_from_slice(arguments);
            Ok(exact)
        }
    }
}

/// A number of buckets or bytes.
fn number(text: &str) -> Result<u32, FunctionError> {
    match integer(text.trim_matches(' ')) {
        Some(number @ 1..=0x7fff_ffff) => Ok(number as u32),
        _ => Err(FunctionError::Argument),
    }
}

/// A reference to a wildcard, counted from 1 in the text and from 0 in what is returned.
fn wildcard(text: &str, wildcards: usize) -> Result<usize, FunctionError> {
    let index = integer(text.trim_matches(' ')).ok_or(FunctionError::Argument)?;
    reference(index, wildcards)
}

fn reference(found: i64, wildcards: usize) -> Result<usize, FunctionError> {
    match usize::try_from(found) {
        Ok(index) if (1..=wildcards).contains(&index) => Ok(index - 1),
        _ => Err(FunctionError::Wildcard { found, wildcards }),
    }
}

/// Digits, with a sign or without. A number too long for 64 bits is none.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}
