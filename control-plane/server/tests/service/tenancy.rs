//! Another tenant's things do not exist.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{fixture::Service, world::World};

#[tokio::test]
async fn another_tenants_ids_answer_exactly_like_ids_that_were_never_given_out() {
    let service = Service::start().await;
    let ours = World::make(&service).await;
    let theirs = World::make(&service).await;
    let nobody = |id: &str| format!("{}{}", &id[..4], "0".repeat(32));
    let paths = |world: &World, made_up: bool| {
        let id = |id: &String| if made_up { nobody(id) } else { id.clone() };
        let (organization, account) = (id(&world.organization), id(&world.account));
        let (user, issuance) = (id(&world.user), id(&world.issuance));
        vec![
            (Method::GET, format!("/v1/organizations/{organization}")),
            (Method::GET, format!("/v1/organizations/{organization}/accounts")),
            (
                Method::GET,
                format!("/v1/organizations/{organization}/api-tokens"),
            ),
            (
                Method::DELETE,
                format!(
                    "/v1/organizations/{organization}/api-tokens/{}",
                    id(&world.spare_token)
                ),
            ),
            (Method::GET, format!("/v1/accounts/{account}")),
            (Method::DELETE, format!("/v1/accounts/{account}")),
            (Method::GET, format!("/v1/accounts/{account}/users/{user}")),
            (Method::DELETE, format!("/v1/accounts/{account}/users/{user}")),
            (
                Method::POST,
                format!("/v1/accounts/{account}/users/{user}/issuances/{issuance}/revoke"),
            ),
        ]
    };
    for ((method, real), (_, made_up)) in paths(&theirs, false).into_iter().zip(paths(&theirs, true)) {
        let real = service
            .call(Some(&ours.owner), method.clone(), &real, Value::Null)
            .await;
        let made_up = service
            .call(Some(&ours.owner), method, &made_up, Value::Null)
            .await;
        assert_eq!(real.code(), "not_found");
        assert_eq!(
            (real.status, real.body["detail"].clone()),
            (made_up.status, made_up.body["detail"].clone())
        );
    }
    let by_key = format!("/v1/accounts/{}", theirs.account_key);
    assert_eq!(
        service
            .call(Some(&ours.owner), Method::GET, &by_key, Value::Null)
            .await
            .code(),
        "not_found"
    );
    // Their things under our account are not there either.
    let mixed = format!("/v1/accounts/{}/users/{}", ours.account, theirs.user);
    assert_eq!(
        service
            .call(Some(&ours.owner), Method::GET, &mixed, Value::Null)
            .await
            .code(),
        "not_found"
    );
    // Nothing of theirs was changed.
    let account = format!("/v1/accounts/{}", theirs.account);
    assert_eq!(
        service
            .call(Some(&theirs.viewer), Method::GET, &account, Value::Null)
            .await
            .body["id"],
        theirs.account
    );
}

#[tokio::test]
async fn a_deleted_token_is_refused_from_the_next_call_on() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let tokens = format!("/v1/organizations/{}/api-tokens", world.organization);
    let made = service
        .call(
            Some(&world.owner),
            Method::POST,
            &tokens,
            json!({ "name": "short", "role": "viewer" }),
        )
        .await;
    let secret = made.body["secret"].as_str().unwrap();
    assert!(
        service
            .call(Some(secret), Method::GET, "/v1/organizations", Value::Null)
            .await
            .status
            .is_success()
    );
    let path = format!("{tokens}/{}", made.body["api_token"]["id"].as_str().unwrap());
    assert_eq!(
        service
            .call(Some(&world.owner), Method::DELETE, &path, Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        service
            .call(Some(secret), Method::GET, "/v1/organizations", Value::Null)
            .await
            .code(),
        "unauthorized"
    );
}

#[tokio::test]
async fn an_organization_with_accounts_is_not_deleted_and_the_problem_names_them() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let organization = format!("/v1/organizations/{}", world.organization);
    let account = format!("/v1/accounts/{}", world.account);
    let name = service.admin(Method::GET, &account, Value::Null).await["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = service
        .call(Some(&world.admin), Method::DELETE, &organization, Value::Null)
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "organization_not_empty")
    );
    assert!(
        answer.body["detail"].as_str().unwrap().contains(&name),
        "{answer:?}"
    );
    service.admin(Method::DELETE, &account, Value::Null).await;
    service.admin(Method::DELETE, &organization, Value::Null).await;
    // Its tokens went with it.
    assert_eq!(
        service
            .call(Some(&world.owner), Method::GET, "/v1/organizations", Value::Null)
            .await
            .code(),
        "unauthorized"
    );
}
