//! The pool of connections, and where transactions begin.

use std::error::Error;
use std::io;
use std::str::FromStr;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use tokio::time::{Instant, sleep, timeout_at};
use tollway_authz::{Platform, Scope};
use tollway_model::OrganizationId;

use crate::bounds::{
    ACQUIRE_TIMEOUT, FIRST_CONNECTION_PAUSE, FLEET_POOL_CONNECTIONS, ORGANIZATION_CONNECTIONS,
    POOL_CONNECTIONS, TENANT_CONNECTIONS,
};
use crate::driver_error::DriverError;
use crate::error::{DatastoreError, failed_to};
use crate::listener::{FLEET_CHANNEL, FleetListener, FleetSignal};
use crate::migrate::{self, MigrateError, POSTGRES_VERSION_MIN};
use crate::organization_share::OrganizationShares;
use crate::transaction::{AuthTx, SystemTx, TenantTx};

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DatastoreOptions {
    connect: PgConnectOptions,
    connections_max: u32,
}

/// A text that is no database URL. It is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("the database URL cannot be read; it looks like postgres://user:password@host:5432/database")]
pub struct InvalidDatabaseUrl(#[source] Box<dyn Error + Send + Sync>);

impl DatastoreOptions {
    /// From a URL such as `postgres://user:password@host:5432/database`; for a unix socket
    /// `postgres:///database?host=/folder&user=name`.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn from_url(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        let connect = PgConnectOptions::from_str(url).map_err(|error| InvalidDatabaseUrl(Box::new(error)))?;
        Ok(Self {
            connect: connect.application_name("tollway"),
            connections_max: POOL_CONNECTIONS,
        })
    }

    /// Most connections at the same time (at least one); the fleet listener has one more of its own.
    #[must_use]
    pub fn connections_max(mut self, connections_max: u32) -> Self {
        self.connections_max = connections_max.max(1);
        self
    }
}

/// Connections of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Open ones, in use or not.
    pub open: u64,
    /// Open ones that nobody uses.
    pub idle: u64,
}

/// Why there is no datastore.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answered, or the answer was no.
    #[error("cannot connect to the database of DATABASE_URL at {place}")]
    Unavailable {
        /// Host and port, or the folder of the socket.
        place: String,
        /// What the system, or the server, says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server is too old.
    #[error("the database server is Postgres {found}; Tollway needs {} or newer", POSTGRES_VERSION_MIN / 10_000)]
    VersionTooOld {
        /// What the server calls itself.
        found: String,
    },
}

/// Where the database is looked for, without whom it is looked for as.
fn place(connect: &PgConnectOptions) -> String {
    let port = connect.get_port();
    match connect.get_socket() {
        Some(folder) => format!("{}/.s.PGSQL.{port}", folder.display()),
        None if connect.get_host().starts_with('/') => format!("{}/.s.PGSQL.{port}", connect.get_host()),
        None => format!("{}:{port}", connect.get_host()),
    }
}

/// Connects once, without the pool: that one waits in silence, and then only knows that it has waited. A
/// server that is about to listen gets the same time from both.
async fn first_connection(connect: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let deadline = Instant::now() + ACQUIRE_TIMEOUT;
    loop {
        let error = match timeout_at(deadline, PgConnection::connect_with(connect)).await {
            Ok(Ok(connection)) => {
                // It has told what there is to know.
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        };
        if !may_pass(&error) || Instant::now() + FIRST_CONNECTION_PAUSE >= deadline {
            return Err(error);
        }
        sleep(FIRST_CONNECTION_PAUSE).await;
    }
}

/// Whether this is how a server looks that is being started.
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        // It starts, or all its connections are taken.
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code == "57P03" || code == "53300"),
        _ => false,
    }
}

/// The database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Datastore {
    pool: PgPool,
    connect: PgConnectOptions,
    shares: OrganizationShares,
}

impl Datastore {
    /// Connects, and checks that the server is one we can work with.
    ///
    /// # Errors
    /// The server does not answer, refuses us, or is too old.
    pub async fn connect(options: &DatastoreOptions) -> Result<Self, ConnectError> {
        let unavailable = |error| ConnectError::Unavailable {
            place: place(&options.connect),
            source: Box::new(DriverError::from(error)),
        };
        first_connection(&options.connect).await.map_err(unavailable)?;
        let pool = PgPoolOptions::new()
            .max_connections(options.connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.connect.clone())
            .await
            .map_err(unavailable)?;
        let (number, found): (i32, String) = sqlx::query_as(
            "SELECT
                 current_setting('server_version_num')::int,
                 current_setting('server_version')",
        )
        .fetch_one(&pool)
        .await
        .map_err(unavailable)?;
        if number < POSTGRES_VERSION_MIN {
            return Err(ConnectError::VersionTooOld { found });
        }
        Ok(Self {
            pool,
            connect: options.connect.clone(),
            shares: OrganizationShares::new(ORGANIZATION_CONNECTIONS, TENANT_CONNECTIONS),
        })
    }

    /// The same database over connections of its own, for the fleet: however many callers of the API wait
    /// for theirs, revocations reach the nodes and what nodes report is stored. [`Self::close`] it too.
    #[must_use]
    pub fn for_fleet(&self) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(FLEET_POOL_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(self.connect.clone());
        Self {
            pool,
            connect: self.connect.clone(),
            shares: OrganizationShares::new(FLEET_POOL_CONNECTIONS, FLEET_POOL_CONNECTIONS),
        }
    }

    /// Brings the database to this program's schema. Several may do so at once: they wait for each other.
    ///
    /// # Errors
    /// See [`MigrateError`], each of which says what to do.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        migrate::run(&self.connect).await
    }

    /// Makes sure that the database has this program's schema, and migrates only when it has not: a user
    /// who does not own the database, and is a member of the three roles, passes when somebody else migrated.
    ///
    /// # Errors
    /// See [`MigrateError`], each of which says what to do.
    pub async fn schema_ensure(&self) -> Result<(), MigrateError> {
        migrate::ensure(&self.pool, &self.connect).await
    }

    /// Begins a transaction inside one organization, when the organization has fewer open than it may.
    ///
    /// # Errors
    /// `Contended` when its other transactions did not make room in time.
    pub async fn begin(&self, scope: &Scope<OrganizationId>) -> Result<TenantTx, DatastoreError> {
        // Who runs the installation must get in although the organization keeps its own share busy.
        let share = match scope.is_of_platform() {
            true => None,
            false => Some(self.shares.take(scope.organization()).await?),
        };
        TenantTx::begin(&self.pool, scope, share).await
    }

    /// Begins a transaction on the whole installation.
    pub async fn begin_system(&self, scope: &Scope<Platform>) -> Result<SystemTx, DatastoreError> {
        SystemTx::begin(&self.pool, scope).await
    }

    /// Begins a transaction that only reads, and sees everything as it was at its first statement: what
    /// the parts of a batch for a cell are read with.
    pub async fn begin_system_snapshot(&self, scope: &Scope<Platform>) -> Result<SystemTx, DatastoreError> {
        SystemTx::begin_snapshot(&self.pool, scope).await
    }

    /// Begins a transaction that can only find out who somebody is.
    pub async fn begin_auth(&self) -> Result<AuthTx, DatastoreError> {
        AuthTx::begin(&self.pool).await
    }

    /// Tells all control planes about a cell. Call it after the commit: whoever hears it looks at once.
    ///
    /// A signal that is lost delays a change until the next look, and loses nothing.
    pub async fn signal(&self, signal: FleetSignal) -> Result<(), DatastoreError> {
        let Some(payload) = signal.payload() else {
            return Ok(());
        };
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(FLEET_CHANNEL)
            .bind(payload)
            .execute(&self.pool)
            .await
            .map_err(failed_to("signal the fleet"))?;
        Ok(())
    }

    /// Begins to listen for signals, over a connection of its own.
    pub async fn listen(&self) -> Result<FleetListener, DatastoreError> {
        FleetListener::connect(self.connect.clone()).await
    }

    /// Whether the database answers and has our schema, for readiness checks.
    pub async fn ready(&self) -> Result<(), DatastoreError> {
        let mut tx = self.begin_system(&Scope::system("readiness")).await?;
        tx.cell_count().await?;
        Ok(())
    }

    /// How many connections there are now, for metrics.
    pub fn pool_status(&self) -> PoolStatus {
        PoolStatus {
            open: self.pool.size().into(),
            idle: self.pool.num_idle() as u64,
        }
    }

    /// Waits for running transactions and closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
