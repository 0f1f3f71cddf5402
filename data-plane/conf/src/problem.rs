//! What is wrong with the options of a configuration.

use std::fmt;

use crate::duration::InvalidDuration;
use crate::position::Position;
use crate::value::Kind;

/// One thing that is wrong. Like a [`crate::SyntaxError`] it never repeats a value that may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// What.
    pub reason: Reason,
}

/// What can be wrong with options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No keys at all. A file that was cut or mounted empty must not open a node to everybody.
    #[error("the configuration says nothing")]
    Empty,
    /// A key that the block does not know.
    #[error("unknown key {key:?} in {block}")]
    Unknown {
        /// The key as it is written.
        key: String,
        /// What it stands in.
        block: &'static str,
    },
    /// A value of another kind.
    #[error("{key} has to be {expected}, not {found}")]
    WrongKind {
        /// The key.
        key: String,
        /// What it takes.
        expected: &'static str,
        /// What it got.
        found: Kind,
    },
    /// A number out of bounds.
    #[error("{key} has to be from {least} to {most}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The smallest number.
        least: i64,
        /// The largest number.
        most: i64,
    },
    /// A value of the right kind that means nothing.
    #[error("{key}: {why}")]
    Invalid {
        /// The key.
        key: String,
        /// What it should be.
        why: &'static str,
    },
    /// A text that is no duration.
    #[error("{key}: {why}")]
    Duration {
        /// The key.
        key: String,
        /// What is wrong with it.
        why: InvalidDuration,
    },
    /// A filter that is none.
    #[error("{key}: {subject:?} is no subject")]
    InvalidSubject {
        /// The key.
        key: String,
        /// The text, cut to a readable length.
        subject: String,
    },
    /// A key that something else needs.
    #[error("{block} needs {key}")]
    Missing {
        /// What lacks it.
        block: &'static str,
        /// What is lacking.
        key: &'static str,
    },
    /// The same option under two names, or in two spellings, with two values.
    #[error("{0} was set before to something else, under another name or spelling")]
    Twice(String),
    /// Two options that exclude one another.
    #[error("{one} excludes {other}")]
    Conflict {
        /// One option.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A user who is there already, in this account or another.
    #[error("user {0:?} exists already")]
    DuplicateUser(String),
    /// An account that is there already.
    #[error("account {0:?} exists already")]
    DuplicateAccount(String),
    /// A name that the server keeps for itself.
    #[error("account name {0:?} is reserved")]
    ReservedAccount(String),
    /// A name that no account has.
    #[error("there is no account {0:?}")]
    NoSuchAccount(String),
    /// A name that no user has.
    #[error("there is no user {0:?}")]
    NoSuchUser(String),
    /// Weights of one mapping that make more than the whole.
    #[error("the weights for {0:?} add up to more than 100 %")]
    WeightsTooLarge(String),
    /// A key that would serve several, of which nothing is offered here.
    #[error("{option} is not offered: {because}")]
    NotOffered {
        /// The option.
        option: &'static str,
        /// Why, and what there is instead.
        because: &'static str,
    },
}

/// Everything that is wrong, file by file from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The first [`crate::bounds::PROBLEMS_MAX`], never none.
    pub listed: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.listed.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
