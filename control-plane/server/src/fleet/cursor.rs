//! Where a node's next update begins.

use tollway_model::Cursor;

/// What a node that said Hello is sent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Everything: it holds nothing, or something of another history.
    Snapshot,
    /// What changed after this revision.
    After(u64),
    /// The node knows of a history that this database does not: the database was restored from a
    /// backup. A new epoch has to begin, and then everything is sent.
    NewEpoch,
}

impl Start {
    /// `held` is what the node holds, `wanted` what the cell should hold, `applied` what we know to be
    /// acknowledged.
    ///
    /// When the node is further than its acknowledgements say, they were lost on the way. The changes in
    /// between are sent again: the node has them, and says again what it refused.
    pub(super) fn of(held: Option<Cursor>, wanted: Cursor, applied: Option<Cursor>) -> Self {
        let Some(held) = held else {
            return Self::Snapshot;
        };
        if held.epoch > wanted.epoch || (held.epoch == wanted.epoch && held.revision > wanted.revision) {
            return Self::NewEpoch;
        }
        if held.epoch != wanted.epoch {
            return Self::Snapshot;
        }
        let applied = applied
            .filter(|applied| applied.epoch == wanted.epoch)
            .map_or(0, |applied| applied.revision);
        Self::After(held.revision.min(applied))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(epoch: u64, revision: u64) -> Cursor {
        Cursor { epoch, revision }
    }

    #[test]
    fn a_node_without_anything_gets_everything() {
        assert_eq!(Start::of(None, cursor(1, 5), None), Start::Snapshot);
    }

    #[test]
    fn a_node_gets_what_it_missed() {
        assert_eq!(
            Start::of(Some(cursor(1, 3)), cursor(1, 5), Some(cursor(1, 3))),
            Start::After(3)
        );
    }

    #[test]
    fn changes_whose_acknowledgement_was_lost_are_sent_again() {
        assert_eq!(
            Start::of(Some(cursor(1, 5)), cursor(1, 5), Some(cursor(1, 2))),
            Start::After(2)
        );
        assert_eq!(Start::of(Some(cursor(1, 5)), cursor(1, 5), None), Start::After(0));
        assert_eq!(
            Start::of(Some(cursor(2, 5)), cursor(2, 5), Some(cursor(1, 9))),
            Start::After(0)
        );
    }

    #[test]
    fn a_node_of_an_older_epoch_gets_everything() {
        assert_eq!(
            Start::of(Some(cursor(1, 9)), cursor(2, 5), Some(cursor(1, 9))),
            Start::Snapshot
        );
    }

    #[test]
    fn a_node_that_knows_more_than_the_database_begins_a_new_epoch() {
        assert_eq!(
            Start::of(Some(cursor(1, 9)), cursor(1, 5), Some(cursor(1, 5))),
            Start::NewEpoch
        );
        assert_eq!(
            Start::of(Some(cursor(2, 1)), cursor(1, 5), Some(cursor(1, 5))),
            Start::NewEpoch
        );
    }
}
