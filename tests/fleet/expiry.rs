//! Creds that end by themselves.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tollway_claims::UserClaims;
use tollway_tests::{Raw, System};

#[tokio::test]
async fn creds_with_a_short_life_are_cut_at_its_end_and_refused_from_then_on() {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let mut lasting = Raw::connect(node.address(), &tenant.creds).await.unwrap();

    let short = api
        .issue_with(&tenant.user, json!({ "lifetime_seconds": 2 }))
        .await;
    let mut client = Raw::connect(node.address(), &short)
        .await
        .expect("they are good for two seconds");
    client.send("SUB a 1\r\n").await;
    assert_eq!(
        client.closed().await.trim_end(),
        "-ERR 'User Authentication Expired'"
    );
    let again = Raw::connect(node.address(), &short).await.unwrap_err();
    assert_eq!(again, "-ERR 'Authorization Violation'");
    // The subscription went with the connection.
    lasting.send("PUB a reply 2\r\nhi\r\n").await;
    lasting.sync().await;
    // Other creds of the same user go on.
    Raw::connect(node.address(), &tenant.creds).await.unwrap();
}

#[tokio::test]
async fn creds_that_ended_while_the_node_was_away_stay_out() {
    let system = System::start().await;
    let mut node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let short = api
        .issue_with(&tenant.user, json!({ "lifetime_seconds": 1 }))
        .await;
    node.kill();
    node.start().await;
    // In or out at first, out in the end; and who was in is cut.
    if let Ok(mut client) = Raw::connect(node.address(), &short).await {
        assert_eq!(
            client.closed().await.trim_end(),
            "-ERR 'User Authentication Expired'"
        );
    }
    let refused = Raw::connect(node.address(), &short).await.unwrap_err();
    assert_eq!(refused, "-ERR 'Authorization Violation'");
    Raw::connect(node.address(), &tenant.creds).await.unwrap();
}

/// Tokens know whole seconds. What the API says of their end is what nodes do, and never before the time
/// that was asked for.
#[tokio::test]
async fn creds_live_as_long_as_was_asked_for_and_end_when_the_api_says() {
    let system = System::start().await;
    let _node = system.start_node("cell-a").await;
    let api = system.api();
    let tenant = api.tenant("cell-a").await;
    let issuances = format!(
        "/v1/accounts/{}/users/{}/issuances",
        tenant.account.id, tenant.user.id
    );
    let time = |value: &serde_json::Value| {
        OffsetDateTime::parse(value.as_str().expect("a time"), &Rfc3339).expect("a time")
    };
    for lifetime_seconds in [1, 2, 3600] {
        let creds = api
            .issue_with(&tenant.user, json!({ "lifetime_seconds": lifetime_seconds }))
            .await;
        let claims = UserClaims::decode(creds.jwt()).unwrap();
        let list = api.get(&issuances).await;
        let issuance = list["items"].as_array().unwrap().iter();
        let issuance = issuance.clone().find(|issuance| issuance["id"] == creds.issuance);
        let issuance = issuance.expect("what was issued is listed");
        let (issued, expires) = (time(&issuance["issued_at"]), time(&issuance["expires_at"]));
        assert_eq!(claims.expires_at, Some(expires.unix_timestamp()));
        assert_eq!(expires.nanosecond(), 0);
        assert!(
            (expires - issued).as_seconds_f64() >= f64::from(lifetime_seconds),
            "{issuance}"
        );
    }
}
