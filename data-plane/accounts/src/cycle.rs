//! Whether what is imported would come back.
//!
//! A request that arrives at an imported service goes on wherever the exporter
//! itself imports a service of that name, and so on. The search follows the
//! subjects of one import through such chains: at each account what arrives is
//! cut to the local name of the next import and renamed as that import does.
//!
//! ```text
//! A: x.> is B's y.>      B: y.a is C's z       C: z is A's x.a
//!    y.> arrives at B ────▶ y.a ──▶ z at C ────▶ z ──▶ x.a at A ──▶ within x.>: a cycle
//! ```

use std::collections::{BTreeSet, HashSet, VecDeque};

use tollway_claims::PublicKey;
use tollway_subject::FilterBuf;

use crate::bounds::{CYCLE_COMPARISONS_MAX, CYCLE_FILTER_BYTES_MAX, CYCLE_STEPS_MAX};
use crate::exchange::CompiledImport;
use crate::intersection::intersection;
use crate::refusal::ImportRefusal;

/// An import, by its account and its place in the document.
pub(crate) type ImportId = (PublicKey, usize);

/// The imports among which a cycle is searched.
pub(crate) trait Graph {
    /// Imports of an account that work but for cycles, of the kind that is searched.
    fn imports(&self, account: &PublicKey) -> impl Iterator<Item = (usize, &CompiledImport)>;
}

/// How much an account may still be searched for cycles.
pub(crate) struct Budget(usize);

impl Budget {
    /// For all imports of one account.
    pub(crate) fn of_account() -> Self {
        Self(CYCLE_COMPARISONS_MAX)
    }

    fn spend(&mut self) -> Result<(), ImportRefusal> {
        self.0 = self.0.checked_sub(1).ok_or(ImportRefusal::ChainTooLong)?;
        Ok(())
    }
}

/// Whether the import with the number `start` comes back to itself. Only
/// accounts `among` which every one leads to every other are searched.
///
/// Every import of a cycle is refused: then it does not depend on the order
/// in which documents arrive which of them works.
pub(crate) fn check(
    start: ImportId,
    import: &CompiledImport,
    among: &BTreeSet<PublicKey>,
    graph: &impl Graph,
    budget: &mut Budget,
) -> Result<(), ImportRefusal> {
    if !among.contains(&import.import.account) {
        return Ok(());
    }
    // What arrives at an account, and the accounts it came through.
    let mut arriving: VecDeque<(PublicKey, FilterBuf, Vec<PublicKey>)> = VecDeque::new();
    let mut seen: HashSet<(ImportId, FilterBuf)> = HashSet::new();
    arriving.push_back((import.import.account, import.import.subject.clone(), Vec::new()));
    while let Some((account, filter, mut through)) = arriving.pop_front() {
        if account != start.0 {
            through.push(account);
        }
        for (index, next) in graph.imports(&account) {
            budget.spend()?;
            if !among.contains(&next.import.account) {
                continue;
            }
            let Some(taken) = intersection(filter.as_filter(), next.local.as_filter()) else {
                continue;
            };
            if (account, index) == start {
                return Err(ImportRefusal::Cycle { through });
            }
            if !seen.insert(((account, index), taken.clone())) {
                continue;
            }
            if seen.len() > CYCLE_STEPS_MAX || taken.as_bytes().len() > CYCLE_FILTER_BYTES_MAX {
                return Err(ImportRefusal::ChainTooLong);
            }
            let exported = match &next.to_exported {
                Some(to_exported) => to_exported.map_filter(taken.as_filter()),
                None => Some(taken),
            };
            let exported = exported.expect("a filter within the source of a renaming has a place beyond it");
            arriving.push_back((next.import.account, exported, through.clone()));
        }
    }
    Ok(())
}
