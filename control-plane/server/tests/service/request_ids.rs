//! A call's id is in its answer and in what it wrote.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Row;

use crate::{
    fixture::{Answer, Service},
    grpc_client,
    world::World,
};

async fn audit(service: &Service, request_id: &str) -> Vec<(String, String)> {
    let mut connection = service.database.superuser().await;
    sqlx::query("SELECT action, actor FROM audit_event WHERE request_id = $1 ORDER BY id")
        .bind(request_id)
        .fetch_all(&mut connection)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get("action"), row.get("actor")))
        .collect()
}

#[tokio::test]
async fn the_callers_request_id_is_echoed_and_stands_in_the_audit_row() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let users = format!("/v1/accounts/{}/users", world.account);
    let request = service
        .request(Some(&world.owner), Method::POST, &users)
        .json(&json!({ "name": "audited" }));
    let answer = Answer::of(request.header("x-request-id", "deploy-42")).await;
    assert_eq!(answer.headers["x-request-id"], "deploy-42");
    let rows = audit(&service, "deploy-42").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0, "user.create");
    assert!(rows[0].1.starts_with("tok_"), "{rows:?}");
}

#[tokio::test]
async fn ids_that_cannot_stand_in_a_log_are_replaced() {
    let service = Service::start().await;
    for odd in ["two words", "", &"a".repeat(65), "\u{fc}ber"] {
        let request = service
            .request(None, Method::GET, "/healthz")
            .header("x-request-id", odd.as_bytes());
        let made = Answer::of(request).await.headers["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(made.len() == 32 && made != odd, "{made}");
    }
    let one = service.call(None, Method::GET, "/healthz", Value::Null).await;
    let other = service.call(None, Method::GET, "/healthz", Value::Null).await;
    assert_ne!(one.headers["x-request-id"], other.headers["x-request-id"]);
}

#[tokio::test]
async fn a_grpc_call_has_a_request_id_too() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let channel = grpc_client::channel(&service).await;
    let mut client = tollway_proto::v1::user_service_client::UserServiceClient::new(channel);
    let message = tollway_proto::v1::CreateUserRequest {
        account: world.account.clone(),
        name: "by-grpc".into(),
        permissions: None,
    };
    let mut request = grpc_client::with_token(Some(&world.owner), message);
    request
        .metadata_mut()
        .insert("x-request-id", "grpc-7".parse().unwrap());
    let response = client.create_user(request).await.unwrap();
    assert_eq!(response.metadata().get("x-request-id").unwrap(), "grpc-7");
    assert_eq!(audit(&service, "grpc-7").await[0].0, "user.create");
}

#[tokio::test]
async fn every_change_leaves_exactly_one_audit_row() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let account = format!("/v1/accounts/{}", world.account);
    let changes = [
        (
            Method::PATCH,
            account.clone(),
            json!({ "limits": { "connections": 3 } }),
            "account.update",
        ),
        (
            Method::POST,
            format!("{account}/suspend"),
            json!({}),
            "account.suspend",
        ),
        (
            Method::POST,
            format!("{account}/resume"),
            Value::Null,
            "account.resume",
        ),
        (
            Method::POST,
            format!(
                "{account}/users/{}/issuances/{}/revoke",
                world.user, world.issuance
            ),
            Value::Null,
            "issuance.revoke",
        ),
        (
            Method::POST,
            format!("{account}/users/{}/issuances", world.user),
            Value::Null,
            "issuance.create",
        ),
        (
            Method::DELETE,
            format!("{account}/users/{}", world.user),
            Value::Null,
            "user.delete",
        ),
        (Method::DELETE, account, Value::Null, "account.delete"),
    ];
    for (number, (method, path, body, action)) in changes.into_iter().enumerate() {
        let id = format!("change-{number}");
        let request = service
            .request(Some(&world.owner), method, &path)
            .header("x-request-id", &id);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let answer = Answer::of(request).await;
        assert!(answer.status.is_success(), "{answer:?}");
        let actions: Vec<_> = audit(&service, &id)
            .await
            .into_iter()
            .map(|(action, _)| action)
            .collect();
        assert_eq!(actions, [action]);
    }
    // A refused call leaves none.
    let request = service.request(
        Some(&world.viewer),
        Method::DELETE,
        &format!("/v1/organizations/{}", world.organization),
    );
    assert_eq!(
        Answer::of(request.header("x-request-id", "refused-1"))
            .await
            .code(),
        "forbidden"
    );
    assert!(audit(&service, "refused-1").await.is_empty());
}
