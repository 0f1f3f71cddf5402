//! How much a configuration may ask of whoever reads it. A file that wants more is refused with a
//! typed error, before the memory is used: a configuration comes from templates and mounted
//! volumes, and a mistake there must not take the node down.

/// Bytes of one file, or of one environment variable. Large enough for ten thousand preloaded
/// account JWTs. Whoever reads files need not read further.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of all files and environment variables together.
pub const TOTAL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How deep maps and lists may lie in one another, references included.
/// The deepest option of the language lies ten deep.
pub const DEPTH_MAX: usize = 64;

/// How many files may be open inside one another.
pub const INCLUDE_DEPTH_MAX: usize = 16;

/// Includes of one configuration together; the same file twice counts twice.
pub const INCLUDES_MAX: usize = 1024;

/// How many environment variables may refer to one another in a row.
pub const VARIABLE_DEPTH_MAX: usize = 16;

/// What the tree may weigh when every reference is replaced by what it stands for: text bytes,
/// and [`NODE_WEIGHT`] for each value. Without it ten lines of references to references would fill
/// the memory.
pub const WEIGHT_MAX: usize = 128 * 1024 * 1024;

/// What a value weighs beside its text: about what it takes in memory, with its place and its key.
pub const NODE_WEIGHT: usize = 256;

/// Problems that are listed one by one; what comes after them is only counted.
pub const PROBLEMS_MAX: usize = 200;

// A file that is as large as allowed and full of the shortest texts must still have room to be read.
const _: () = assert!(TOTAL_BYTES_MAX <= WEIGHT_MAX);
const _: () = assert!(FILE_BYTES_MAX <= TOTAL_BYTES_MAX);
const _: () = assert!(INCLUDE_DEPTH_MAX <= INCLUDES_MAX);
