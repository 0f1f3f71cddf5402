//! The parts of an update, put together.

use tollway_proto::fleet::{AccountDocument, Update};

use super::Cursor;
use super::bounds::{BATCH_ACCOUNTS_MAX, BATCH_BYTES_MAX};

/// A whole update: what it says is applied together and acknowledged once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    /// Replaces everything, rather than applying on top of what is held.
    pub(super) snapshot: bool,
    /// What is held when it has been applied.
    pub(super) cursor: Cursor,
    pub(super) accounts: Vec<AccountDocument>,
    /// Account keys, as they came.
    pub(super) removed: Vec<String>,
    /// For logs; may be empty.
    pub(super) request_id: String,
    /// Of a snapshot: how many accounts there are, as the control plane counted them apart from what it read.
    pub(super) accounts_in_cell: Option<u64>,
    /// Of a snapshot: the token that began the cursor's epoch, as it came.
    pub(super) epoch_statement: String,
}

/// Parts that make no update. The stream is given up: what follows would not mean what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BatchError {
    #[error("a part of an update came before its first one")]
    NotBegun,
    #[error("a part of a snapshot came among those of a delta, or the other way round")]
    Mixed,
    #[error("the last part of an update has no cursor")]
    NoCursor,
    #[error("an update has more than {BATCH_ACCOUNTS_MAX} accounts or {BATCH_BYTES_MAX} bytes")]
    TooLarge,
}

/// Collects parts until the last.
#[derive(Debug, Default)]
pub(super) struct BatchParts {
    open: Option<Update>,
    bytes: usize,
}

impl BatchParts {
    /// Takes a part; gives the batch when it was the last. A first part begins
    /// anew: a sender that broke off may start over.
    pub(super) fn handle_part(&mut self, part: Update) -> Result<Option<Batch>, BatchError> {
        let last = part.last;
        let bytes = part
            .accounts
            .iter()
            .map(|document| document.account_jwt.len() + document.statement_jwt.len());
        let bytes: usize = bytes.sum();
        let open = if part.first {
            self.bytes = bytes;
            self.open.insert(part)
        } else {
            let open = self.open.as_mut().ok_or(BatchError::NotBegun)?;
            if open.snapshot != part.snapshot {
                return Err(BatchError::Mixed);
            }
            self.bytes = self.bytes.saturating_add(bytes);
            open.accounts.extend(part.accounts);
            open.removed.extend(part.removed);
            open.cursor = part.cursor.or(open.cursor);
            open.accounts_in_cell = part.accounts_in_cell.or(open.accounts_in_cell);
            if open.epoch_statement.is_empty() {
                open.epoch_statement = part.epoch_statement;
            }
            if open.request_id.is_empty() {
                open.request_id = part.request_id;
            }
            open
        };
        if open.accounts.len() + open.removed.len() > BATCH_ACCOUNTS_MAX || self.bytes > BATCH_BYTES_MAX {
            self.open = None;
            return Err(BatchError::TooLarge);
        }
        if !last {
            return Ok(None);
        }
        let whole = self.open.take().expect("a part was put there just now");
        let cursor = whole.cursor.ok_or(BatchError::NoCursor)?;
        Ok(Some(Batch {
            snapshot: whole.snapshot,
            cursor: cursor.into(),
            accounts: whole.accounts,
            removed: whole.removed,
            request_id: whole.request_id,
            accounts_in_cell: whole.accounts_in_cell,
            epoch_statement: whole.epoch_statement,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: bool, last: bool, account: &str) -> Update {
        let document = AccountDocument {
            account: account.into(),
            ..AccountDocument::default()
        };
        Update {
            snapshot: true,
            first,
            last,
            cursor: last.then_some(tollway_proto::fleet::Cursor {
                epoch: 1,
                revision: 2,
                mark: 7,
            }),
            accounts: vec![document],
            removed: vec![format!("not {account}")],
            request_id: String::new(),
            accounts_in_cell: last.then_some(3),
            epoch_statement: if last { "epoch" } else { "" }.into(),
        }
    }

    fn names(batch: &Batch) -> Vec<&str> {
        batch
            .accounts
            .iter()
            .map(|document| document.account.as_str())
            .collect()
    }

    #[test]
    fn parts_are_put_together_and_a_small_update_is_one() {
        let mut parts = BatchParts::default();
        assert_eq!(parts.handle_part(part(true, false, "a")), Ok(None));
        assert_eq!(parts.handle_part(part(false, false, "b")), Ok(None));
        let batch = parts.handle_part(part(false, true, "c")).unwrap().unwrap();
        assert_eq!(names(&batch), ["a", "b", "c"]);
        assert_eq!(batch.removed, ["not a", "not b", "not c"]);
        assert_eq!(
            batch.cursor,
            Cursor {
                epoch: 1,
                revision: 2,
                mark: 7
            }
        );
        assert_eq!(batch.accounts_in_cell, Some(3));
        assert_eq!(batch.epoch_statement, "epoch");
        let batch = parts.handle_part(part(true, true, "d")).unwrap().unwrap();
        assert_eq!(names(&batch), ["d"]);
    }

    #[test]
    fn first_part_forgets_what_was_broken_off() {
        let mut parts = BatchParts::default();
        parts.handle_part(part(true, false, "a")).unwrap();
        let batch = parts.handle_part(part(true, true, "b")).unwrap().unwrap();
        assert_eq!(names(&batch), ["b"]);
    }

    #[test]
    fn parts_that_make_no_update_are_errors() {
        let mut parts = BatchParts::default();
        assert_eq!(
            parts.handle_part(part(false, true, "a")),
            Err(BatchError::NotBegun)
        );
        parts.handle_part(part(true, false, "a")).unwrap();
        let delta = Update {
            snapshot: false,
            ..part(false, true, "b")
        };
        assert_eq!(parts.handle_part(delta), Err(BatchError::Mixed));
        let endless = Update {
            cursor: None,
            ..part(true, true, "a")
        };
        assert_eq!(parts.handle_part(endless), Err(BatchError::NoCursor));
        let many = Update {
            removed: vec![String::new(); BATCH_ACCOUNTS_MAX],
            ..part(true, true, "a")
        };
        assert_eq!(parts.handle_part(many), Err(BatchError::TooLarge));
    }
}
