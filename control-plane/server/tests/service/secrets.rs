//! Secrets: shown once, and nowhere in the database.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use crate::{
    fixture::{Service, text},
    world::World,
};

/// All tables, as text.
async fn dump(service: &Service) -> String {
    let mut connection = service.database.superuser().await;
    let tables =
        sqlx::query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let mut dump = String::new();
    for table in tables {
        let table: String = table.get("tablename");
        // Bytes are searched as they are: as text where they are text, and as their escaped form.
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT t::text AS row FROM \"{table}\" AS t"
        )))
        .fetch_all(&mut connection)
        .await
        .unwrap();
        for row in rows {
            dump.push_str(&row.get::<String, _>("row"));
            dump.push('\n');
        }
    }
    dump
}

/// Words that look like the seed of an operator, account or user.
fn seeds(text: &str) -> Vec<&str> {
    let is_seed_letter = |c: char| c.is_ascii_uppercase() || ('2'..='7').contains(&c);
    text.split(|c| !is_seed_letter(c))
        .filter(|word| ["SO", "SA", "SU"].iter().any(|prefix| word.starts_with(prefix)) && word.len() >= 58)
        .collect()
}

/// How Postgres writes these bytes of a bytea column.
fn escaped(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[tokio::test]
async fn no_seed_and_no_token_is_in_the_database() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let issuances = format!("/v1/accounts/{}/users/{}/issuances", world.account, world.user);
    let issued = service.admin(Method::POST, &issuances, json!({})).await;
    let creds = text(&issued, "creds");
    let [user_seed] = seeds(creds)[..] else {
        panic!("creds hold one seed");
    };
    let enrolment = service
        .admin(
            Method::POST,
            &format!("/v1/cells/{}/enrolment-tokens", world.cell),
            Value::Null,
        )
        .await;
    let enrolment = text(&enrolment, "token").split('.').next().unwrap().to_owned();

    let dump = dump(&service).await;
    assert!(dump.len() > 10_000, "the dump holds the tables");
    assert_eq!(seeds(&dump), Vec::<&str>::new());
    for secret in [user_seed, &world.owner, &world.admin, &enrolment] {
        assert!(!dump.contains(secret));
        assert!(!dump.contains(&escaped(secret.as_bytes())));
    }
    // Seeds inside of bytes: their first letters would be there in hexadecimal.
    for prefix in ["SO", "SA", "SU"] {
        let begin = escaped(prefix.as_bytes());
        for (at, _) in dump.match_indices(&begin) {
            let rest: String = dump[at..].chars().take(116).collect();
            let bytes = data_encoding::HEXLOWER
                .decode(rest.as_bytes())
                .unwrap_or_default();
            assert!(seeds(&String::from_utf8_lossy(&bytes)).is_empty());
        }
    }
}

#[tokio::test]
async fn creds_tokens_and_enrolment_tokens_are_shown_once() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let reads = [
        format!("/v1/accounts/{}/users/{}/issuances", world.account, world.user),
        format!("/v1/accounts/{}/users/{}", world.account, world.user),
        format!("/v1/accounts/{}", world.account),
        format!("/v1/organizations/{}/api-tokens", world.organization),
        format!("/v1/cells/{}", world.cell),
    ];
    for path in reads {
        let text = service.admin(Method::GET, &path, Value::Null).await.to_string();
        assert!(seeds(&text).is_empty(), "{path}");
        for secret in ["tlw_", "twe_", "creds", "secret", "eyJ"] {
            assert!(!text.contains(secret), "{secret} in {path}: {text}");
        }
    }
}

#[tokio::test]
async fn creds_open_the_account_that_they_were_issued_for() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let issuances = format!("/v1/accounts/{}/users/{}/issuances", world.account, world.user);
    let issued = service
        .admin(Method::POST, &issuances, json!({ "lifetime_seconds": 60 }))
        .await;
    let creds = tollway_claims::UserCreds::parse(text(&issued, "creds")).unwrap();
    let claims = tollway_claims::UserClaims::decode(&creds.jwt).unwrap();
    assert_eq!(claims.account().to_string(), world.account_key);
    assert_eq!(
        claims.subject.to_string(),
        text(&issued["issuance"], "public_key")
    );
    // The end is rounded up to a whole second, the beginning down.
    let lifetime = claims.expires_at.unwrap() - claims.issued_at;
    assert!((60..=61).contains(&lifetime), "{lifetime}");
}

#[test]
fn the_debug_form_of_credentials_hides_the_seed() {
    let issued = tollway_api::IssuedCredentials {
        issuance: tollway_api::Issuance {
            id: "iss_1".into(),
            user: "usr_1".into(),
            public_key: "U".into(),
            issued_at: tollway::clock::now(),
            expires_at: None,
            revoked_at: None,
        },
        creds: "SUSECRET".into(),
    };
    assert!(!format!("{issued:?}").contains("SUSECRET"));
}

#[tokio::test]
async fn answers_of_the_api_are_never_stored_on_the_way() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    for path in [
        "/v1/organizations".to_owned(),
        format!("/v1/accounts/{}", world.account),
        "/v1/accounts/none".into(),
    ] {
        let answer = service
            .call(Some(&world.owner), Method::GET, &path, Value::Null)
            .await;
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
    }
}
