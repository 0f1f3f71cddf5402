//! Cells: where accounts are served.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use crate::{AccountKey, CellId, InvalidName, Name, Node};

/// A failure and capacity domain that serves accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What it is in ids and rows.
    pub id: CellId,
    /// Unique in the installation.
    pub name: Name,
    /// What runs there.
    pub engine: CellEngine,
    /// What the cell should hold.
    pub cursor: Cursor,
    /// The mark of that revision.
    pub mark: Mark,
    /// The token in which the operator says that the cursor's epoch has begun.
    pub epoch_statement: String,
    /// What the cell acknowledged; `None` before its first acknowledgement.
    pub applied: Option<Cursor>,
    /// When it acknowledged that.
    pub applied_at: Option<OffsetDateTime>,
    /// When it was created.
    pub created_at: OffsetDateTime,
}

impl Cell {
    /// The revision that the cell acknowledged within the current epoch; 0 when none.
    pub fn applied_revision(&self) -> u64 {
        match self.applied {
            Some(applied) if applied.epoch == self.cursor.epoch => applied.revision,
            _ => 0,
        }
    }
}

/// What serves a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellEngine {
    /// One node of ours.
    Tollway,
}

impl CellEngine {
    /// The word that the database uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tollway => "tollway",
        }
    }

    /// The engine of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        (word == Self::Tollway.as_str()).then_some(Self::Tollway)
    }
}

/// A place in the history of what a cell should hold.
///
/// The revision grows by one with each change. The epoch grows when the database was restored from a
/// backup, and only then may revisions run backwards: cursors compare only within one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which history.
    pub epoch: u64,
    /// How far in it.
    pub revision: u64,
}

impl Cursor {
    /// Whether a holder of this cursor has everything up to `other`.
    pub fn covers(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.revision >= other.revision
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch, self.revision)
    }
}

/// A random number that the database gave to one revision of a cell. A node says it again with its cursor:
/// histories that went apart, because the database was restored, gave different ones to the same revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(pub u64);

/// How the outside names a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellRef {
    /// By its id, `cel_...`.
    Id(CellId),
    /// By its name.
    Name(Name),
}

impl FromStr for CellRef {
    type Err = InvalidName;

    /// An id or a name; no name looks like an id, because names have no underscore.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl From<CellId> for CellRef {
    fn from(id: CellId) -> Self {
        Self::Id(id)
    }
}

/// A cell and what belongs to it, for platform admins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellSummary {
    /// The cell.
    pub cell: Cell,
    /// Accounts that live in it.
    pub accounts: u32,
    /// Nodes that enrolled for it.
    pub nodes: Vec<Node>,
    /// Documents that its node would not take.
    pub refused: Vec<Refusal>,
    /// The update that its node would not take as a whole.
    pub update_refused: Option<UpdateRefusal>,
}

/// An update that a cell's node refused as a whole: it holds what it held, and is sent the update again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRefusal {
    /// A stable word, such as `snapshot_empty`.
    pub code: String,
    /// One sentence for people.
    pub reason: String,
    /// When it was refused last.
    pub refused_at: OffsetDateTime,
}

/// A document that a cell's node would not take; it keeps the one it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The account of the document.
    pub account: AccountKey,
    /// A stable word, such as `stale_version`.
    pub code: String,
    /// One sentence for people.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_of_different_epochs_cover_nothing_of_each_other() {
        let old = Cursor {
            epoch: 1,
            revision: 9,
        };
        assert!(old.covers(&Cursor {
            epoch: 1,
            revision: 9
        }));
        assert!(!old.covers(&Cursor {
            epoch: 1,
            revision: 10
        }));
        assert!(!old.covers(&Cursor {
            epoch: 2,
            revision: 1
        }));
    }

    #[test]
    fn a_cell_is_named_by_id_or_by_name() {
        let id = CellId::new(1, [1; 10]);
        assert_eq!(id.to_string().parse(), Ok(CellRef::Id(id)));
        assert_eq!("eu-1".parse(), Ok(CellRef::Name("eu-1".parse().unwrap())));
        assert!("cel_zzz".parse::<CellRef>().is_err());
    }
}
