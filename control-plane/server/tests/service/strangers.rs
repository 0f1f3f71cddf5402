//! What callers without good credentials can take: never so much that others notice.

use reqwest::Method;
use serde_json::Value;
use sqlx::Connection;
use tokio::task::JoinSet;
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
