//! Every SQL statement of the product, one file per resource.
//!
//! Nothing reaches Postgres but through a transaction of one of three kinds. Each begins by taking a
//! database role that neither owns tables nor passes row-level security:
//!
//! ```text
//! Scope<OrganizationId> ─► Datastore::begin        ─► TenantTx  app_tenant  rows of one organization
//! Scope<Platform>       ─► Datastore::begin_system ─► SystemTx  app_system  fleet, metering, first start
//! (nobody yet)          ─► Datastore::begin_auth   ─► AuthTx    app_auth    four functions, no tables
//! ```
//!
//! A [`TenantTx`] belongs to the organization of the scope it was begun with. Its statements name that
//! organization in their predicates; row-level security is the second wall behind them.
//!
//! A transaction that is dropped without [`TenantTx::commit`] leaves nothing behind. What a transaction
//! changes for a cell is told to the fleet after the commit, with [`Datastore::signal`].
//!
//! Times and ids come from the caller: the same calls store the same rows.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tollway_authz::{Action, Principal, authorize};
//! use tollway_datastore::{Datastore, DatastoreOptions};
//! use tollway_model::{OrganizationId, PageRequest};
//!
//! let datastore = Datastore::connect(&DatastoreOptions::from_url("postgres:///tollway?host=/run/pg")?).await?;
//! datastore.migrate().await?;
//!
//! let scope = authorize(&Principal::system("example"), Action::AccountList, OrganizationId::new(1, [1; 10]))?;
//! let mut tx = datastore.begin(&scope).await?;
//! let accounts = tx.account_list(&PageRequest::first()).await?;
//! # Ok(()) }
//! ```

mod account;
mod account_document;
mod account_live;
mod api_token;
mod audit;
mod bounds;
mod cell;
mod cell_feed;
mod certificate_authority;
mod clean_up;
mod data_key;
mod datastore;
mod driver_error;
mod enrolment_token;
mod error;
mod issuance;
mod listener;
mod migrate;
mod node;
mod operator;
mod organization;
mod organization_share;
mod overview;
mod private_cluster;
mod quota;
mod row;
mod schema;
mod session;
#[cfg(feature = "testing")]
pub mod testing;
mod transaction;
mod usage;
mod user;

pub use account::{AccountInsertError, AccountLocation, AccountSeeds, NewAccount, NewSystemAccount};
pub use account_document::{NewDocument, PublishError};
pub use account_live::LiveRow;
pub use api_token::{ApiTokenInsertError, NewApiToken};
pub use audit::NewAuditEvent;
pub use bounds::{
    ISSUANCES_PER_ACCOUNT_MAX, ISSUANCES_PER_USER_MAX, NODE_SILENCE_MAX, POOL_CONNECTIONS,
    REVISION_MARK_KEEP, TENANT_CONNECTIONS,
};
pub use cell::{
    CellDeleteError, CellInsertError, CellPlaceError, CellTenant, DeletedCell, NewCell, NewEpoch,
};
pub use cell_feed::{Acknowledged, Acknowledgement, Publication};
pub use certificate_authority::CertificateAuthorityRecord;
pub use clean_up::CleanedUp;
pub use data_key::WrappedDataKey;
pub use datastore::{ConnectError, Datastore, DatastoreOptions, InvalidDatabaseUrl, PoolStatus};
pub use enrolment_token::{EnrolmentTokenRefused, NewEnrolmentToken};
pub use error::DatastoreError;
pub use issuance::{IssuanceInsertError, NewIssuance};
pub use listener::{FleetListener, FleetSignal};
pub use migrate::MigrateError;
pub use node::{Hello, NewNode, NodeAdmitError};
pub use operator::OperatorRecord;
pub use organization::{NewOrganization, OrganizationDeleteError, OrganizationInsertError};
pub use private_cluster::{PRIVATE_CLUSTER_OWNER, PrivateClusterError, private_cluster_prepare};
pub use quota::QuotaExceeded;
pub use session::{AuthenticatedSession, NewSession, NewSignInLink, SessionEntry};
pub use transaction::{AuthTx, SystemTx, TenantTx};
pub use usage::UsageStored;
pub use user::{NewUser, UserInsertError};
