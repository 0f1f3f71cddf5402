//! The three kinds of transactions. Their methods are in the files of the resources.
//!
//! A statement that fails ends its transaction: drop it and begin again. Errors that an operation names
//! itself (a taken name, say) are found without failing a statement, and leave the transaction as it was.

use sqlx::postgres::{PgConnection, PgPool, Postgres};
use sqlx::{SqlSafeStr, Transaction};
use tollway_authz::{Actor, Platform, Scope};
use tollway_model::OrganizationId;

use crate::error::{DatastoreError, failed_to};
use crate::organization_share::OrganizationShare;

// The role comes first: from then on nothing in the transaction can pass row-level security. The bounds
// keep one stuck client from holding a cell's row for long.
const BEGIN_TENANT: &str = "BEGIN;
    SET LOCAL ROLE app_tenant;
    SET LOCAL statement_timeout = '15s';
    SET LOCAL lock_timeout = '10s';
    SET LOCAL idle_in_transaction_session_timeout = '30s'";
const BEGIN_SYSTEM: &str = "BEGIN;
    SET LOCAL ROLE app_system;
    SET LOCAL statement_timeout = '15s';
    SET LOCAL lock_timeout = '10s';
    SET LOCAL idle_in_transaction_session_timeout = '30s'";
const BEGIN_SYSTEM_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL ROLE app_system;
    SET LOCAL statement_timeout = '15s';
    SET LOCAL idle_in_transaction_session_timeout = '60s'";
const BEGIN_AUTH: &str = "BEGIN;
    SET LOCAL ROLE app_auth;
    SET LOCAL statement_timeout = '5s';
    SET LOCAL lock_timeout = '5s';
    SET LOCAL idle_in_transaction_session_timeout = '10s'";

/// A transaction inside one organization, as somebody with a permission for it.
#[derive(Debug)]
pub struct TenantTx {
    tx: Transaction<'static, Postgres>,
    organization: OrganizationId,
    actor: Actor,
    /// Given back when the transaction is over.
    _share: Option<OrganizationShare>,
}

impl TenantTx {
    pub(crate) async fn begin(
        pool: &PgPool,
        scope: &Scope<OrganizationId>,
        share: Option<OrganizationShare>,
    ) -> Result<Self, DatastoreError> {
        let mut tx = begin_with(pool, BEGIN_TENANT).await?;
        sqlx::query("SELECT set_config('app.org_id', $1, true)")
            .bind(scope.organization().uuid().to_string())
            .execute(&mut *tx)
            .await
            .map_err(failed_to("begin in an organization"))?;
        Ok(Self {
            tx,
            organization: scope.organization(),
            actor: scope.actor(),
            _share: share,
        })
    }

    /// Makes everything of this transaction so.
    pub async fn commit(self) -> Result<(), DatastoreError> {
        self.tx.commit().await.map_err(failed_to("commit"))
    }

    /// The organization that this transaction is in.
    pub fn organization(&self) -> OrganizationId {
        self.organization
    }

    pub(crate) fn actor(&self) -> Actor {
        self.actor
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// A transaction on the whole installation: fleet, metering, first start, platform admins.
#[derive(Debug)]
pub struct SystemTx {
    tx: Transaction<'static, Postgres>,
    actor: Actor,
}

impl SystemTx {
    pub(crate) async fn begin(pool: &PgPool, scope: &Scope<Platform>) -> Result<Self, DatastoreError> {
        Ok(Self {
            tx: begin_with(pool, BEGIN_SYSTEM).await?,
            actor: scope.actor(),
        })
    }

    pub(crate) async fn begin_snapshot(
        pool: &PgPool,
        scope: &Scope<Platform>,
    ) -> Result<Self, DatastoreError> {
        Ok(Self {
            tx: begin_with(pool, BEGIN_SYSTEM_SNAPSHOT).await?,
            actor: scope.actor(),
        })
    }

    /// Makes everything of this transaction so.
    pub async fn commit(self) -> Result<(), DatastoreError> {
        self.tx.commit().await.map_err(failed_to("commit"))
    }

    /// Waits until this transaction is the only one that makes the first start's rows, until it ends.
    pub async fn bootstrap_lock(&mut self) -> Result<(), DatastoreError> {
        // "tollway" in ASCII: a number that nobody else takes by accident.
        sqlx::query("SELECT pg_advisory_xact_lock(x'746f6c6c776179'::bigint)")
            .execute(self.connection())
            .await
            .map_err(failed_to("wait for another first start"))?;
        Ok(())
    }

    pub(crate) fn actor(&self) -> Actor {
        self.actor
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// A transaction that can find out who somebody is, and nothing else: its role may read no table.
#[derive(Debug)]
pub struct AuthTx {
    tx: Transaction<'static, Postgres>,
}

impl AuthTx {
    pub(crate) async fn begin(pool: &PgPool) -> Result<Self, DatastoreError> {
        Ok(Self {
            tx: begin_with(pool, BEGIN_AUTH).await?,
        })
    }

    /// Makes everything of this transaction so. Look-ups note when something was used last: commit them too.
    pub async fn commit(self) -> Result<(), DatastoreError> {
        self.tx.commit().await.map_err(failed_to("commit"))
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

async fn begin_with(
    pool: &PgPool,
    statements: impl SqlSafeStr,
) -> Result<Transaction<'static, Postgres>, DatastoreError> {
    pool.begin_with(statements)
        .await
        .map_err(failed_to("begin a transaction"))
}
