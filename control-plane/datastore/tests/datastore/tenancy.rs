//! The second wall: what each database role can do when our own statements are not in the way.
//!
//! Everything here speaks SQL as the database's owner who took a role, as a mistake in our statements
//! would.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use time::OffsetDateTime;
use tollway_datastore::{Acknowledgement, LiveRow, NewApiToken, NewAuditEvent, NewSignInLink};
use tollway_model::{
    AccountLimits, AccountStage, Cursor, OrganizationId, PageRequest, Refusal, Role, UsageRow, UsageTotals,
};

use crate::fixture::{World, fresh, fresh_boot, hash, now, seconds};

const PERMISSION_DENIED: &str = "42501";

/// Every table that a tenant has rows in, with at least one row of ours and none of theirs.
async fn filled() -> World {
    let world = World::new().await;
    let account = world.account("orders").await;
    let user = world.user(account.id, "worker").await;
    world.issuance(&user, None).await;
    let node = world.node(world.cell.id).await;
    let mut tx = world.tenant().await;
    let token = NewApiToken {
        id: fresh(),
        role: Role::Owner,
        name: "ci".parse().unwrap(),
        secret_hash: hash(),
        created_at: now(),
        expires_at: None,
    };
    tx.api_token_insert(&token).await.unwrap();
    let event = NewAuditEvent {
        id: fresh(),
        action: tollway_authz::Action::ApiTokenCreate,
        target: token.id.to_string(),
        detail: serde_json::json!({}),
        request_id: String::new(),
        at: now(),
    };
    tx.audit_append(&event).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.system().await;
    let usage = UsageRow {
        boot_id: fresh_boot(),
        account: account.public_key.clone(),
        hour_unix: now().unix_timestamp() / 3600 * 3600,
        usage: UsageTotals {
            messages_in: 1,
            ..Default::default()
        },
    };
    tx.usage_store(node.id, &[usage], now()).await.unwrap();
    let live = LiveRow {
        account: account.public_key.clone(),
        connections: 1,
        subscriptions: 1,
    };
    tx.account_live_replace(node.id, &[live], now()).await.unwrap();
    let refusal = Refusal {
        account: account.public_key,
        code: "malformed".into(),
        reason: "why".into(),
    };
    let cursor = Cursor {
        epoch: world.cell.cursor.epoch,
        revision: 1,
    };
    let acknowledgement = Acknowledgement {
        cursor,
        mark: world.mark(1).await,
        refused: vec![refusal],
        snapshot: false,
    };
    tx.cell_acknowledge(world.cell.id, &acknowledgement, now())
        .await
        .unwrap();
    let link = NewSignInLink {
        id: fresh(),
        secret_hash: hash(),
        role: Role::Owner,
        organization_id: Some(world.ours),
        created_at: now(),
        expires_at: now() + seconds(60),
    };
    tx.sign_in_link_insert(&link).await.unwrap();
    // Their data key would be a row of theirs.
    tx.commit().await.unwrap();
    let mut superuser = world.database.superuser().await;
    sqlx::query("DELETE FROM data_key WHERE organization_id = $1")
        .bind(world.theirs.uuid())
        .execute(&mut superuser)
        .await
        .unwrap();
    world
}

/// Begins a transaction as a role, perhaps with a tenant.
async fn take_role(connection: &mut PgConnection, role: &str, tenant: Option<OrganizationId>) {
    connection.execute("BEGIN").await.unwrap();
    connection
        .execute(AssertSqlSafe(format!("SET LOCAL ROLE {role}")))
        .await
        .unwrap();
    if let Some(tenant) = tenant {
        sqlx::query("SELECT set_config('app.org_id', $1, true)")
            .bind(tenant.uuid().to_string())
            .execute(connection)
            .await
            .unwrap();
    }
}

async fn count(connection: &mut PgConnection, table: &str) -> Result<i64, String> {
    let statement = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(statement)
        .fetch_one(connection)
        .await
        .map_err(|error| code_of(&error))
}

async fn attempt(connection: &mut PgConnection, statement: &str) -> Result<u64, String> {
    let done = connection.execute(AssertSqlSafe(statement.to_owned())).await;
    done.map(|done| done.rows_affected())
        .map_err(|error| code_of(&error))
}

fn code_of(error: &sqlx::Error) -> String {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .map_or_else(String::new, |code| code.into_owned())
}

/// As [`attempt`], in a transaction of its own as this role.
async fn attempt_as(world: &World, role: &str, statement: &str) -> Result<u64, String> {
    let mut connection = world.database.owner().await;
    take_role(&mut connection, role, Some(world.ours)).await;
    attempt(&mut connection, statement).await
}

async fn names(connection: &mut PgConnection, query: &'static str) -> BTreeSet<String> {
    let rows = sqlx::query(query).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}

/// The tables are taken from the catalogue, so that a table that is forgotten fails here.
async fn tenant_tables(world: &World) -> BTreeSet<String> {
    let mut superuser = world.database.superuser().await;
    let mut tables = names(
        &mut superuser,
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name = 'organization_id'",
    )
    .await;
    tables.insert("organization".to_owned());
    // Only the functions of app_auth and the system look into these.
    tables.remove("session");
    tables.remove("sign_in_link");
    tables
}

#[tokio::test]
async fn every_tenant_table_shows_its_rows_to_their_tenant_alone() {
    let world = filled().await;
    let mut connection = world.database.owner().await;
    let tables = tenant_tables(&world).await;
    assert!(tables.len() >= 11, "{tables:?}");
    for table in &tables {
        // One connection for all: what a transaction before left behind must not matter.
        for (tenant, expected) in [(Some(world.ours), 1), (Some(world.theirs), 0), (None, 0)] {
            take_role(&mut connection, "app_tenant", tenant).await;
            let mut seen = count(&mut connection, table).await.unwrap();
            if table == "organization" && tenant == Some(world.theirs) {
                seen -= 1; // It sees itself.
            }
            assert_eq!(seen, expected, "{table} as {tenant:?}");
            connection.execute("COMMIT").await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_empty_tenant_left_on_a_connection_sees_nothing_and_breaks_nothing() {
    let world = filled().await;
    let mut connection = world.database.owner().await;
    connection.execute("SET app.org_id = ''").await.unwrap();
    take_role(&mut connection, "app_tenant", None).await;
    assert_eq!(count(&mut connection, "account").await, Ok(0));
}

#[tokio::test]
async fn every_table_with_tenants_has_row_security_that_binds_its_owner() {
    let world = World::new().await;
    let mut superuser = world.database.superuser().await;
    let bound = names(
        &mut superuser,
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relrowsecurity AND relforcerowsecurity",
    )
    .await;
    for table in tenant_tables(&world).await {
        assert!(bound.contains(&table), "{table} has no forced row security");
    }
    assert!(bound.contains("cell"));
}

#[tokio::test]
async fn a_tenant_changes_no_row_of_another_one() {
    let world = filled().await;
    let mut connection = world.database.owner().await;
    for statement in [
        "UPDATE account SET connections_max = 1",
        "UPDATE account_user SET deleted_at = now()",
        "UPDATE issuance SET revoked_at = now()",
        "UPDATE organization SET display_name = 'gone' WHERE name = 'ours'",
        "DELETE FROM api_token",
    ] {
        take_role(&mut connection, "app_tenant", Some(world.theirs)).await;
        assert_eq!(attempt(&mut connection, statement).await, Ok(0), "{statement}");
        connection.execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn a_tenant_writes_no_row_for_another_one() {
    let world = filled().await;
    let (ours, theirs) = (world.ours.uuid(), world.theirs.uuid());
    let mut connection = world.database.owner().await;
    let copies = [
        format!(
            "INSERT INTO account_user (id, organization_id, account_id, name, permissions, created_at)
             SELECT gen_random_uuid(), '{theirs}', id, 'spy', '{{}}', now() FROM account"
        ),
        format!(
            "INSERT INTO audit_event (id, organization_id, actor, action, target, at)
             VALUES (gen_random_uuid(), '{theirs}', 'x', 'x', 'x', now())"
        ),
        "INSERT INTO audit_event (id, organization_id, actor, action, target, at)
         VALUES (gen_random_uuid(), NULL, 'x', 'x', 'x', now())"
            .to_owned(),
        format!(
            "INSERT INTO api_token (id, organization_id, role, name, secret_hash, created_at)
             VALUES (gen_random_uuid(), '{theirs}', 'owner', 'x', decode(repeat('ab', 32), 'hex'), now())"
        ),
        "INSERT INTO api_token (id, organization_id, role, name, secret_hash, created_at)
         VALUES (gen_random_uuid(), NULL, 'platform_admin', 'x', decode(repeat('ab', 32), 'hex'), now())"
            .to_owned(),
    ];
    for statement in &copies {
        take_role(&mut connection, "app_tenant", Some(world.ours)).await;
        assert_eq!(
            attempt(&mut connection, statement).await,
            Err(PERMISSION_DENIED.into()),
            "{statement}"
        );
        connection.execute("ROLLBACK").await.unwrap();
    }

    // Nor one that claims to be its own and hangs on somebody else's account.
    let account = world.account("billing").await.id.uuid();
    let hanging = format!(
        "INSERT INTO account_user (id, organization_id, account_id, name, permissions, created_at)
         VALUES (gen_random_uuid(), '{theirs}', '{account}', 'spy', '{{}}', now())"
    );
    take_role(&mut connection, "app_tenant", Some(world.theirs)).await;
    assert_eq!(
        attempt(&mut connection, &hanging).await,
        Err("23503".into()),
        "a foreign key"
    );
    connection.execute("ROLLBACK").await.unwrap();
    assert_ne!(ours, theirs);
}

#[tokio::test]
async fn a_tenant_can_do_nothing_beyond_its_own_rows() {
    let world = filled().await;
    for statement in [
        "UPDATE cell SET revision = revision + 1",
        "SELECT applied_at FROM cell",
        "SELECT * FROM cell_revision",
        "SELECT * FROM cell_update_refusal",
        "SELECT * FROM node",
        "SELECT * FROM operator",
        "SELECT * FROM certificate_authority",
        "SELECT * FROM enrolment_token",
        "SELECT * FROM sign_in_link",
        "SELECT * FROM session",
        "INSERT INTO organization (id, name, display_name, created_at)
         VALUES (gen_random_uuid(), 'mine', 'mine', now())",
        "UPDATE organization SET name = 'mine'",
        "DELETE FROM account",
        "UPDATE account SET version = 0",
        "UPDATE account SET organization_id = gen_random_uuid()",
        "INSERT INTO account (is_system) VALUES (true)",
        "DELETE FROM issuance",
        "UPDATE issuance SET public_key = ''",
        "UPDATE cell_document SET account_jwt = ''",
        "DELETE FROM cell_refusal",
        "UPDATE usage_hour SET bytes_in = 0",
        "DELETE FROM usage_hour",
        "UPDATE account_live SET connections = 0",
        "UPDATE audit_event SET actor = 'somebody else'",
        "DELETE FROM audit_event",
        "UPDATE data_key SET wrapped = ''",
        "SELECT * FROM app_api_token_lookup('', now())",
        "SELECT * FROM app_session_lookup('', now(), 1)",
        "SELECT app_session_delete('', now(), gen_random_uuid(), '')",
        "CREATE TABLE mine (id int)",
    ] {
        let outcome = attempt_as(&world, "app_tenant", statement).await;
        assert_eq!(outcome, Err(PERMISSION_DENIED.into()), "{statement}");
    }
}

#[tokio::test]
async fn a_tenant_sees_only_the_cells_that_its_accounts_live_in() {
    let world = filled().await;
    world.second_cell().await;
    let mut connection = world.database.owner().await;
    for (tenant, expected) in [(Some(world.ours), 1), (Some(world.theirs), 0), (None, 0)] {
        take_role(&mut connection, "app_tenant", tenant).await;
        let seen: i64 = sqlx::query_scalar("SELECT count(name) FROM cell")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(seen, expected, "{tenant:?}");
        connection.execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn app_auth_reads_and_writes_no_table_at_all() {
    let world = filled().await;
    let mut superuser = world.database.superuser().await;
    let tables = names(
        &mut superuser,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')",
    )
    .await;
    assert!(tables.len() >= 18, "{tables:?}");
    for table in &tables {
        for statement in [format!("SELECT * FROM {table}"), format!("DELETE FROM {table}")] {
            let outcome = attempt_as(&world, "app_auth", &statement).await;
            assert_eq!(outcome, Err(PERMISSION_DENIED.into()), "{statement}");
        }
    }
    let publish = "SELECT * FROM app_account_document_publish(gen_random_uuid(), 1, '', '', false, '')";
    for statement in [publish, "SELECT * FROM app_cell_place(NULL)"] {
        let outcome = attempt_as(&world, "app_auth", statement).await;
        assert_eq!(outcome, Err(PERMISSION_DENIED.into()), "{statement}");
    }
}

#[tokio::test]
async fn app_system_cannot_rewrite_history_or_the_schema() {
    let world = filled().await;
    for statement in [
        "UPDATE audit_event SET actor = 'somebody else'",
        "DELETE FROM audit_event",
        "DELETE FROM usage_hour",
        "DELETE FROM account",
        "DELETE FROM organization",
        "UPDATE operator SET jwt = ''",
        "UPDATE account SET identity_seed = ''",
        "INSERT INTO account_user (id) VALUES (gen_random_uuid())",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE account DISABLE ROW LEVEL SECURITY",
    ] {
        let outcome = attempt_as(&world, "app_system", statement).await;
        assert_eq!(outcome, Err(PERMISSION_DENIED.into()), "{statement}");
    }
}

#[tokio::test]
async fn our_roles_are_no_ones_superusers() {
    let world = World::new().await;
    let mut superuser = world.database.superuser().await;
    let mighty = names(
        &mut superuser,
        "SELECT rolname::text FROM pg_roles
         WHERE rolname IN ('app_tenant', 'app_system', 'app_auth')
           AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin)",
    )
    .await;
    assert_eq!(mighty, BTreeSet::new());
    let owned = names(
        &mut superuser,
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) LIKE 'app\\_%'",
    )
    .await;
    assert_eq!(
        owned,
        BTreeSet::new(),
        "a role that owns a table passes its row security"
    );
}

#[tokio::test]
async fn functions_with_borrowed_rights_belong_to_app_system_and_fix_their_search_path() {
    let world = World::new().await;
    let mut superuser = world.database.superuser().await;
    let rows = sqlx::query(
        "SELECT
             proname::text,
             pg_get_userbyid(proowner)::text,
             coalesce(proconfig::text, ''),
             has_function_privilege('stranger', pg_proc.oid, 'EXECUTE')
         FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND prosecdef",
    );
    superuser
        .execute("DO $$ BEGIN CREATE ROLE stranger; EXCEPTION WHEN OTHERS THEN NULL; END $$")
        .await
        .unwrap();
    let rows = rows.fetch_all(&mut superuser).await.unwrap();
    assert_eq!(rows.len(), 7);
    for row in rows {
        let (name, owner, config, open): (String, String, String, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(owner, "app_system", "{name}");
        assert!(
            config.contains("search_path=pg_catalog, public, pg_temp"),
            "{name}: {config}"
        );
        assert!(!open, "anybody may execute {name}");
    }
}

/// The first wall alone: with row security off, our own statements still keep tenants apart.
#[tokio::test]
async fn our_statements_name_their_organization_even_where_row_security_would_do() {
    let world = filled().await;
    let mut superuser = world.database.superuser().await;
    for table in tenant_tables(&world).await {
        let statement = format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY");
        superuser.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let mut tx = world.tenant().await;
    let account = tx
        .account_list(&PageRequest::first())
        .await
        .unwrap()
        .items
        .remove(0);
    let user = tx
        .user_list(account.id, &PageRequest::first())
        .await
        .unwrap()
        .items
        .remove(0);
    let token = tx
        .api_token_list(&PageRequest::first())
        .await
        .unwrap()
        .items
        .remove(0);
    let issuances = tx
        .issuance_list(account.id, user.id, &PageRequest::first())
        .await
        .unwrap();
    let issuance = issuances.items[0].clone();
    drop(tx);

    let mut tx = world.stranger().await;
    let (early, late) = (OffsetDateTime::UNIX_EPOCH, now());
    assert_eq!(tx.organization_get().await.unwrap().unwrap().id, world.theirs);
    assert_eq!(tx.data_key_get().await.unwrap(), None);
    assert_eq!(tx.account_get(&account.id.into()).await.unwrap(), None);
    assert_eq!(tx.account_lock(&account.id.into()).await.unwrap(), None);
    assert_eq!(tx.account_list(&PageRequest::first()).await.unwrap().items, []);
    assert_eq!(tx.account_seeds_get(account.id).await.unwrap(), None);
    assert_eq!(tx.account_rollout(account.id).await.unwrap(), None);
    assert_eq!(tx.account_rollout_list(&[account.id]).await.unwrap(), []);
    assert_eq!(tx.usage_hours(account.id, early, late).await.unwrap(), []);
    assert_eq!(
        tx.usage_hours_by_account(&[account.id], early, late)
            .await
            .unwrap(),
        []
    );
    assert_eq!(tx.usage_by_account(early, late).await.unwrap(), []);
    assert_eq!(tx.user_get(account.id, user.id).await.unwrap(), None);
    assert_eq!(
        tx.user_list(account.id, &PageRequest::first())
            .await
            .unwrap()
            .items,
        []
    );
    assert!(!tx.user_delete(account.id, user.id, late).await.unwrap());
    assert_eq!(
        tx.issuance_list(account.id, user.id, &PageRequest::first())
            .await
            .unwrap()
            .items,
        []
    );
    assert_eq!(
        tx.issuance_revoke(account.id, user.id, issuance.id, late)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        tx.issuance_revoke_all(account.id, user.id, late).await.unwrap(),
        0
    );
    assert_eq!(tx.account_revocations(account.id, early).await.unwrap(), []);
    assert_eq!(tx.api_token_list(&PageRequest::first()).await.unwrap().items, []);
    assert!(!tx.api_token_delete(token.id).await.unwrap());
    tx.account_limits_set(
        account.id,
        &AccountLimits::new(1, 1, 1).unwrap(),
        &AccountLimits::default(),
    )
    .await
    .unwrap();
    tx.account_stage_set(account.id, &AccountStage::Deleted { since: late })
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.tenant().await;
    assert_eq!(tx.account_get(&account.id.into()).await.unwrap(), Some(account));
}

#[tokio::test]
async fn a_transaction_of_one_tenant_leaves_nothing_on_its_connection() {
    let world = filled().await;
    let options = tollway_datastore::DatastoreOptions::from_url(world.database.url()).unwrap();
    let datastore = tollway_datastore::Datastore::connect(&options.connections_max(1))
        .await
        .unwrap();
    let accounts = async |organization| {
        let mut tx = datastore
            .begin(&crate::fixture::scope(organization))
            .await
            .unwrap();
        tx.account_list(&tollway_model::PageRequest::first())
            .await
            .unwrap()
            .items
            .len()
    };
    // The same connection, dropped and not committed each time.
    assert_eq!(accounts(world.ours).await, 1);
    assert_eq!(accounts(world.theirs).await, 0);
    assert_eq!(accounts(world.ours).await, 1);
    drop(datastore);
    PgConnection::connect(world.database.url()).await.unwrap();
}
