//! A second `up` goes on where the first one ended.

use std::fs;

use reqwest::Method;
use serde_json::json;

use crate::installation::Installation;

#[tokio::test]
async fn second_up_has_the_data_of_the_first_and_old_creds_still_work() {
    let installation = Installation::new();
    first_and_second_up(&installation).await;
}

#[tokio::test]
async fn given_database_is_used_and_no_postgres_is_made() {
    let database = tollway_datastore::testing::empty_database().await;
    let installation = Installation::with_database(database.url());
    let printed = first_and_second_up(&installation).await;
    assert!(printed.contains("the database of DATABASE_URL"), "{printed}");
    assert!(!installation.folder().join("postgres").exists());
    // The secret part of the URL is for nobody's eyes or files.
    assert!(!printed.contains(database.url()));
}

/// Gives what the second one printed.
async fn first_and_second_up(installation: &Installation) -> String {
    installation.up();
    let facts = installation.facts().await;
    let organization = facts["organization"].as_str().unwrap().to_owned();
    let accounts = format!("/organizations/{organization}/accounts");
    let made = installation
        .api(
            Method::POST,
            &format!("{accounts}?wait=applied"),
            Some(json!({ "name": "kept", "cell": "cell-a" })),
        )
        .await;
    let creds_file = facts["accounts"][0]["creds_file"].as_str().unwrap().to_owned();
    let creds = fs::read_to_string(&creds_file).unwrap();
    installation.down();
    assert_eq!(installation.processes(), Vec::<String>::new());
    assert!(!installation.folder().join("up.json").exists());

    let printed = installation.up();
    let facts = installation.facts().await;
    assert_eq!(facts["organization"], organization);
    let list = installation.api(Method::GET, &accounts, None).await;
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["orders", "billing", "kept"]);
    assert!(
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|account| account["id"] == made["id"])
    );
    assert_eq!(fs::read_to_string(&creds_file).unwrap(), creds);
    async_nats::ConnectOptions::with_credentials_file(&creds_file)
        .await
        .unwrap()
        .connect(facts["accounts"][0]["nats_url"].as_str().unwrap())
        .await
        .unwrap();
    printed
}

#[tokio::test]
async fn demo_account_that_was_deleted_stays_deleted_and_lost_creds_are_made_again() {
    let installation = Installation::new();
    installation.up();
    let facts = installation.facts().await;
    let [orders, billing] = [0, 1].map(|index| facts["accounts"][index].clone());
    let path = format!("/accounts/{}", billing["id"].as_str().unwrap());
    let token = fs::read_to_string(facts["api_token_file"].as_str().unwrap()).unwrap();
    let deleted = reqwest::Client::new()
        .delete(format!("{}{path}", facts["api_url"].as_str().unwrap()))
        .bearer_auth(token.trim())
        .send()
        .await
        .unwrap();
    assert!(deleted.status().is_success(), "{}", deleted.status());
    installation.down();
    fs::remove_file(orders["creds_file"].as_str().unwrap()).unwrap();

    let printed = installation.up();
    let facts = installation.facts().await;
    let accounts = facts["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1, "{printed}");
    assert_eq!(accounts[0]["name"], "orders");
    async_nats::ConnectOptions::with_credentials_file(accounts[0]["creds_file"].as_str().unwrap())
        .await
        .unwrap()
        .connect(accounts[0]["nats_url"].as_str().unwrap())
        .await
        .unwrap();
}
