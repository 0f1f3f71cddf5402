//! Lists come in pages that together hold everything once.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{fixture::Service, world::World};

#[tokio::test]
async fn pages_hold_every_item_once_in_the_order_of_their_making() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let users = format!("/v1/accounts/{}/users", world.account);
    let mut made = vec![world.user.clone()];
    for number in 0..6 {
        let user = service
            .admin(Method::POST, &users, json!({ "name": format!("user-{number}") }))
            .await;
        made.push(user["id"].as_str().unwrap().to_owned());
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{users}?limit=3&cursor={cursor}");
        let page = service
            .call(Some(&world.viewer), Method::GET, &path, Value::Null)
            .await
            .body;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
    assert_eq!(seen.iter().collect::<BTreeSet<_>>(), made.iter().collect());
}

#[tokio::test]
async fn members_list_their_own_organization_and_admins_all_but_the_platforms() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let own = service
        .call(Some(&world.viewer), Method::GET, "/v1/organizations", Value::Null)
        .await
        .body;
    let ids = |list: &Value| -> BTreeSet<String> {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&own), [world.organization.clone()].into());
    let all = service.admin(Method::GET, "/v1/organizations", Value::Null).await;
    assert_eq!(ids(&all), [world.organization, world.other_organization].into());
}
