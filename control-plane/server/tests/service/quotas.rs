//! Quotas of organizations over both APIs: who sets them, and what is said when one is used up.

use reqwest::Method;
use serde_json::{Value, json};
use tollway_proto::v1::{self, organization_service_client::OrganizationServiceClient};

use crate::{fixture::Service, grpc_client, world::World};

#[tokio::test]
async fn quota_that_is_used_up_is_named_and_a_platform_admin_raises_it() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let organization = format!("/v1/organizations/{}", world.organization);
    let tokens = format!("{organization}/api-tokens");
    let shown = service
        .call(Some(&world.viewer), Method::GET, &organization, Value::Null)
        .await;
    assert_eq!(
        shown.body["quotas"],
        json!({ "accounts": 100, "users": 10_000, "api_tokens": 200 })
    );

    let set = |api_tokens: u32| json!({ "quotas": { "api_tokens": api_tokens } });
    service.admin(Method::PATCH, &organization, set(5)).await;
    let token = json!({ "name": "one more", "role": "viewer" });
    let refused = service
        .call(Some(&world.owner), Method::POST, &tokens, token.clone())
        .await;
    assert_eq!((refused.code(), refused.status.as_u16()), ("quota_exceeded", 409));
    let detail = refused.body["detail"].as_str().unwrap();
    for word in ["5 of 5", "api_tokens", "platform admin"] {
        assert!(detail.contains(word), "{detail}");
    }

    let client = OrganizationServiceClient::new(grpc_client::channel(&service).await);
    let raise = v1::UpdateOrganizationRequest {
        organization: world.organization.clone(),
        quotas: Some(v1::OrganizationQuotasChange {
            api_tokens: Some(6),
            ..Default::default()
        }),
    };
    let raised = client
        .clone()
        .update_organization(grpc_client::with_token(Some(&world.admin), raise))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(raised.quotas.unwrap().api_tokens, 6);
    let made = service
        .call(Some(&world.owner), Method::POST, &tokens, token)
        .await;
    assert_eq!(made.status, 201, "{made:?}");
}

#[tokio::test]
async fn quota_beyond_reason_is_refused() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let organization = format!("/v1/organizations/{}", world.organization);
    let refused = service
        .call(
            Some(&world.admin),
            Method::PATCH,
            &organization,
            json!({ "quotas": { "accounts": 4_000_000_000_u32 } }),
        )
        .await;
    assert_eq!(refused.code(), "validation_failed");
    assert_eq!(refused.body["errors"][0]["field"], "quotas.accounts");
}
