//! The first statements on a cluster that `tollway up` made: an owner that is no superuser, and its database.

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use crate::driver_error::DriverError;

/// Owner and database of a private cluster: what [`private_cluster_prepare`] makes.
pub const PRIVATE_CLUSTER_OWNER: &str = "tollway";

/// Longer than any server takes that is there; one that recovers says so and is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// A private cluster does not become what we need.
#[derive(Debug, thiserror::Error)]
#[error("failed to {step} in the private Postgres")]
pub struct PrivateClusterError {
    step: &'static str,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

/// Waits until the server takes connections, and makes owner and database when they are not there.
///
/// `superuser_url` names a superuser of the cluster and the database `postgres`. Waits for ever when no server
/// comes: the caller watches the process, and drops this when it ends.
///
/// # Errors
/// The server took the connection and refused a statement.
pub async fn private_cluster_prepare(superuser_url: &str) -> Result<(), PrivateClusterError> {
    let options =
        PgConnectOptions::from_str(superuser_url).map_err(failed_to("read the URL of a connection"))?;
    // Connecting fails many times while the server starts; that is no news.
    let options = options.disable_statement_logging();
    let mut connection = loop {
        match PgConnection::connect_with(&options).await {
            Ok(connection) => break connection,
            Err(error) if is_starting(&error) => tokio::time::sleep(RETRY_INTERVAL).await,
            Err(error) => return Err(failed_to("connect")(error)),
        }
    };
    let (has_owner, has_database): (bool, bool) = sqlx::query_as(
        "SELECT
             EXISTS (SELECT FROM pg_roles WHERE rolname = $1),
             EXISTS (SELECT FROM pg_database WHERE datname = $1)",
    )
    .bind(PRIVATE_CLUSTER_OWNER)
    .fetch_one(&mut connection)
    .await
    .map_err(failed_to("look for owner and database"))?;
    if !has_owner {
        connection
            .execute("CREATE ROLE tollway LOGIN CREATEROLE")
            .await
            .map_err(failed_to("create the owner"))?;
    }
    if !has_database {
        connection
            .execute("CREATE DATABASE tollway OWNER tollway")
            .await
            .map_err(failed_to("create the database"))?;
    }
    // A connection that does not say goodbye costs a line in the server's log, no more.
    let _ = connection.close().await;
    Ok(())
}

/// No socket yet, or a server that still reads its log (57P03, cannot_connect_now).
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code == "57P03"),
        _ => false,
    }
}

fn failed_to(step: &'static str) -> impl FnOnce(sqlx::Error) -> PrivateClusterError {
    move |source| PrivateClusterError {
        step,
        source: Box::new(DriverError::from(source)),
    }
}
