//! The application layer: the rules, and the transactions that keep them.
//!
//! REST, gRPC and the console call the same functions, one file per resource.
//! Each asks for a permission first, then begins, writes, audits, publishes what
//! changed for a cell, commits, and only then tells the fleet.

pub mod account;
pub mod api_token;
mod apply_waiters;
mod caller_look_up;
mod calls_of_organizations;
pub mod cell;
mod document;
mod error;
mod fair_places;
pub mod issuance;
mod op;
mod operation;
pub mod organization;
pub mod overview;
mod page;
mod readiness;
pub mod request_lane;
pub mod sign_in;
pub mod usage;
pub mod user;

use std::{fmt, sync::Arc};

use tollway_claims::Signer;
use tollway_datastore::Datastore;

use apply_waiters::ApplyWaiters;
use caller_look_up::{CallerLookUps, Presented};
pub use error::AppError;
pub(crate) use error::chain;
pub use op::OpContext;
#[cfg(test)]
pub(crate) use operation::action_of;
pub use page::{PageParams, Wait};
use readiness::Readiness;

use crate::{
    fleet::FleetHub,
    metrics::Metrics,
    peers::Peer,
    pki::Authority,
    secrets::{CallerSecrets, KeyEncryptionKey, secret_hash},
};

/// Everything that calls share. Clones are the same one.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    parts: AppParts,
    fleet_datastore: Datastore,
    caller_look_ups: CallerLookUps,
    caller_secrets: CallerSecrets,
    readiness: Readiness,
    apply_waiters: ApplyWaiters,
}

/// What an [`App`] is made of.
pub struct AppParts {
    /// The database.
    pub datastore: Datastore,
    /// Wraps the organizations' data keys.
    pub kek: KeyEncryptionKey,
    /// Signs accounts.
    pub operator: OperatorKeys,
    /// Signs certificates of nodes.
    pub authority: Arc<Authority>,
    /// The nodes attached to this process.
    pub hub: FleetHub,
    /// What this process counts.
    pub metrics: Metrics,
}

/// What is needed of the operator to serve; the identity key stays sealed.
pub struct OperatorKeys {
    /// The self-signed operator JWT that nodes pin.
    pub jwt: String,
    /// The signing key.
    pub signer: Signer,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(Shared {
            fleet_datastore: parts.datastore.for_fleet(),
            caller_look_ups: CallerLookUps::new(),
            caller_secrets: CallerSecrets::new(&parts.kek),
            readiness: Readiness::default(),
            parts,
            apply_waiters: ApplyWaiters::default(),
        }))
    }

    pub(crate) fn datastore(&self) -> &Datastore {
        &self.0.parts.datastore
    }

    /// The same database, for nodes and for work of our own: callers of the API cannot use its connections up.
    pub(crate) fn fleet_datastore(&self) -> &Datastore {
        &self.0.fleet_datastore
    }

    /// Where those who call wait until it is known who they are.
    fn caller_look_ups(&self) -> &CallerLookUps {
        &self.0.caller_look_ups
    }

    /// Makes what callers prove themselves with.
    fn caller_secrets(&self) -> &CallerSecrets {
        &self.0.caller_secrets
    }

    /// What somebody from `peer` calls with; `letters` is the secret without what all of its kind begin with.
    fn presented(&self, secret: &str, letters: &str, peer: Peer) -> Presented {
        Presented {
            secret: secret_hash(secret),
            is_ours: self.caller_secrets().is_ours(letters),
            peer,
        }
    }

    pub(crate) fn kek(&self) -> &KeyEncryptionKey {
        &self.0.parts.kek
    }

    pub(crate) fn operator(&self) -> &OperatorKeys {
        &self.0.parts.operator
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.0.parts.authority
    }

    /// The calls that wait for cells.
    fn apply_waiters(&self) -> &ApplyWaiters {
        &self.0.apply_waiters
    }

    pub(crate) fn hub(&self) -> &FleetHub {
        &self.0.parts.hub
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.parts.metrics
    }

    /// Whether calls can be served: the database answers and has our schema.
    pub async fn ready(&self) -> Result<(), AppError> {
        self.0.readiness.look(self.datastore()).await
    }

    /// The metrics as text.
    pub(crate) fn metrics_text(&self) -> Result<String, fmt::Error> {
        let pool = self.datastore().pool_status();
        self.metrics().database_connections(pool.open, pool.idle);
        self.metrics().encode()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
