//! The life of an account, over REST.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    fixture::{Service, text},
    world::{World, fresh_name},
};

#[tokio::test]
async fn an_account_is_made_changed_suspended_resumed_and_deleted() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let accounts = format!("/v1/organizations/{}/accounts", world.organization);
    let new = json!({ "name": "orders", "cell": world.cell, "limits": { "connections": 10, "subscriptions": -1, "payload_bytes": 4096 } });
    let made = service
        .call(Some(&world.owner), Method::POST, &accounts, new.clone())
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let made = made.body;
    assert!(text(&made, "id").starts_with("acc_") && text(&made, "public_key").starts_with('A'));
    assert_eq!(
        (
            &made["limits"],
            &made["version"],
            &made["suspended"],
            text(&made, "cell")
        ),
        (&new["limits"], &json!(1), &json!(false), world.cell.as_str())
    );

    let again = service
        .call(Some(&world.owner), Method::POST, &accounts, new.clone())
        .await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "name_taken"));

    let path = format!("/v1/accounts/{}", text(&made, "id"));
    let changed = service
        .admin(Method::PATCH, &path, json!({ "limits": { "connections": 20 } }))
        .await;
    assert_eq!(
        changed["limits"],
        json!({ "connections": 20, "subscriptions": -1, "payload_bytes": 4096 })
    );
    let suspended = service
        .admin(Method::POST, &format!("{path}/suspend"), Value::Null)
        .await;
    assert_eq!(
        (&suspended["suspended"], &suspended["version"]),
        (&json!(true), &json!(3))
    );
    assert!(!text(&suspended, "suspended_reason").is_empty());
    let resumed = service
        .admin(Method::POST, &format!("{path}/resume"), Value::Null)
        .await;
    assert_eq!(
        (&resumed["suspended"], &resumed["version"]),
        (&json!(false), &json!(4))
    );
    assert_eq!(service.admin(Method::GET, &path, Value::Null).await, resumed);

    let deleted = service
        .call(Some(&world.owner), Method::DELETE, &path, Value::Null)
        .await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/suspend")),
    ] {
        assert_eq!(
            service
                .call(Some(&world.owner), method, &path, Value::Null)
                .await
                .code(),
            "not_found"
        );
    }
    // Its name is free again, its keys are not.
    let second = service
        .call(Some(&world.owner), Method::POST, &accounts, new)
        .await
        .body;
    assert_ne!(second["public_key"], made["public_key"]);
}

#[tokio::test]
async fn without_a_cell_there_is_nowhere_to_place_an_account() {
    let service = Service::start().await;
    let organization = service
        .admin(
            Method::POST,
            "/v1/organizations",
            json!({ "name": fresh_name("org") }),
        )
        .await;
    let accounts = format!("/v1/organizations/{}/accounts", text(&organization, "id"));
    let answer = service
        .call(
            Some(&service.admin_token),
            Method::POST,
            &accounts,
            json!({ "name": "a" }),
        )
        .await;
    assert_eq!((answer.status.as_u16(), answer.code()), (409, "no_cell"));
}

#[tokio::test]
async fn accounts_go_to_the_emptiest_cell_unless_one_is_named() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let empty = fresh_name("cell");
    service
        .admin(Method::POST, "/v1/cells", json!({ "name": empty }))
        .await;
    let accounts = format!("/v1/organizations/{}/accounts", world.organization);
    let made = service
        .admin(Method::POST, &accounts, json!({ "name": "anywhere" }))
        .await;
    assert_eq!(text(&made, "cell"), empty);
    let made = service
        .admin(
            Method::POST,
            &accounts,
            json!({ "name": "there", "cell": world.cell }),
        )
        .await;
    assert_eq!(text(&made, "cell"), world.cell);
}

#[tokio::test]
async fn changes_of_one_account_at_the_same_time_all_count() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let path = format!("/v1/accounts/{}", world.account);
    let changes = (1..=12).map(|connections| {
        service.call(
            Some(&world.owner),
            Method::PATCH,
            &path,
            json!({ "limits": { "connections": connections } }),
        )
    });
    for answer in futures_util::future::join_all(changes).await {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    let account = service.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(account["version"], json!(13));
}

#[tokio::test]
async fn the_grpc_api_and_the_rest_api_show_the_same_account() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let channel = crate::grpc_client::channel(&service).await;
    let mut client = tollway_proto::v1::account_service_client::AccountServiceClient::new(channel);
    let message = tollway_proto::v1::GetAccountRequest {
        account: world.account_key.clone(),
    };
    let by_grpc = client
        .get_account(crate::grpc_client::with_token(Some(&world.viewer), message))
        .await
        .unwrap()
        .into_inner();
    let by_rest = service
        .admin(
            Method::GET,
            &format!("/v1/accounts/{}", world.account),
            Value::Null,
        )
        .await;
    assert_eq!(
        (by_grpc.id, by_grpc.name),
        (text(&by_rest, "id").into(), text(&by_rest, "name").into())
    );
    assert_eq!(
        by_grpc.limits.unwrap().connections,
        by_rest["limits"]["connections"].as_i64().unwrap()
    );

    let message = tollway_proto::v1::UpdateAccountRequest {
        account: world.account.clone(),
        limits: Some(tollway_proto::v1::AccountLimitsChange {
            connections: Some(0),
            ..Default::default()
        }),
        wait_applied: false,
    };
    let status = client
        .update_account(crate::grpc_client::with_token(Some(&world.owner), message))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let problem = status
        .metadata()
        .get_bin(tollway::grpc::PROBLEM_KEY)
        .unwrap()
        .to_bytes()
        .unwrap();
    let problem: Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!(problem["errors"][0]["field"], "limits.connections");
}
