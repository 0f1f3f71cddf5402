//! How much of anything one document may make a node do.

use tollway_claims::{IMPORTS_MAX, SUBJECT_BYTES_MAX};

/// Tokens of a transform's source that are `*`. Their places are kept on the
/// stack while a subject is mapped, so that mapping never allocates.
pub const WILDCARDS_MAX: usize = 32;

/// Imports that follow on one import in the search for a cycle. Real chains
/// have a handful; the stock server gives up after as many accounts.
pub const CYCLE_STEPS_MAX: usize = 1024;

/// Bytes of a filter in that search. Imports that prepend something make it
/// longer with every round.
pub const CYCLE_FILTER_BYTES_MAX: usize = 4 * SUBJECT_BYTES_MAX;

/// Imports looked at in that search for all imports of one account together:
/// less than a second, however accounts entangle their imports on purpose.
pub const CYCLE_COMPARISONS_MAX: usize = 1 << 22;

const _: () = assert!(
    CYCLE_COMPARISONS_MAX >= CYCLE_STEPS_MAX * IMPORTS_MAX,
    "one import can be searched to the end"
);
