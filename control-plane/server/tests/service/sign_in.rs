//! Signing in to the console with a one-time link.

use reqwest::Method;
use serde_json::Value;
use tollway::{peers::Peer, request_id::RequestId};

use crate::{
    fixture::{Answer, Service},
    world::World,
};

#[tokio::test]
async fn a_sign_in_link_is_made_through_the_data_folder_and_works_once() {
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
    let request_id = RequestId::generate();
    let peer = Peer::of([127, 0, 0, 1].into());
    let (cookie, session) = app.sign_in(secret, "a browser", peer, &request_id).await.unwrap();
    assert_eq!(session.principal.role(), tollway_model::Role::PlatformAdmin);
    assert!(app.sign_in(secret, "a browser", peer, &request_id).await.is_err());
    assert!(app.session(&cookie, peer, request_id.clone()).await.is_ok());
    app.sign_out(&cookie, &request_id).await.unwrap();
    assert!(app.session(&cookie, peer, request_id).await.is_err());
}

/// Whoever listens there after us would be told what is meant for us; and a token is not needed by
/// somebody who can read the folder.
#[tokio::test]
async fn a_link_is_to_be_had_in_the_data_folder_alone() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let url = format!("http://{}/sign-in-links", service.control_plane().ports().metrics);
    let request = reqwest::Client::new().post(&url).bearer_auth(&world.admin);
    assert_eq!(Answer::of(request).await.code(), "route_not_found");
    let answer = service
        .call(Some(&world.admin), Method::POST, "/sign-in-links", Value::Null)
        .await;
    assert_eq!(answer.code(), "route_not_found");

    // The first token may be anywhere, or nowhere.
    std::fs::remove_file(service.folder.path().join("admin.token")).unwrap();
    tollway::sign_in_link::create(service.folder.path())
        .await
        .unwrap();
}

#[tokio::test]
async fn nobody_is_asked_when_no_control_plane_runs_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let told = tollway::sign_in_link::create(folder.path())
        .await
        .unwrap_err()
        .to_string();
    assert!(told.contains("is the control plane running"), "{told}");
}
