//! The same pages for members of an organization: no more than their role allows.

use reqwest::StatusCode;
use tollway_model::Role;

use crate::browser::World;

#[tokio::test]
async fn a_viewer_sees_the_organization_without_forms_and_changes_nothing() {
    let world = World::new().await;
    let other = world.new_organization("quarry").await;
    let gravel = world.new_account(&other, "gravel").await;
    let user = world
        .api(
            &format!("accounts/{}/users", world.account),
            serde_json::json!({ "name": "crane" }),
        )
        .await;
    let browser = world.signed_in(Role::Viewer).await;

    let page = browser.get("/").await;
    page.has("berths</a>");
    page.has_not("gravel");
    page.has_not("New account");
    // The fleet is nobody's business but the platform's.
    page.has_not("<h2 id=\"cells\">");

    let account = format!("/accounts/{}", world.account);
    let user = format!("{account}/users/{}", user["id"].as_str().unwrap());
    for path in ["/", &account, &user] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(
            page.body.matches("<form").count(),
            1,
            "only signing out is left at {path}"
        );
    }
    for path in [
        "/accounts/new",
        &format!("{account}/suspend"),
        &format!("{user}/delete"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.has("Your role does not allow that");
        page.has("signed in as viewer");
    }
    for (path, form) in [
        (
            "/accounts".to_owned(),
            vec![("organization", world.organization.as_str()), ("name", "mine")],
        ),
        (format!("{account}/suspend"), vec![]),
        (format!("{account}/users"), vec![("name", "mine")]),
        (format!("{user}/credentials"), vec![]),
        (format!("{user}/delete"), vec![]),
    ] {
        assert_eq!(
            browser.submit(&path, &form).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    assert_eq!(world.account_names().await, ["berths"]);

    // Another organization's account is not even there.
    for path in [
        format!("/accounts/{gravel}"),
        format!("/live/accounts/{gravel}"),
        format!("/accounts/{gravel}/suspend"),
    ] {
        assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_developer_makes_users_and_cannot_suspend() {
    let world = World::new().await;
    let browser = world.signed_in(Role::Developer).await;
    let account = format!("/accounts/{}", world.account);
    let page = browser.get(&account).await;
    page.has("Create user");
    page.has_not("/suspend");
    let made = browser
        .submit(&format!("{account}/users"), &[("name", "crane")])
        .await;
    let user = made.location().split('?').next().unwrap().to_owned();
    let file = browser.submit(&format!("{user}/credentials"), &[]).await;
    file.has("BEGIN NATS USER JWT");
    assert_eq!(
        browser.submit(&format!("{account}/suspend"), &[]).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn an_owner_makes_accounts_in_the_own_organization_only() {
    let world = World::new().await;
    world.serve_cell().await;
    let other = world.new_organization("quarry").await;
    let browser = world.signed_in(Role::Owner).await;
    let form = browser.get("/accounts/new").await;
    form.has(&world.organization);
    form.has_not(&other);
    let elsewhere = browser
        .submit("/accounts", &[("organization", &other), ("name", "mine")])
        .await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    let made = browser
        .submit(
            "/accounts",
            &[("organization", &world.organization), ("name", "mine")],
        )
        .await;
    browser.get(made.location()).await.has("<h1>mine</h1>");
}
