//! What callers without good credentials can take: never so much that others notice.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tollway::{authn::API_TOKEN_PREFIX, secrets::random_text};

use crate::{fixture::Service, node::FakeNode, world::World};

#[tokio::test]
async fn made_up_tokens_leave_connections_to_the_database_for_everybody_else() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let node = FakeNode::enrol(&service, &world.cell).await;
    let mut owner = sqlx::PgConnection::connect(service.database.url()).await.unwrap();
    // Whoever looks for a token now stays, with a connection of the pool.
    let mut lock = owner.begin().await.unwrap();
    sqlx::query("LOCK TABLE api_token IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();

    let mut flood = JoinSet::new();
    for _ in 0..64 {
        let token = random_text(API_TOKEN_PREFIX);
        flood.spawn(
            service
                .request(Some(&token), Method::GET, "/v1/organizations")
                .send(),
        );
    }
    // Those who did not get a connection are told so; the others keep theirs.
    for _ in 0..40 {
        let answer = flood.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(answer.status(), 503);
    }

    let ready = service.call(None, Method::GET, "/readyz", Value::Null).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let mut attached = node.attach(None).await;
    attached.take_until(&world.account_key).await;

    lock.rollback().await.unwrap();
    flood.join_all().await;
    let answer = service
        .call(
            Some(&world.owner),
            Method::GET,
            &format!("/v1/accounts/{}", world.account),
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn caller_without_a_token_is_refused_before_anything_of_the_body_came() {
    let service = Service::start().await;
    let calls = [
        ("/v1/organizations", "application/json", "401", ""),
        (
            "/tollway.v1.OrganizationService/CreateOrganization",
            "application/grpc",
            "200",
            "grpc-status: 16",
        ),
    ];
    for (path, media_type, status, header) in calls {
        let mut stream = TcpStream::connect(service.control_plane().ports().api)
            .await
            .unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {media_type}\r\nContent-Length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(header),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn organization_whose_changes_wait_for_each_other_holds_up_nobody_else() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let mut superuser = service.database.superuser().await;
    // Every change of the account waits from now on.
    let mut lock = superuser.begin().await.unwrap();
    sqlx::query("SELECT FROM account WHERE public_key = $1 FOR UPDATE")
        .bind(&world.account_key)
        .execute(&mut *lock)
        .await
        .unwrap();
    let account = format!("/v1/accounts/{}", world.account);
    let mut changes = JoinSet::new();
    for _ in 0..24 {
        let change = service
            .request(Some(&world.organization_admin), Method::PATCH, &account)
            .json(&json!({ "limits": { "connections": 4 } }));
        changes.spawn(change.send());
    }
    // There are more than the organization may have open.
    for _ in 0..8 {
        let answer = changes.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(answer.status(), 503);
    }
    let accounts = format!("/v1/organizations/{}/accounts", world.other_organization);
    let answer = service
        .call(Some(&world.other_tenant), Method::GET, &accounts, Value::Null)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // Nor those who run the installation, in the same organization.
    let answer = service
        .call(Some(&world.admin), Method::GET, &account, Value::Null)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    lock.rollback().await.unwrap();
}

/// Looking this viewer up does not end, and it never stops calling: whoever waits with it waits alone.
#[tokio::test]
async fn token_that_floods_the_look_up_keeps_out_neither_other_tenants_nor_the_platform() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let organization = format!("/v1/organizations/{}", world.organization);
    let accounts = format!("/v1/organizations/{}/accounts", world.other_organization);
    // All of them have been good before.
    for (token, path) in [
        (&world.viewer, &organization),
        (&world.other_tenant, &accounts),
        (&world.admin, &organization),
    ] {
        let answer = service.call(Some(token), Method::GET, path, Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut superuser = service.database.superuser().await;
    sqlx::query("UPDATE api_token SET last_used_at = NULL WHERE role = 'viewer'")
        .execute(&mut superuser)
        .await
        .unwrap();
    let mut lock = superuser.begin().await.unwrap();
    sqlx::query("SELECT FROM api_token WHERE role = 'viewer' FOR UPDATE")
        .execute(&mut *lock)
        .await
        .unwrap();

    let mut flood = JoinSet::new();
    for _ in 0..800 {
        flood.spawn(
            service
                .request(Some(&world.viewer), Method::GET, &organization)
                .send(),
        );
    }
    // What it may have open at once, it has; the rest is told so.
    for _ in 0..200 {
        let answer = flood.join_next().await.unwrap().unwrap().unwrap();
        assert!(
            matches!(answer.status().as_u16(), 429 | 503) && answer.headers().contains_key("retry-after"),
            "{answer:?}"
        );
    }
    for (token, path) in [(&world.other_tenant, &accounts), (&world.admin, &organization)] {
        let answer = service.call(Some(token), Method::GET, path, Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    lock.rollback().await.unwrap();
    flood.abort_all();
}

#[tokio::test]
async fn caller_whose_role_is_too_small_is_refused_before_anything_of_the_body_came() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let (account, viewer) = (&world.account, &world.viewer);
    let calls = [
        (
            format!("/v1/accounts/{account}/request"),
            "application/json",
            "403",
            "forbidden",
        ),
        (
            "/tollway.v1.AccountService/RequestInAccount".to_owned(),
            "application/grpc",
            "200",
            "grpc-status: 7",
        ),
    ];
    for (path, media_type, status, word) in calls {
        let mut stream = TcpStream::connect(service.control_plane().ports().api)
            .await
            .unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {viewer}\r\n\
             Content-Type: {media_type}\r\nContent-Length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(word),
            "{path}: {answer}"
        );
    }
}

/// Nobody knows who asks, and a stream has no end.
#[tokio::test]
async fn stranger_brings_little_in_all_messages_of_a_stream() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest,
    };
    let service = Service::start().await;
    let channel = tonic::transport::Endpoint::from_shared(service.url(""))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol("a".repeat(1_000))),
    };
    // As many as one likes.
    let requests = tokio_stream::iter(std::iter::repeat_n(request, 10_000));
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    let mut answered = 0;
    while let Ok(Some(_)) = answers.message().await {
        answered += 1;
    }
    assert!(answered < 100, "{answered} messages were read");
}
