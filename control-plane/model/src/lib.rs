//! The nouns of the control plane: typed ids, names, limits, lifecycle stages.
//!
//! Everything here is a value. What comes from outside turns into one of these types at the edge, or
//! into an error that names the field; behind the edge nobody checks again:
//!
//! ```text
//! JSON, protobuf ──► Name, AccountLimits, Permissions, PageRequest ──► app ──► datastore
//!                        └► InvalidName, InvalidFields (field, code, detail)
//! ```
//!
//! The crate has no clock and no random source: ids are made from a time and random bytes that the
//! caller brings.
//!
//! ```
//! use tollway_model::{AccountId, AccountLimits, Name};
//!
//! let id = AccountId::new(1_750_000_000_000, [7; 10]);
//! assert!(id.to_string().starts_with("acc_"));
//! assert_eq!(id.to_string().parse::<AccountId>(), Ok(id));
//!
//! let name: Name = "orders-eu".parse()?;
//! assert_eq!(name.as_str(), "orders-eu");
//!
//! let limits = AccountLimits::new(500, -1, 1_048_576)?;
//! assert_eq!(limits.subscriptions.get(), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod api_token;
mod cell;
mod client_url;
mod document;
mod field;
mod id;
mod issuance;
mod limits;
mod name;
mod node;
mod organization;
mod page;
mod permissions;
mod public_key;
mod quota;
mod role;
mod session;
mod text;
mod usage;
mod user;

pub use account::{
    Account, AccountCell, AccountLive, AccountRef, AccountStage, InvalidSuspendedBy, InvalidTransition,
    SuspendedBy,
};
pub use api_token::ApiToken;
pub use cell::{Cell, CellEngine, CellRef, CellSummary, Cursor, Mark, Refusal, UpdateRefusal};
pub use client_url::{ClientUrl, InvalidClientUrl};
pub use document::{AccountRollout, CellDocument};
pub use field::{FieldError, InvalidFields};
pub use id::{
    AccountId, ApiTokenId, AttachmentId, AuditEventId, BootId, CellId, CertificateAuthorityId, Id, IdError,
    IssuanceId, NodeId, OperatorId, OrganizationId, SessionId, SignInLinkId, UserId,
};
pub use issuance::Issuance;
pub use limits::{AccountLimits, AccountLimitsChange, Limit, PAYLOAD_BYTES_MAX};
pub use name::{InvalidName, Name};
pub use node::Node;
pub use organization::Organization;
pub use page::{InvalidPage, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, Page, PageCursor, PageRequest};
pub use permissions::{PERMISSION_ENTRIES_MAX, PermissionLists, Permissions};
pub use public_key::{AccountKey, InvalidPublicKey, OperatorKey, UserKey};
pub use quota::{OrganizationQuotas, OrganizationQuotasChange, QUOTA_MAX, Quota};
pub use role::{Role, UnknownRole};
pub use session::Session;
pub use text::{DisplayName, InvalidText, Label, SuspensionReason};
pub use usage::{AccountUsage, UsageHour, UsageRow, UsageTotals};
pub use user::User;
