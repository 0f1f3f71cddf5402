//! Signing in to the console with a one-time link.

use reqwest::Method;
use serde_json::Value;
use tollway::request_id::RequestId;

use crate::{
    fixture::{Answer, Service},
    world::World,
};

#[tokio::test]
async fn a_sign_in_link_is_made_through_the_internal_port_and_works_once() {
    let service = Service::start().await;
    let link = tollway::sign_in_link::create(service.folder.path())
        .await
        .unwrap();
    let api = service.control_plane().ports().api.to_string();
    let secret = link
        .strip_prefix(&format!("http://{api}/sign-in?token="))
        .unwrap();
    assert_eq!(secret.len(), 43);
    let app = service.control_plane().app();
    let (cookie, session) = app.sign_in(secret, "a browser").await.unwrap();
    assert_eq!(session.principal.role(), tollway_model::Role::PlatformAdmin);
    assert!(app.sign_in(secret, "a browser").await.is_err());
    let request_id = RequestId::generate();
    assert!(app.session(&cookie, request_id.clone()).await.is_ok());
    app.sign_out(&cookie).await.unwrap();
    assert!(app.session(&cookie, request_id).await.is_err());
}

#[tokio::test]
async fn only_platform_admins_get_a_link() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let url = format!("http://{}/sign-in-links", service.control_plane().ports().metrics);
    let http = reqwest::Client::new();
    for (token, status) in [(None, 401), (Some(&world.owner), 403), (Some(&world.admin), 200)] {
        let request = http.post(&url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        assert_eq!(Answer::of(request).await.status, status);
    }
    // The public port has no such route.
    let answer = service
        .call(Some(&world.admin), Method::POST, "/sign-in-links", Value::Null)
        .await;
    assert_eq!(answer.code(), "route_not_found");
}
