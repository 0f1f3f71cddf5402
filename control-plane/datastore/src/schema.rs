//! Whether the database has this release's schema, found out with no right but that of serving.

use std::borrow::Cow;

use sqlx::postgres::PgPool;
use tollway_authz::Scope;

use crate::error::{DatastoreError, failed_to};
use crate::migrate::{MIGRATOR, MigrateError};
use crate::transaction::SystemTx;

/// What was found.
#[derive(Debug)]
pub(crate) enum Schema {
    /// Every migration of this release ran, and no other.
    Current,
    /// Migrations are missing, or all of it.
    Behind,
}

/// Compares what ran with what this release would run.
///
/// # Errors
/// A newer or changed schema, or a user who may not serve.
pub(crate) async fn check(pool: &PgPool, user: &str) -> Result<Schema, MigrateError> {
    let failed = |error: DatastoreError| MigrateError::Failed(Box::new(error));
    // From Postgres 16 on, a member may be one that cannot take the role.
    let (migrated, taken): (bool, i64) = sqlx::query_as(
        "SELECT
             EXISTS (
                 SELECT FROM pg_catalog.pg_class
                 JOIN pg_catalog.pg_roles ON rolname = 'app_system'
                 WHERE relname = '_sqlx_migrations' AND relkind = 'r'
                   -- The first migration grants it; until then somebody else is in the middle of it.
                   AND has_table_privilege(pg_roles.oid, pg_class.oid, 'SELECT')
             ),
             (
                 SELECT count(*)
                 FROM pg_catalog.pg_roles
                 WHERE rolname IN ('app_tenant', 'app_system', 'app_auth')
                   AND pg_has_role(
                       current_user, oid,
                       CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
             )",
    )
    .fetch_one(pool)
    .await
    .map_err(failed_to("look for the schema"))
    .map_err(failed)?;
    if !migrated {
        return Ok(Schema::Behind);
    }
    if taken < 3 {
        return Err(MigrateError::NotMember {
            user: user.to_owned(),
        });
    }
    let mut tx = SystemTx::begin(pool, &Scope::system("schema"))
        .await
        .map_err(failed)?;
    let ran: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT version, checksum
         FROM _sqlx_migrations
         WHERE success
         ORDER BY version",
    )
    .fetch_all(tx.connection())
    .await
    .map_err(failed_to("read which migrations ran"))
    .map_err(failed)?;
    compare(&ran)
}

fn compare(ran: &[(i64, Vec<u8>)]) -> Result<Schema, MigrateError> {
    let ours = |version: i64| MIGRATOR.iter().find(|migration| migration.version == version);
    for (version, checksum) in ran {
        let version = *version;
        let ours = ours(version).ok_or(MigrateError::Newer { version })?;
        if ours.checksum != Cow::Borrowed(checksum.as_slice()) {
            return Err(MigrateError::Changed { version });
        }
    }
    let all = MIGRATOR
        .iter()
        .all(|migration| ran.iter().any(|(version, _)| *version == migration.version));
    Ok(if all { Schema::Current } else { Schema::Behind })
}
