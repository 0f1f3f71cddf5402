//! Documents that no API would write.

use sqlx::PgConnection;
use tollway_tests::Account;

/// Puts a document into the database as the account's newest, as somebody would who has the database and
/// not the operator's keys. Nobody is notified: who looks by itself finds it.
pub(crate) async fn smuggle_in(
    database: &mut PgConnection,
    account: &Account,
    account_jwt: &str,
    statement_jwt: &str,
    request_id: &str,
) {
    let changed = sqlx::query(
        "WITH next AS (
             UPDATE cell
             SET revision = revision + 1
             WHERE id = (SELECT cell_id FROM cell_document WHERE account_key = $1)
             RETURNING id, revision
         ),
         marked AS (
             INSERT INTO cell_revision (cell_id, revision)
             SELECT id, revision FROM next
         )
         UPDATE cell_document
         SET revision = next.revision, account_jwt = $2, statement_jwt = $3, request_id = $4
         FROM next
         WHERE account_key = $1",
    )
    .bind(&account.public_key)
    .bind(account_jwt)
    .bind(statement_jwt)
    .bind(request_id)
    .execute(database)
    .await
    .expect("a superuser may change everything");
    assert_eq!(changed.rows_affected(), 1);
}
