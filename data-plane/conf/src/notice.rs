//! What a person should know about a configuration that is in order.

use crate::position::Position;

/// Something that is worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct Notice {
    /// Where.
    pub at: Position,
    /// What.
    pub reason: NoticeReason,
}

/// What there is to know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeReason {
    /// A key stands twice in one block of one file.
    #[error("{key:?} stood before at {before}; only this one counts")]
    Repeated {
        /// The key.
        key: String,
        /// Where it stood before.
        before: Position,
    },
    /// A closing bracket too many at the end of a file, which stock servers pass over.
    #[error("this bracket closes nothing and is passed over")]
    StrayBracket,
    /// A duration given as a number of seconds.
    #[error("{0} is read as seconds; write a duration such as \"2m\" in quotes")]
    SecondsAsNumber(&'static str),
    /// A time in which nobody would notice that it is meant otherwise: `1m` without quotes is a million.
    #[error("{0} is longer than a minute; if a unit was meant, the duration needs quotes")]
    LongTimeout(&'static str),
    /// A list of permissions with nothing in it, which permits everything.
    #[error("{0} is empty, and so permits everything; write deny: \">\" to permit nothing")]
    EmptyAllow(String),
    /// An option that is read, and does nothing here.
    #[error("{option} is not offered: {because}")]
    NotOffered {
        /// The option.
        option: &'static str,
        /// Why, and what there is instead.
        because: &'static str,
    },
}
