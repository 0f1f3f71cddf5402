//! From rows to signed documents.
//!
//! Pure functions: keys, times and rows come in, tokens go out. They run inside
//! the transaction that changed a row, before the cell's row is locked, so they
//! only compute.

mod account_document;
mod epoch;
mod user_token;

pub use account_document::{AccountDocument, AccountDocumentSource, CompileError};
pub use epoch::epoch_statement;
pub use user_token::{IN_PROCESS, UserTokenSource, UserTokenTooLarge, check_size};
