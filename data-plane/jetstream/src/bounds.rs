//! What anything of this crate may grow to.

/// Objects and arrays within each other in a request. The deepest request there is needs six.
pub(crate) const JSON_DEPTH_MAX: usize = 32;

/// Bytes of the name of a stream or consumer.
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;

/// Bytes of all keys and values of the metadata of one stream or consumer.
pub const METADATA_BYTES_MAX: usize = 128 * 1024;

/// Bytes of the headers of one stored message.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Replicas that a configuration may ask for anywhere; a single server has one.
pub const REPLICAS_MAX: i64 = 5;
