//! Names of streams and consumers.

/// Whether something may be called so. How long a name may be is checked apart.
pub fn is_asset_name(name: &str) -> bool {
    const FORBIDDEN: [char; 10] = [' ', '\t', '\r', '\n', '\x0c', '.', '*', '>', '/', '\\'];
    !name.is_empty() && !name.contains(FORBIDDEN)
}
