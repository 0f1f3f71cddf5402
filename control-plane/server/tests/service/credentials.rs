//! How many credentials there may be, and that an account can be closed whatever was made in it.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tollway::{bounds::APPLY_WAITERS_PER_ORGANIZATION_MAX, secrets::random_array};
use tollway_claims::{KeyKind, Signer};
use tollway_datastore::{ISSUANCES_PER_ACCOUNT_MAX, ISSUANCES_PER_USER_MAX};

use crate::{
    fixture::{Answer, Service},
    node::FakeNode,
    world::World,
};

/// Credentials of the world's user, as if they had been issued one by one.
async fn issued(service: &Service, count: u32, revoked: bool, ended: bool) {
    let keys: Vec<String> = (0..count)
        .map(|_| {
            Signer::generate(KeyKind::User, random_array())
                .public()
                .to_string()
        })
        .collect();
    sqlx::query(
        "INSERT INTO issuance (
             id, organization_id, account_id, user_id, public_key, issued_at, expires_at, revoked_at)
         SELECT
             gen_random_uuid(), organization_id, account_id, id, key,
             now() - interval '2 days',
             CASE WHEN $3 THEN now() - interval '1 day' END,
             CASE WHEN $2 THEN now() - interval '2 days' END
         FROM account_user, UNNEST($1::text[]) AS key",
    )
    .bind(keys)
    .bind(revoked)
    .bind(ended)
    .execute(&mut service.database.superuser().await)
    .await
    .unwrap();
}

#[tokio::test]
async fn account_whose_revocations_fit_into_no_document_can_be_suspended_and_deleted() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    issued(&service, 12_000, true, false).await;
    let account = format!("/v1/accounts/{}", world.account);
    let suspended = service
        .admin(Method::POST, &format!("{account}/suspend"), Value::Null)
        .await;
    assert_eq!(suspended["suspended"], true);
    let answer = service
        .call(Some(&world.admin), Method::DELETE, &account, Value::Null)
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn user_and_account_have_so_many_credentials_and_those_that_ended_do_not_count() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let issuances = format!("/v1/accounts/{}/users/{}/issuances", world.account, world.user);
    let issue = || service.call(Some(&world.developer), Method::POST, &issuances, json!({}));
    issued(&service, ISSUANCES_PER_ACCOUNT_MAX, false, true).await;
    issued(&service, ISSUANCES_PER_USER_MAX - 2, false, false).await;
    // The world made one, and this is the last.
    assert_eq!(issue().await.status, 201);
    let answer = issue().await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.code(),
            &answer.body["errors"][0]["field"]
        ),
        (409, "too_many_credentials", &json!("user"))
    );

    issued(
        &service,
        ISSUANCES_PER_ACCOUNT_MAX - ISSUANCES_PER_USER_MAX,
        true,
        false,
    )
    .await;
    let path = format!("{issuances}/{}/revoke", world.issuance);
    service.admin(Method::POST, &path, Value::Null).await;
    let answer = issue().await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.code(),
            &answer.body["errors"][0]["field"]
        ),
        (409, "too_many_credentials", &json!("account"))
    );
    // Everything of the account revoked still makes a document.
    let answer = service
        .call(
            Some(&world.developer),
            Method::DELETE,
            &format!("/v1/accounts/{}/users/{}", world.account, world.user),
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn calls_of_one_organization_that_wait_for_a_cell_are_only_so_many() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let revoke = format!(
        "/v1/accounts/{}/users/{}/issuances/{}/revoke?wait=applied",
        world.account, world.user, world.issuance
    );
    let mut waiting = JoinSet::new();
    for _ in 0..=APPLY_WAITERS_PER_ORGANIZATION_MAX {
        waiting.spawn(Answer::of(service.request(
            Some(&world.developer),
            Method::POST,
            &revoke,
        )));
    }
    // Nobody serves the cell yet, so the first answer is that of the one who found no place.
    let turned_away = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(turned_away.code(), "not_applied_yet");
    assert!(
        turned_away.body["detail"]
            .as_str()
            .unwrap()
            .contains("too many calls wait"),
        "{turned_away:?}"
    );
    // Somebody else's call finds one.
    let admin = tokio::spawn(Answer::of(service.request(
        Some(&world.admin),
        Method::POST,
        &revoke,
    )));
    let mut attached = node.attach(None).await;
    attached.take_until(&world.account_key).await;
    let _node = attached.run();
    assert_eq!(admin.await.unwrap().status, 200);
    for answer in waiting.join_all().await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}
