//! The first start, later starts, and starts with the wrong key.

use std::fs;

use reqwest::Method;
use serde_json::Value;
use sqlx::Row;
use tollway::{
    bootstrap::BootstrapError,
    data_folder::{DataFolder, DataFolderError},
    secrets::KeyEncryptionKey,
    serve::{ControlPlane, ServeSettings, StartError},
};
use tollway_datastore::testing;

use crate::{
    fixture::{Service, settings},
    node::FakeNode,
    world::World,
};

#[tokio::test]
async fn a_second_start_finds_everything_as_it_was() {
    let mut service = Service::start().await;
    let world = World::make(&service).await;
    let mut node = FakeNode::enrol(&service, &world.cell).await;
    service.restart().await;
    let token = fs::read_to_string(service.folder.path().join("admin.token")).unwrap();
    assert_eq!(token.trim(), service.admin_token);
    let answer = service
        .call(
            Some(&world.viewer),
            Method::GET,
            &format!("/v1/accounts/{}", world.account),
            Value::Null,
        )
        .await;
    assert_eq!(answer.body["public_key"], world.account_key);
    // The node knows the authority and the operator again.
    node.address = service.control_plane().ports().fleet;
    let mut attached = node.attach(None).await;
    assert_eq!(attached.welcome.operator_jwt, node.enrolled.operator_jwt);
    attached.take_until(&world.account_key).await;
    // Seeds open again.
    let issuances = format!("/v1/accounts/{}/users/{}/issuances", world.account, world.user);
    service.admin(Method::POST, &issuances, Value::Null).await;
}

#[tokio::test]
async fn control_planes_that_start_at_once_make_one_installation() {
    let database = testing::empty_database().await;
    // What several machines share.
    let kek = tempfile::tempdir().unwrap();
    let kek_file = kek.path().join("kek");
    KeyEncryptionKey::load_or_create(&kek_file).unwrap();
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let starts = folders.iter().map(|folder| {
        let mut settings = settings(folder.path(), database.url());
        settings.kek_file = Some(kek_file.clone());
        ControlPlane::start(settings)
    });
    let started = futures_util::future::join_all(starts).await;
    let started: Vec<_> = started.into_iter().map(Result::unwrap).collect();
    let tokens = folders
        .iter()
        .filter(|folder| folder.path().join("admin.token").exists())
        .count();
    assert_eq!(tokens, 1);
    let mut connection = database.superuser().await;
    for table in [
        "operator",
        "certificate_authority",
        "organization",
        "account",
        "api_token",
        "data_key",
    ] {
        let rows: i64 = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT count(*) AS rows FROM {table}"
        )))
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get("rows");
        assert_eq!(rows, 1, "{table}");
    }
    for control_plane in started {
        control_plane.stop().await;
    }
}

#[tokio::test]
async fn another_key_encryption_key_is_refused_with_what_to_do() {
    let mut service = Service::start().await;
    service.control_plane.take().unwrap().stop().await;
    let kek = service.folder.path().join("kek");
    fs::remove_file(&kek).unwrap();
    KeyEncryptionKey::load_or_create(&kek).unwrap();
    let error = start_error(settings(service.folder.path(), service.database.url())).await;
    assert!(
        matches!(error, StartError::Bootstrap(BootstrapError::OtherKek { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("TOLLWAY_KEK"), "{error}");
}

#[tokio::test]
async fn a_wrong_data_folder_gets_no_useless_key_and_says_what_is_missing() {
    let mut service = Service::start().await;
    service.control_plane.take().unwrap().stop().await;
    let wrong = tempfile::tempdir().unwrap();
    let error = start_error(settings(wrong.path(), service.database.url())).await;
    assert!(
        matches!(error, StartError::Bootstrap(BootstrapError::NoKek { .. })),
        "{error}"
    );
    let told = error.to_string();
    let file = wrong.path().join("kek");
    assert!(
        told.contains(file.to_str().unwrap()) && told.contains("--kek-file"),
        "{told}"
    );
    assert!(!file.exists());
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_its_ports_stay() {
    let service = Service::start().await;
    let error = start_error(settings(service.folder.path(), service.database.url())).await;
    assert!(
        matches!(error, StartError::Folder(DataFolderError::InUse(_))),
        "{error}"
    );
    let ports = DataFolder::existing(service.folder.path()).read_ports().unwrap();
    assert_eq!(ports, service.control_plane().ports());
}

async fn start_error(settings: ServeSettings) -> StartError {
    ControlPlane::start(settings)
        .await
        .err()
        .expect("it does not start")
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_option_that_chooses_it() {
    let service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut second = settings(folder.path(), service.database.url());
    second.kek_file = Some(service.folder.path().join("kek"));
    second.fleet_listen = service.control_plane().ports().fleet;
    let error = start_error(second).await.to_string();
    assert!(
        error.contains("--fleet-listen")
            && error.contains(&service.control_plane().ports().fleet.to_string()),
        "{error}"
    );
}
