//! The platform's own organization and the system account are nobody's to use, the platform admin's neither.

use reqwest::Method;
use serde_json::{Value, json};
use tollway_model::{AccountId, OrganizationId};
use uuid::Uuid;

use crate::{fixture::Service, world::World};

#[tokio::test]
async fn the_platforms_organization_and_the_system_account_answer_like_what_is_not_there() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let mut superuser = service.database.superuser().await;
    let (organization, account, key): (Uuid, Uuid, String) =
        sqlx::query_as("SELECT organization_id, id, public_key FROM account WHERE is_system")
            .fetch_one(&mut superuser)
            .await
            .unwrap();
    let organization = format!("/v1/organizations/{}", OrganizationId::from_uuid(organization));
    let by_id = format!("/v1/accounts/{}", AccountId::from_uuid(account));
    let by_key = format!("/v1/accounts/{key}");
    let (limits, named) = (
        json!({ "limits": { "connections": 1 } }),
        json!({ "name": "mine" }),
    );
    let mut calls = vec![
        (Method::GET, organization.clone(), Value::Null),
        (Method::DELETE, organization.clone(), Value::Null),
        (Method::GET, format!("{organization}/accounts"), Value::Null),
        (Method::POST, format!("{organization}/accounts"), named.clone()),
        (Method::GET, format!("{organization}/api-tokens"), Value::Null),
        (
            Method::POST,
            format!("{organization}/api-tokens"),
            json!({ "name": "mine", "role": "owner" }),
        ),
    ];
    for account in [by_id, by_key] {
        calls.extend([
            (Method::GET, account.clone(), Value::Null),
            (Method::PATCH, account.clone(), limits.clone()),
            (Method::DELETE, account.clone(), Value::Null),
            (Method::POST, format!("{account}/suspend"), Value::Null),
            (Method::GET, format!("{account}/rollout"), Value::Null),
            (Method::GET, format!("{account}/usage"), Value::Null),
            (
                Method::POST,
                format!("{account}/request"),
                json!({ "subject": "$SYS.REQ" }),
            ),
            (Method::GET, format!("{account}/users"), Value::Null),
            (Method::POST, format!("{account}/users"), named.clone()),
        ]);
    }
    for (method, path, body) in calls {
        let answer = service
            .call(Some(&world.admin), method.clone(), &path, body)
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "not_found"),
            "{method} {path}"
        );
    }
    let made: i64 = sqlx::query_scalar(
        "SELECT
             (SELECT count(*) FROM account JOIN organization ON organization.id = organization_id WHERE is_platform)
             + (SELECT count(*) FROM api_token JOIN organization ON organization.id = organization_id WHERE is_platform)",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(made, 1, "the system account alone");
}
