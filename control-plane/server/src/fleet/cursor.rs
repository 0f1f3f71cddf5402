//! Where a node's next update begins.

use std::fmt;

use tollway_model::{Cell, Cursor, Mark};
use tollway_proto::fleet;

/// What a node holds, or will hold when it has taken what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) cursor: Cursor,
    /// What the database that it came from gave to the revision.
    pub(super) mark: Mark,
}

/// What a node is sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Everything: it holds nothing, or something of another epoch.
    Snapshot,
    /// What changed after this revision.
    After(u64),
    /// The node holds a history that this database does not know, or knows no more: the database was
    /// restored from a backup. A new epoch has to begin, and then everything is sent.
    NewEpoch,
}

impl Held {
    /// What the cell should hold.
    pub(super) fn wanted(cell: &Cell) -> Self {
        Self {
            cursor: cell.cursor,
            mark: cell.mark,
        }
    }
}

impl From<fleet::Cursor> for Held {
    fn from(cursor: fleet::Cursor) -> Self {
        Self {
            cursor: Cursor {
                epoch: cursor.epoch,
                revision: cursor.revision,
            },
            mark: Mark(cursor.mark),
        }
    }
}

impl From<Held> for fleet::Cursor {
    fn from(held: Held) -> Self {
        Self {
            epoch: held.cursor.epoch,
            revision: held.cursor.revision,
            mark: held.mark.0,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cursor.fmt(f)
    }
}

impl Start {
    /// `wanted` is what the cell should hold, and `known` the mark that the database has for the revision
    /// of `held`.
    ///
    /// Revisions alone would not do: changes made after a restore may have overtaken what the node holds.
    pub(super) fn of(held: Held, wanted: Cursor, known: Option<Mark>) -> Self {
        if held.cursor.epoch != wanted.epoch {
            // Of two epochs that we do not know how to compare, the next one must be later than both.
            return match held.cursor.epoch > wanted.epoch {
                true => Self::NewEpoch,
                false => Self::Snapshot,
            };
        }
        if held.cursor.revision > wanted.revision || known != Some(held.mark) {
            return Self::NewEpoch;
        }
        Self::After(held.cursor.revision)
    }

    /// The same for what a node says in its Hello; `applied` is what we know to be acknowledged.
    ///
    /// When the node is further than its acknowledgements say, they were lost on the way. The changes in
    /// between are sent again: the node has them, and says again what it refused.
    pub(super) fn of_hello(
        held: Option<Held>,
        wanted: Cursor,
        known: Option<Mark>,
        applied: Option<Cursor>,
    ) -> Self {
        let Some(held) = held else {
            return Self::Snapshot;
        };
        match Self::of(held, wanted, known) {
            Self::After(revision) => {
                let applied = applied
                    .filter(|applied| applied.epoch == wanted.epoch)
                    .map_or(0, |applied| applied.revision);
                Self::After(revision.min(applied))
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(epoch: u64, revision: u64) -> Cursor {
        Cursor { epoch, revision }
    }

    /// Revision 5 of a database that marks each revision with ten times its number.
    fn hello(held: Option<(u64, u64)>, wanted: Cursor, applied: Option<Cursor>) -> Start {
        let known = held
            .filter(|(_, revision)| *revision <= wanted.revision)
            .map(|(_, revision)| Mark(10 * revision));
        let held = held.map(|(epoch, revision)| Held {
            cursor: cursor(epoch, revision),
            mark: Mark(10 * revision),
        });
        Start::of_hello(held, wanted, known, applied)
    }

    #[test]
    fn a_node_without_anything_gets_everything() {
        assert_eq!(hello(None, cursor(1, 5), None), Start::Snapshot);
    }

    #[test]
    fn a_node_gets_what_it_missed() {
        assert_eq!(
            hello(Some((1, 3)), cursor(1, 5), Some(cursor(1, 3))),
            Start::After(3)
        );
    }

    #[test]
    fn changes_whose_acknowledgement_was_lost_are_sent_again() {
        assert_eq!(
            hello(Some((1, 5)), cursor(1, 5), Some(cursor(1, 2))),
            Start::After(2)
        );
        assert_eq!(hello(Some((1, 5)), cursor(1, 5), None), Start::After(0));
        assert_eq!(
            hello(Some((2, 5)), cursor(2, 5), Some(cursor(1, 9))),
            Start::After(0)
        );
    }

    #[test]
    fn a_node_of_an_older_epoch_gets_everything() {
        assert_eq!(
            hello(Some((1, 9)), cursor(2, 5), Some(cursor(1, 9))),
            Start::Snapshot
        );
    }

    #[test]
    fn a_node_that_knows_more_than_the_database_begins_a_new_epoch() {
        assert_eq!(
            hello(Some((1, 9)), cursor(1, 5), Some(cursor(1, 5))),
            Start::NewEpoch
        );
        assert_eq!(
            hello(Some((2, 1)), cursor(1, 5), Some(cursor(1, 5))),
            Start::NewEpoch
        );
    }

    #[test]
    fn a_node_of_a_history_that_was_overtaken_begins_a_new_epoch() {
        let held = Held {
            cursor: cursor(1, 4),
            mark: Mark(41),
        };
        for known in [Some(Mark(40)), None] {
            assert_eq!(
                Start::of_hello(Some(held), cursor(1, 5), known, Some(cursor(1, 3))),
                Start::NewEpoch
            );
            assert_eq!(Start::of(held, cursor(1, 5), known), Start::NewEpoch);
        }
        assert_eq!(
            Start::of(held, cursor(1, 5), Some(Mark(41))),
            Start::After(4),
            "what was sent need not be acknowledged"
        );
    }
}
