//! The life of an account, over REST.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    fixture::{Answer, Service, text},
    node::FakeNode,
    world::{World, fresh_name},
};

#[tokio::test]
async fn an_account_is_made_changed_suspended_resumed_and_deleted() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let accounts = format!("/v1/organizations/{}/accounts", world.organization);
    let new = json!({ "name": "orders", "cell": world.cell, "limits": { "connections": 10, "subscriptions": -1, "payload_bytes": 4096 } });
    let made = service
        .call(Some(&world.admin), Method::POST, &accounts, new.clone())
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
        .call(Some(&world.admin), Method::POST, &accounts, new.clone())
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
        .call(Some(&world.admin), Method::POST, &accounts, new)
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
async fn accounts_go_to_the_emptiest_cell_with_a_node_unless_one_is_named() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let accounts = format!("/v1/organizations/{}/accounts", world.organization);
    let create = async |body: Value| {
        service
            .call(Some(&world.admin), Method::POST, &accounts, body)
            .await
    };
    // The cell's first node has not come yet: only who names it waits for it.
    let nowhere = create(json!({ "name": "anywhere" })).await;
    assert_eq!((nowhere.status.as_u16(), nowhere.code()), (409, "no_cell"));

    let empty = fresh_name("cell");
    service
        .admin(Method::POST, "/v1/cells", json!({ "name": empty }))
        .await;
    let full = FakeNode::enrol(&service, &world.cell).await;
    let _full = full.attach(None).await;
    let made = create(json!({ "name": "in-the-full-one" })).await.body;
    assert_eq!(text(&made, "cell"), world.cell);
    let there = create(json!({ "name": "there", "cell": empty })).await.body;
    assert_eq!(text(&there, "cell"), empty);

    let node = FakeNode::enrol(&service, &empty).await;
    let _attached = node.attach(None).await;
    let made = create(json!({ "name": "in-the-emptier-one" })).await.body;
    assert_eq!(text(&made, "cell"), empty);
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

/// What a call about limits met: the codes of the fields at fault, by field.
fn faults(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (422, "validation_failed"),
        "{answer:?}"
    );
    answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(error, "field").to_owned(), text(error, "code").to_owned()))
        .collect()
}

#[tokio::test]
async fn what_the_platform_suspended_its_organization_neither_resumes_nor_makes_its_own() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let path = format!("/v1/accounts/{}", world.account);
    let (suspend, resume) = (format!("{path}/suspend"), format!("{path}/resume"));
    let call = |token: &String, path: &String, body: Value| {
        let (token, path) = (token.clone(), path.clone());
        let service = &service;
        async move { service.call(Some(&token), Method::POST, &path, body).await }
    };

    let suspended = call(&world.admin, &suspend, json!({ "reason": "unpaid" })).await;
    assert_eq!(text(&suspended.body, "suspended_by"), "platform");
    for token in [&world.owner, &world.organization_admin] {
        for (path, body) in [(&resume, Value::Null), (&suspend, json!({ "reason": "ours" }))] {
            let refused = call(token, path, body).await;
            assert_eq!(
                (refused.status.as_u16(), refused.code()),
                (409, "suspended_by_platform")
            );
            assert!(text(&refused.body, "detail").contains("unpaid"), "{refused:?}");
        }
    }
    let channel = crate::grpc_client::channel(&service).await;
    let mut client = tollway_proto::v1::account_service_client::AccountServiceClient::new(channel);
    let message = tollway_proto::v1::ResumeAccountRequest {
        account: world.account.clone(),
        wait_applied: false,
    };
    let status = client
        .resume_account(crate::grpc_client::with_token(Some(&world.owner), message))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    let account = service.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(
        (text(&account, "suspended_reason"), &account["suspended"]),
        ("unpaid", &json!(true))
    );
    let resumed = call(&world.admin, &resume, Value::Null).await;
    assert_eq!(
        (&resumed.body["suspended"], text(&resumed.body, "suspended_by")),
        (&json!(false), "")
    );

    // Its own suspension is the organization's to lift.
    let suspended = call(&world.owner, &suspend, Value::Null).await;
    assert_eq!(
        (
            text(&suspended.body, "suspended_by"),
            text(&suspended.body, "suspended_reason")
        ),
        ("organization", "suspended by the organization")
    );
    assert_eq!(
        call(&world.organization_admin, &resume, Value::Null).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_organization_moves_its_limits_below_what_the_platform_granted() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let path = format!("/v1/accounts/{}", world.account);
    let patch = async |token: &str, limits: Value| {
        let body = json!({ "limits": limits });
        service.call(Some(token), Method::PATCH, &path, body).await
    };
    let granted = service
        .admin(
            Method::PATCH,
            &path,
            json!({ "limits": { "connections": 20, "subscriptions": -1 } }),
        )
        .await;
    let limits = json!({ "connections": 20, "subscriptions": -1, "payload_bytes": 1_048_576 });
    assert_eq!(
        (&granted["limits"], &granted["limits_granted"]),
        (&limits, &limits)
    );

    let lowered = patch(&world.owner, json!({ "connections": 5, "subscriptions": 7 }))
        .await
        .body;
    assert_eq!(lowered["limits"]["connections"], 5);
    assert_eq!(lowered["limits_granted"], limits);
    let raised = patch(&world.owner, json!({ "connections": 20, "subscriptions": -1 })).await;
    assert_eq!(raised.body["limits"], limits);

    let beyond = json!({ "connections": 21, "subscriptions": -1, "payload_bytes": -1 });
    let refused = patch(&world.organization_admin, beyond).await;
    let above = |field: &str| (format!("limits.{field}"), "above_grant".to_owned());
    assert_eq!(faults(&refused), [above("connections"), above("payload_bytes")]);
    assert!(text(&refused.body, "detail").contains("1 to 20,"), "{refused:?}");

    // The platform's word is the limit at once, also for an organization that had chosen less or more.
    let lowered = patch(&world.admin, json!({ "connections": 3 })).await.body;
    assert_eq!(
        (
            &lowered["limits"]["connections"],
            &lowered["limits_granted"]["connections"]
        ),
        (&json!(3), &json!(3))
    );
    assert_eq!(
        faults(&patch(&world.owner, json!({ "connections": 4 })).await),
        [above("connections")]
    );
    let changed = patch(&world.owner, json!({ "payload_bytes": 10 })).await;
    assert_eq!(changed.status, StatusCode::OK);
}

#[tokio::test]
async fn an_organization_makes_accounts_within_the_defaults_and_names_no_cell() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let _attached = node.attach(None).await;
    let accounts = format!("/v1/organizations/{}/accounts", world.organization);
    let create =
        async |token: &str, body: Value| service.call(Some(token), Method::POST, &accounts, body).await;
    let mut answers = Vec::new();
    for cell in [world.cell.as_str(), "no-such-cell", "No Name"] {
        let refused = create(&world.owner, json!({ "name": "mine", "cell": cell })).await;
        assert_eq!(
            faults(&refused),
            [("cell".to_owned(), "not_yours_to_choose".to_owned())]
        );
        answers.push(refused.body["detail"].clone());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the answer does not tell which cells there are");

    let limits =
        |connections: i64| json!({ "connections": connections, "subscriptions": 10, "payload_bytes": 1024 });
    let beyond = create(&world.owner, json!({ "name": "mine", "limits": limits(1_001) })).await;
    assert_eq!(
        faults(&beyond),
        [("limits.connections".to_owned(), "above_grant".to_owned())]
    );
    let made = create(
        &world.owner,
        json!({ "name": "mine", "cell": "", "limits": limits(10) }),
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(
        (&made.body["limits"], &made.body["limits_granted"]["connections"]),
        (&limits(10), &json!(1_000))
    );
    let partly = create(
        &world.owner,
        json!({ "name": "partly", "limits": { "connections": 10, "payload_bytes": null } }),
    )
    .await;
    assert_eq!(
        partly.body["limits"],
        json!({ "connections": 10, "subscriptions": 100_000, "payload_bytes": 1_048_576 })
    );
    let granted = create(&world.admin, json!({ "name": "large", "limits": limits(-1) })).await;
    assert_eq!(granted.body["limits_granted"], limits(-1));
}
