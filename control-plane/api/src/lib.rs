//! What the control plane's REST API says: bodies, pages, problems.
//!
//! ```text
//!   request JSON ──▶ a type of this crate ──▶ the server's app layer ──▶ a type of this crate ──▶ JSON
//!                    (unknown fields refused)                          └▶ the same fields in protobuf
//! ```
//!
//! The fields are those of `proto/tollway/v1`, in snake_case; times are RFC 3339,
//! bytes are base64. What goes wrong is a [`Problem`] whose [`ProblemCode`] never
//! changes its meaning. This crate knows no socket and no clock.
//!
//! ```
//! use tollway_api::{FieldError, Problem, ProblemCode};
//!
//! let problem = Problem::new(ProblemCode::ValidationFailed)
//!     .with_error(FieldError::new("name", "invalid_name", "a name begins with a letter or digit"));
//! assert_eq!(problem.status, 422);
//! assert_eq!(serde_json::to_value(&problem).unwrap()["code"], "validation_failed");
//! ```

mod account;
mod api_token;
mod base64_bytes;
mod cell;
mod error_code;
mod organization;
mod page;
mod problem;
mod problem_code;
mod usage;
mod user;

pub use account::{
    Account, AccountLimits, AccountLimitsChange, AccountRollout, NewAccount, NewAccountLimits,
    RequestInAccount, RequestInAccountReply, SuspendAccount, UpdateAccount,
};
pub use api_token::{ApiToken, ApiTokenWithSecret, NewApiToken};
pub use cell::{Cell, CellNode, CellRefusal, CellUpdateRefusal, EnrolmentToken, NewCell, NewEnrolmentToken};
pub use error_code::{ErrorCode, ErrorCodes};
pub use organization::{
    NewOrganization, Organization, OrganizationQuotas, OrganizationQuotasChange, UpdateOrganization,
};
pub use page::Page;
pub use problem::{FieldError, PROBLEM_MEDIA_TYPE, Problem};
pub use problem_code::ProblemCode;
pub use usage::{AccountUsage, UsageHour, UsageTotals};
pub use user::{Issuance, IssueCredentials, IssuedCredentials, NewUser, Permissions, User};
