//! An option and where it stands.

use crate::position::Position;

/// A value of an option that a later step may have to complain about: a file that is not there, a
/// port that is taken. Two are equal when their values are, wherever they stand.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Position,
}

impl<T> Located<T> {
    pub(crate) fn new(value: T, at: &Position) -> Self {
        Self {
            value,
            at: at.clone(),
        }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located {
            value: change(self.value),
            at: self.at,
        }
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}
