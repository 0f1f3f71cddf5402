//! The node's side of the fleet: who it is, what it was told to hold, and the
//! stream to the control plane.
//!
//! ```text
//!  enrolment ──▶ identity.json ──▶ tls ──▶ channel ──▶ session ◀── link (dials again for ever)
//!                                                       │  ▲
//!                Update: batch ─▶ plan ─▶ broker ─▶ last known good ─▶ Ack
//!                Request: request lane ─▶ broker ─▶ Response
//!                usage, live counts ─▶ UsageReport, LiveReport
//! ```
//!
//! The node serves from its own disk. Nothing here is needed for that once a
//! configuration was applied: without a control plane only change waits.

mod backoff;
mod batch;
pub mod bounds;
mod channel;
mod configuration;
mod enrolment;
mod enrolment_token_source;
mod identity;
mod last_known_good;
mod link;
mod plan;
mod request_lane;
mod session;
mod tls;
mod unkept;

pub use channel::DialError;
pub use configuration::Configuration;
pub use enrolment::{EnrolError, EnrolmentToken, InvalidEnrolmentToken, enrol};
pub use enrolment_token_source::{EnrolmentTokenError, EnrolmentTokenSource};
pub use identity::{Identity, IdentityError, IdentityStore};
pub use last_known_good::{LastKnownGood, LastKnownGoodError, RemovedAt, StoredDocument};
pub use link::{Link, LinkParts};

/// What a cell should hold; see the fleet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Grows when the database was restored from a backup; the operator signs that.
    pub epoch: u64,
    /// Grows by one with each change, within an epoch.
    pub revision: u64,
    /// What the control plane gave to the revision; said back to it, and of no meaning here.
    pub mark: u64,
}

impl From<tollway_proto::fleet::Cursor> for Cursor {
    fn from(cursor: tollway_proto::fleet::Cursor) -> Self {
        Self {
            epoch: cursor.epoch,
            revision: cursor.revision,
            mark: cursor.mark,
        }
    }
}

impl From<Cursor> for tollway_proto::fleet::Cursor {
    fn from(cursor: Cursor) -> Self {
        Self {
            epoch: cursor.epoch,
            revision: cursor.revision,
            mark: cursor.mark,
        }
    }
}
