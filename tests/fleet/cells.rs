//! Cells hold their own accounts and nothing else; a bad document of one account is refused alone.

use reqwest::Method;
use serde_json::json;
use sqlx::{PgConnection, Row as _};
use tollway_claims::{AccountClaims, KeyKind, Signer, StatementClaims, TOKEN_BYTES_MAX};
use tollway_tests::{Account, Raw, System, Tenant, eventually};

use crate::metrics;
use crate::smuggling::smuggle_in;

const REFUSED: &str = "-ERR 'Authorization Violation'";
const TOO_MANY: &str = "-ERR 'maximum account active connections exceeded'";

/// An account's two tokens as the database has them for its cell.
#[derive(Debug, Clone)]
struct Document {
    account_jwt: String,
    statement_jwt: String,
}

impl Document {
    async fn of(database: &mut PgConnection, account: &Account) -> Self {
        let row = sqlx::query("SELECT account_jwt, statement_jwt FROM cell_document WHERE account_key = $1")
            .bind(&account.public_key)
            .fetch_one(database)
            .await
            .expect("the account has a document");
        Self {
            account_jwt: row.get("account_jwt"),
            statement_jwt: row.get("statement_jwt"),
        }
    }

    /// The same claims, with another token's signature.
    fn with_a_forged_signature(&self) -> Self {
        let (claims, _) = self.account_jwt.rsplit_once('.').expect("a token has parts");
        let (_, signature) = self.statement_jwt.rsplit_once('.').expect("a token has parts");
        Self {
            account_jwt: format!("{claims}.{signature}"),
            ..self.clone()
        }
    }

    /// The same claims with the account's limits gone, signed by another operator.
    fn signed_by_somebody_else(&self) -> Self {
        let mut random = [0; 32];
        getrandom::fill(&mut random).expect("a random source");
        let operator = Signer::generate(KeyKind::Operator, random);
        let mut claims = AccountClaims::decode(&self.account_jwt).expect("our own token");
        let mut statement = StatementClaims::decode(&self.statement_jwt).expect("our own token");
        (claims.issuer, statement.issuer) = (operator.public(), operator.public());
        claims.tollway.as_mut().expect("our own claim").version += 1;
        statement.version += 1;
        let signed = "the claims are sound";
        Self {
            account_jwt: claims.encode(&operator).expect(signed),
            statement_jwt: statement.encode(&operator).expect(signed),
        }
    }
}

#[tokio::test]
async fn each_cell_serves_its_own_accounts_alone() {
    let system = System::start().await;
    let nodes = [
        system.start_node("cell-a").await,
        system.start_node("cell-b").await,
    ];
    let api = system.api();
    let tenants = [api.tenant("cell-a").await, api.tenant("cell-b").await];
    for (here, node) in nodes.iter().enumerate() {
        for (home, tenant) in tenants.iter().enumerate() {
            let connected = Raw::connect(node.address(), &tenant.creds).await;
            if here == home {
                connected.expect("an account is served by its cell").sync().await;
            } else {
                assert_eq!(connected.unwrap_err(), REFUSED);
            }
        }
    }
    // A change in one cell gives the other no work.
    let before = api.cell("cell-b").await["revision"].clone();
    api.limits(&tenants[0].account, json!({ "connections": 3 })).await;
    assert_eq!(api.cell("cell-b").await["revision"], before);
}

/// What the API says about a bad document, and that everything else goes on.
async fn is_refused_alone(system: &System, bad: &Tenant, code: &str) {
    let api = system.api();
    let rollout = eventually(&format!("{code} is refused"), async || {
        let rollout = api.rollout(&bad.account).await;
        (rollout["refused_code"] == code).then_some(rollout)
    })
    .await;
    assert_eq!(rollout["applied"], false, "{rollout}");
    assert_ne!(rollout["refused_reason"], "", "{rollout}");
    assert!(
        rollout["applied_revision"].as_u64() >= rollout["revision"].as_u64(),
        "the cell as a whole goes on: {rollout}"
    );
    let refused = api.cell("cell-a").await["refused"].clone();
    assert_eq!(
        (
            refused.as_array().map(Vec::len),
            &refused[0]["account"],
            &refused[0]["code"]
        ),
        (Some(1), &json!(bad.account.public_key), &json!(code))
    );
    assert_eq!(api.cell("cell-b").await["refused"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_document_is_refused_and_the_last_good_one_goes_on_serving() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let other_node = system.start_node("cell-b").await;
    let api = system.api();
    let (bad, neighbour, elsewhere) = (
        api.tenant("cell-a").await,
        api.tenant("cell-a").await,
        api.tenant("cell-b").await,
    );
    let mut database = system.database().superuser().await;
    let first = Document::of(&mut database, &bad.account).await;
    // Room for this client and one more: what the last good document says, no other does.
    api.limits(&bad.account, json!({ "connections": 2 })).await;
    let mut connected = Raw::connect(node.address(), &bad.creds).await.unwrap();
    let good = Document::of(&mut database, &bad.account).await;
    let others = Document::of(&mut database, &neighbour.account).await;
    let text = |account_jwt: String| Document {
        account_jwt,
        ..good.clone()
    };
    let documents = [
        ("bad_signature", good.with_a_forged_signature()),
        ("untrusted_issuer", good.signed_by_somebody_else()),
        ("stale_version", first.clone()),
        ("subject_mismatch", others.clone()),
        (
            "statement_mismatch",
            Document {
                statement_jwt: first.statement_jwt.clone(),
                ..good.clone()
            },
        ),
        ("malformed", text(String::new())),
        ("malformed", text("no token \u{fffd}\u{202e}\n".into())),
        ("malformed", text("a.b.c".into())),
        ("token_too_large", text("x".repeat(TOKEN_BYTES_MAX + 1))),
        // A token of another kind, signed by the right operator.
        ("wrong_token_type", text(good.statement_jwt.clone())),
    ];
    for (round, (code, document)) in documents.iter().enumerate() {
        let Document {
            account_jwt,
            statement_jwt,
        } = document;
        smuggle_in(&mut database, &bad.account, account_jwt, statement_jwt, "").await;
        // The rest of the cell and the other cell take their changes meanwhile.
        let limits = json!({ "connections": 5 + round });
        api.limits(&neighbour.account, limits.clone()).await;
        api.limits(&elsewhere.account, limits).await;
        is_refused_alone(&system, &bad, code).await;
        connected.sync().await;
        let mut second = Raw::connect(node.address(), &bad.creds)
            .await
            .expect("the last good document lets it in");
        let third = Raw::connect(node.address(), &bad.creds).await.unwrap_err();
        assert_eq!(third, TOO_MANY, "{code}");
        second.sync().await;
        drop(second);
        eventually("its place is free", async || {
            let live = metrics::read(&node.metrics_url(), "tollway_node_connections").await;
            (live == Some(1.0)).then_some(())
        })
        .await;
    }
    Raw::connect(other_node.address(), &elsewhere.creds)
        .await
        .expect("the other cell serves");

    // A crash in this state changes nothing.
    node.kill();
    node.start().await;
    let mut connected = Raw::connect(node.address(), &bad.creds).await.unwrap();
    metrics::connected(&node).await;
    is_refused_alone(&system, &bad, "wrong_token_type").await;

    // The next good document ends it.
    api.limits(&bad.account, json!({ "connections": 1 })).await;
    let rollout = api.rollout(&bad.account).await;
    assert_eq!(
        (&rollout["applied"], &rollout["refused_code"]),
        (&json!(true), &json!(""))
    );
    assert_eq!(api.cell("cell-a").await["refused"], json!([]));
    connected.sync().await;
    let second = Raw::connect(node.address(), &bad.creds).await.unwrap_err();
    assert_eq!(second, TOO_MANY);
}

#[tokio::test]
async fn who_waits_for_a_change_that_the_cell_refuses_is_told_why() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    for connections in [2, 3] {
        api.limits(&tenant.account, json!({ "connections": connections }))
            .await;
    }
    // As if the account's row had been restored from yesterday.
    let mut database = system.database().superuser().await;
    sqlx::query("UPDATE account SET version = version - 2 WHERE public_key = $1")
        .bind(&tenant.account.public_key)
        .execute(&mut database)
        .await
        .unwrap();
    let path = format!("/v1/accounts/{}?wait=applied", tenant.account.id);
    let change = json!({ "limits": { "connections": 1 } });
    let answer = api.call(Method::PATCH, &path, &change).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.body["code"]),
        (409, &json!("document_refused")),
        "{answer:?}"
    );
    assert_eq!(answer.body["errors"][0]["code"], "stale_version", "{answer:?}");
    // The limit of before is in force.
    let _clients = [
        Raw::connect(node.address(), &tenant.creds).await.unwrap(),
        Raw::connect(node.address(), &tenant.creds).await.unwrap(),
        Raw::connect(node.address(), &tenant.creds).await.unwrap(),
    ];
    let fourth = Raw::connect(node.address(), &tenant.creds).await.unwrap_err();
    assert_eq!(fourth, TOO_MANY);
    // As the versions catch up, a change is taken.
    api.call(Method::PATCH, &path, &change).await.unwrap();
    let answer = api.call(Method::PATCH, &path, &change).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A table that lost its rows must not make a cell forget its tenants.
#[tokio::test]
async fn a_snapshot_that_names_nobody_is_refused_as_a_whole() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let mut connected = Raw::connect(node.address(), &tenant.creds).await.unwrap();
    let mut database = system.database().superuser().await;
    // A history that the node does not have is sent whole, and there is nothing.
    sqlx::query(
        "WITH emptied AS (DELETE FROM cell_document)
         UPDATE cell_revision
         SET mark = mark # 1",
    )
    .execute(&mut database)
    .await
    .unwrap();
    eventually("the refusal is told with the cell", async || {
        let cell = api.cell("cell-a").await;
        (cell["update_refused"]["code"] == "snapshot_empty").then_some(())
    })
    .await;
    connected.sync().await;
    Raw::connect(node.address(), &tenant.creds)
        .await
        .expect("the last good document serves");
    node.kill();
    node.start().await;
    Raw::connect(node.address(), &tenant.creds)
        .await
        .expect("the last good document serves");
    let cell = api.cell("cell-a").await;
    assert_ne!(cell["applied_revision"], cell["revision"], "{cell}");
}
