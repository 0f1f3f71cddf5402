//! The console's pages and assets.
