//! Getting a database ready, with the rights that people give us.

use std::error::Error;

use sqlx::{AssertSqlSafe, Executor};
use tollway_datastore::testing::{self, Cluster, TestDatabase};
use tollway_datastore::{ConnectError, Datastore, DatastoreError, DatastoreOptions, MigrateError};

async fn connect(url: &str) -> Datastore {
    Datastore::connect(&DatastoreOptions::from_url(url).unwrap())
        .await
        .unwrap()
}

/// The same database as a user who may do nothing but own it.
async fn as_plain_owner(database: &TestDatabase, user: &str) -> Datastore {
    let mut superuser = database.superuser().await;
    superuser
        .execute(AssertSqlSafe(format!("CREATE ROLE {user} LOGIN")))
        .await
        .unwrap();
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    superuser
        .execute(AssertSqlSafe(format!("ALTER DATABASE {name} OWNER TO {user}")))
        .await
        .unwrap();
    connect(
        &database
            .url()
            .replace("user=tollway_owner", &format!("user={user}")),
    )
    .await
}

#[tokio::test]
async fn an_owner_who_is_no_superuser_migrates_and_serves() {
    let database = Cluster::private("owner").await.create_database(None).await;
    let datastore = database.datastore().await;
    datastore.migrate().await.unwrap();
    datastore.ready().await.unwrap();
    datastore.migrate().await.unwrap();
}

#[tokio::test]
async fn two_databases_of_one_cluster_are_migrated_at_once() {
    let cluster = Cluster::private("both").await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let database = cluster.create_database(None).await;
        // Twice per database as well: two control planes may start together.
        for _ in 0..2 {
            let datastore = database.datastore().await;
            tasks.push(tokio::spawn(async move {
                datastore.migrate().await.unwrap();
                datastore.ready().await.unwrap();
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_superuser_may_own_and_serve_and_still_passes_no_row_security() {
    let database = Cluster::private("super").await.create_database(None).await;
    let datastore = connect(database.superuser_url()).await;
    datastore.migrate().await.unwrap();
    let scope = crate::fixture::scope(crate::fixture::fresh());
    let mut tx = datastore.begin(&scope).await.unwrap();
    assert_eq!(tx.organization_get().await.unwrap(), None);
}

#[tokio::test]
async fn a_user_who_may_not_create_roles_is_told_what_to_do() {
    let database = Cluster::private("plain").await.create_database(None).await;
    let datastore = as_plain_owner(&database, "plain").await;
    let error = datastore.migrate().await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::NotPermitted { user, .. } if user == "plain"),
        "{error:?}"
    );
    assert!(error.to_string().contains("CREATEROLE"), "{error}");
}

#[tokio::test]
async fn a_user_who_was_given_the_roles_needs_no_right_to_create_them() {
    let database = Cluster::private("given").await.create_database(None).await;
    let mut superuser = database.superuser().await;
    superuser
        .execute("CREATE ROLE app_tenant; CREATE ROLE app_system; CREATE ROLE app_auth")
        .await
        .unwrap();
    let datastore = as_plain_owner(&database, "given").await;
    superuser
        .execute("GRANT app_tenant, app_system, app_auth TO given")
        .await
        .unwrap();
    datastore.migrate().await.unwrap();
    datastore.ready().await.unwrap();
}

/// A user who owns nothing, and may connect.
async fn as_stranger(database: &TestDatabase, user: &str) -> Datastore {
    let mut superuser = database.superuser().await;
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    superuser
        .execute(AssertSqlSafe(format!(
            "CREATE ROLE {user} LOGIN NOINHERIT; GRANT CONNECT ON DATABASE {name} TO {user}"
        )))
        .await
        .unwrap();
    connect(
        &database
            .url()
            .replace("user=tollway_owner", &format!("user={user}")),
    )
    .await
}

/// Reaches a database as somebody, if it can.
async fn try_connect(database: &TestDatabase, user: &str) -> Result<Datastore, ConnectError> {
    let url = database
        .url()
        .replace("user=tollway_owner", &format!("user={user}"));
    Datastore::connect(&DatastoreOptions::from_url(&url).unwrap()).await
}

/// The three roles belong to the server, so whoever got in could take them.
#[tokio::test]
async fn of_two_installations_on_one_server_neither_gets_into_the_database_of_the_other() {
    let cluster = Cluster::private("two").await;
    let (north, south) = (
        cluster.create_database(None).await,
        cluster.create_database(None).await,
    );
    let mut superuser = north.superuser().await;
    superuser
        .execute("CREATE ROLE app_tenant; CREATE ROLE app_system; CREATE ROLE app_auth")
        .await
        .unwrap();
    for (database, owner) in [(&north, "north"), (&south, "south")] {
        let datastore = as_plain_owner(database, owner).await;
        superuser
            .execute(AssertSqlSafe(format!(
                "GRANT app_tenant, app_system, app_auth TO {owner}"
            )))
            .await
            .unwrap();
        datastore.migrate().await.unwrap();
        datastore.ready().await.unwrap();
    }
    superuser
        .execute("CREATE ROLE south_server LOGIN NOINHERIT; GRANT app_tenant, app_system, app_auth TO south_server")
        .await
        .unwrap();
    for stranger in ["south", "south_server"] {
        let refused = try_connect(&north, stranger).await.err().unwrap();
        assert!(
            format!("{refused:?}").contains("permission denied for database"),
            "{refused:?}"
        );
    }
    try_connect(&north, "north").await.unwrap().ready().await.unwrap();
    try_connect(&south, "south").await.unwrap().ready().await.unwrap();

    // A restored database is open to everybody of the server again, until its owner starts.
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    superuser
        .execute(AssertSqlSafe(format!(
            "GRANT CONNECT ON DATABASE {name} TO PUBLIC"
        )))
        .await
        .unwrap();
    let guest = try_connect(&north, "south_server").await.unwrap();
    // Whoever only serves cannot close it, and serves on.
    guest.schema_ensure().await.unwrap();
    drop(guest);
    let owner = try_connect(&north, "north").await.unwrap();
    let (one, other) = tokio::join!(owner.schema_ensure(), owner.schema_ensure());
    one.unwrap();
    other.unwrap();
    assert!(try_connect(&north, "south_server").await.is_err());
}

#[tokio::test]
async fn a_member_of_the_three_roles_serves_what_the_owner_migrated_and_changes_no_schema() {
    let database = Cluster::private("member").await.create_database(None).await;
    let owner = database.datastore().await;
    owner.schema_ensure().await.unwrap();
    owner.schema_ensure().await.unwrap();
    let member = as_stranger(&database, "member").await;
    let error = member.schema_ensure().await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::NotMember { user } if user == "member"),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("GRANT app_tenant, app_system, app_auth TO member"),
        "{error}"
    );

    let mut superuser = database.superuser().await;
    superuser
        .execute("GRANT app_tenant, app_system, app_auth TO member")
        .await
        .unwrap();
    member.schema_ensure().await.unwrap();
    member.ready().await.unwrap();
    let scope = crate::fixture::scope(crate::fixture::fresh());
    let mut tx = member.begin(&scope).await.unwrap();
    assert_eq!(tx.organization_get().await.unwrap(), None);
    drop(tx);
    member.begin_auth().await.unwrap().commit().await.unwrap();
    let signals = member.listen().await;
    assert!(signals.is_ok());
    assert!(member.migrate().await.is_err(), "that is the owner's");

    superuser.execute("DELETE FROM _sqlx_migrations").await.unwrap();
    let error = member.schema_ensure().await.unwrap_err();
    assert!(matches!(error, MigrateError::Outdated { .. }), "{error:?}");
    assert!(error.to_string().contains("tollway migrate"), "{error}");
}

#[tokio::test]
async fn a_stranger_to_an_empty_database_is_told_who_has_to_migrate() {
    let database = Cluster::private("stranger").await.create_database(None).await;
    let error = as_stranger(&database, "stranger")
        .await
        .schema_ensure()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, MigrateError::Outdated { user, .. } if user == "stranger"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_release_and_a_changed_migration_are_told_apart() {
    let database = testing::database().await;
    let datastore = database.datastore().await;
    let mut owner = database.owner().await;
    owner
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'from the future', true, '\\x00', 0)",
        )
        .await
        .unwrap();
    for error in [
        datastore.migrate().await.unwrap_err(),
        datastore.schema_ensure().await.unwrap_err(),
    ] {
        assert!(
            matches!(error, MigrateError::Newer { version: 9999 }),
            "{error:?}"
        );
    }

    owner
        .execute(
            "DELETE FROM _sqlx_migrations WHERE version = 9999;
             UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1",
        )
        .await
        .unwrap();
    for error in [
        datastore.migrate().await.unwrap_err(),
        datastore.schema_ensure().await.unwrap_err(),
    ] {
        assert!(matches!(error, MigrateError::Changed { version: 1 }), "{error:?}");
    }
}

#[tokio::test]
async fn a_database_without_our_schema_is_not_ready_and_says_so() {
    let datastore = testing::empty_database().await.datastore().await;
    let error = datastore.ready().await.unwrap_err();
    assert!(matches!(error, DatastoreError::NotPrepared { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unavailable_and_a_bad_url_keeps_its_password() {
    let options = DatastoreOptions::from_url("postgres:///nothing?host=/nonexistent&user=nobody").unwrap();
    let error = Datastore::connect(&options).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unavailable { .. }), "{error:?}");
    let said = |error: ConnectError| format!("{error}: {}", error.source().unwrap());
    assert_eq!(
        said(error),
        "cannot connect to the database of DATABASE_URL at /nonexistent/.s.PGSQL.5432: there is no such socket"
    );
    // A port of root's, where no test listens.
    let options = DatastoreOptions::from_url("postgres://user:hunter2@127.0.0.1:1/nothing").unwrap();
    assert_eq!(
        said(Datastore::connect(&options).await.unwrap_err()),
        "cannot connect to the database of DATABASE_URL at 127.0.0.1:1: connection refused"
    );
    let database = testing::empty_database().await;
    let url = database.url().replace("user=tollway_owner", "user=nobody");
    let error = Datastore::connect(&DatastoreOptions::from_url(&url).unwrap())
        .await
        .unwrap_err();
    let told = said(error);
    assert!(
        told.ends_with(": role \"nobody\" does not exist (SQLSTATE 28000)"),
        "{told}"
    );
    let error = DatastoreOptions::from_url("postgres//user:hunter2@host").unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}
