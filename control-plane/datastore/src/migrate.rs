//! The schema, embedded in the program.

use std::error::Error;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor};

use crate::driver_error::DriverError;
use crate::schema::{self, Schema};

/// The oldest server we run on, as `server_version_num`.
pub(crate) const POSTGRES_VERSION_MIN: i32 = 150_000;

/// Each file runs once, in a transaction, under an advisory lock of the database.
pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// Whether every user of the server may connect to the database, though we could forbid it.
const IS_OPEN: &str = "
    SELECT has_database_privilege('public', oid, 'CONNECT') AND pg_has_role(current_user, datdba, 'USAGE')
    FROM pg_catalog.pg_database
    WHERE datname = current_database()";

/// Takes from every user of the server the right to connect that a new database gives them all, and leaves
/// it to the owner and to whom it was granted by name.
///
/// The three roles belong to the whole server: a user of another installation on it may take them in every
/// database that it can connect to. A dump does not carry this right and a copy of a database does not have
/// it, so it is not in a migration, which would never run again there. The lock is the one of the first
/// start: of two that revoke at once, one would fail.
const CLOSE: &str = "
    DO $$
    BEGIN
        PERFORM pg_advisory_xact_lock(x'746f6c6c776179'::bigint);
        -- Whoever reads a table hears what others changed meanwhile; the functions below ask a cache alone.
        PERFORM FROM pg_catalog.pg_database WHERE datname = current_database();
        IF has_database_privilege('public', current_database(), 'CONNECT') THEN
            EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        END IF;
        -- Of somebody who is not the owner, Postgres takes it without a word and does nothing.
        IF has_database_privilege('public', current_database(), 'CONNECT') THEN
            RAISE insufficient_privilege USING MESSAGE = 'only its owner can close the database to others';
        END IF;
    END
    $$";

/// Why the database could not be brought to this program's schema.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database user may not do what the migrations need.
    #[error(
        "the database user {user:?} may not prepare the database: it must own the database and have CREATEROLE, \
         or a superuser must first create the roles app_tenant, app_system and app_auth (NOLOGIN) and grant them to it"
    )]
    NotPermitted {
        /// Who we are to the database.
        user: String,
        /// What the driver says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The schema is not this release's, and the user of the URL may not make it so.
    #[error(
        "the database does not have this release's schema, and the database user {user:?} may not change it: \
         run `tollway migrate` with the URL of the database's owner"
    )]
    Outdated {
        /// Who we are to the database.
        user: String,
        /// What the migrations said.
        #[source]
        source: Box<MigrateError>,
    },
    /// The schema is there, and the user of the URL may not work with it.
    #[error(
        "the database user {user:?} may not take the roles that serve: run \
         `GRANT app_tenant, app_system, app_auth TO {user}` as a superuser"
    )]
    NotMember {
        /// Who we are to the database.
        user: String,
    },
    /// A newer release migrated the database.
    #[error(
        "the database has migration {version}, which this release does not know: run the newer release again"
    )]
    Newer {
        /// Its number.
        version: i64,
    },
    /// The database was migrated with a file that is not the one in this program.
    #[error(
        "migration {version} was changed after it ran on this database: run a release build, or begin with an \
         empty database"
    )]
    Changed {
        /// Its number.
        version: i64,
    },
    /// Anything else: the source says what.
    #[error("failed to migrate the database")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// Migrates only when there is something to migrate: whoever merely serves may change no schema.
pub(crate) async fn ensure(pool: &PgPool, connect: &PgConnectOptions) -> Result<(), MigrateError> {
    let user = connect.get_username();
    match schema::check(pool, user).await? {
        Schema::Current => {
            let failed = |error| MigrateError::Failed(Box::new(DriverError::from(error)));
            // A database that was restored is open again. Who does not own it leaves that to who migrates.
            if sqlx::query_scalar(IS_OPEN)
                .fetch_one(pool)
                .await
                .map_err(failed)?
            {
                pool.execute(AssertSqlSafe(CLOSE)).await.map_err(failed)?;
            }
            Ok(())
        }
        Schema::Behind => run(connect).await.map_err(|error| match error {
            MigrateError::NotPermitted { .. } => MigrateError::Outdated {
                user: user.to_owned(),
                source: Box::new(error),
            },
            other => other,
        }),
    }
}

pub(crate) async fn run(connect: &PgConnectOptions) -> Result<(), MigrateError> {
    use sqlx::migrate::MigrateError as Driver;

    // A connection of its own: a run that fails keeps the advisory lock until its connection ends, and
    // one of the shared pool would go on holding up every other control plane.
    let own = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(connect.clone())
        .await
        .map_err(|error| MigrateError::Failed(Box::new(DriverError::from(error))))?;
    let outcome = match MIGRATOR.run(&own).await {
        Ok(()) => own
            .execute(AssertSqlSafe(CLOSE))
            .await
            .map(drop)
            .map_err(Driver::Execute),
        Err(error) => Err(error),
    };
    own.close().await;
    outcome.map_err(|error| match error {
        Driver::VersionMissing(version) => MigrateError::Newer { version },
        Driver::VersionMismatch(version) => MigrateError::Changed { version },
        Driver::Execute(source) | Driver::ExecuteMigration(source, _) if is_about_permission(&source) => {
            MigrateError::NotPermitted {
                user: connect.get_username().to_owned(),
                source: Box::new(DriverError::from(source)),
            }
        }
        Driver::Execute(source) | Driver::ExecuteMigration(source, _) => {
            MigrateError::Failed(Box::new(DriverError::from(source)))
        }
        other => MigrateError::Failed(Box::new(other)),
    })
}

/// 42501, insufficient privilege; 3F000 when it is so for every schema that a table could be made in.
fn is_about_permission(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code == "42501" || code == "3F000")
}
