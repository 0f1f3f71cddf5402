//! What people do: sign in, look, make, download, revoke, suspend, sign out.

use reqwest::{Method, StatusCode};
use tollway_model::Role;

use crate::browser::{Answer, World};

#[tokio::test]
async fn a_link_signs_in_once_and_looking_at_it_uses_nothing_up() {
    let world = World::new().await;
    let link = world.link(Role::PlatformAdmin).await;
    let (browser, other) = (world.browser(), world.browser());
    for _ in 0..2 {
        let page = browser.get(&format!("/sign-in?token={link}")).await;
        assert_eq!(page.status, StatusCode::OK);
        page.has("Sign in</button>");
    }
    let pasted = format!("{}/sign-in?token={link}", world.origin);
    let answer = browser.post("/sign-in", &[("token", &pasted)]).await;
    assert_eq!(answer.location(), "/");
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );
    browser.get("/").await.has("<h1>Accounts</h1>");

    let second = other.post("/sign-in", &[("token", &link)]).await;
    assert_eq!(second.status, StatusCode::FORBIDDEN);
    second.has("used already");
    second.has("tollway sign-in-link --data-dir");
    // Opening it says so already, as for a link that never was.
    for over in [link.clone(), world.made_up_link()] {
        let page = other.get(&format!("/sign-in?token={over}")).await;
        assert_eq!(page.status, StatusCode::OK);
        page.has("used already");
        page.has_not(&over);
    }
    assert_eq!(other.get("/").await.location(), "/sign-in");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_not_only_the_cookie() {
    let world = World::new().await;
    let browser = world.signed_in(Role::PlatformAdmin).await;
    let csrf = browser.csrf("/").await;
    // What a thief of the cookie would send later.
    let link = world.link(Role::PlatformAdmin).await;
    let kept = browser.post("/sign-in", &[("token", &link)]).await;
    let cookie = kept.header("set-cookie").split(';').next().unwrap().to_owned();
    let with_cookie = |path: &str| {
        world
            .browser()
            .request(Method::GET, path)
            .header("cookie", &cookie)
    };
    assert_eq!(Answer::of(with_cookie("/")).await.status, StatusCode::OK);

    let old_mark = browser.post("/sign-out", &[("csrf", &csrf)]).await;
    assert_eq!(
        old_mark.status,
        StatusCode::FORBIDDEN,
        "the mark of another session"
    );
    assert_eq!(browser.submit("/sign-out", &[]).await.location(), "/sign-in");
    assert_eq!(browser.get("/").await.location(), "/sign-in");
    assert_eq!(Answer::of(with_cookie("/")).await.location(), "/sign-in");
}

#[tokio::test]
async fn an_account_and_a_user_are_made_and_its_credentials_are_shown_once() {
    let world = World::new().await;
    world.serve_cell().await;
    let browser = world.signed_in(Role::PlatformAdmin).await;

    let refused = browser
        .submit(
            "/accounts",
            &[
                ("organization", &world.organization),
                ("name", "Not A Name"),
                ("cell", ""),
            ],
        )
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.has("value=\"Not A Name\"");
    refused.has("aria-invalid=\"true\"");
    let taken = browser
        .submit(
            "/accounts",
            &[("organization", &world.organization), ("name", "berths")],
        )
        .await;
    taken.has("the name berths is taken");
    let made = browser
        .submit(
            "/accounts",
            &[
                ("organization", &world.organization),
                ("name", "customs"),
                ("cell", "cell-1"),
            ],
        )
        .await;
    let page = browser.get(made.location()).await;
    page.has("<h1>customs</h1>");
    page.has("harbour &#38; &#60;Sons&#62;");
    assert_eq!(world.account_names().await, ["berths", "customs"]);

    let account = format!("/accounts/{}", world.account);
    let users = format!("{account}/users");
    let refused = browser
        .submit(
            &users,
            &[("name", "checkout"), ("publish_allow", "orders.>\norders..x")],
        )
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.has("orders..x: ");
    let made = browser
        .submit(
            &users,
            &[
                ("name", "checkout"),
                ("publish_allow", "orders.>"),
                ("allow_responses", "yes"),
            ],
        )
        .await;
    let user = made.location().split('?').next().unwrap().to_owned();
    let page = browser.get(made.location()).await;
    page.has("The user is made.");
    page.has("<code>orders.&#62;</code>");
    page.has("Nothing was issued yet.");

    let file = browser
        .submit(&format!("{user}/credentials"), &[("lifetime_seconds", "3600")])
        .await;
    assert_eq!(file.status, StatusCode::OK);
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"berths-checkout.creds\""
    );
    assert_eq!(file.header("cache-control"), "no-store");
    file.has("BEGIN NATS USER JWT");
    let seed = file
        .body
        .lines()
        .find(|line| line.starts_with("SU"))
        .expect("the file has a seed");
    let page = browser.get(&user).await;
    page.has_not(seed);
    page.has("good</span>");

    let (_, rest) = page
        .body
        .split_once("/issuances/")
        .expect("the page leads to revoking");
    let issuance = rest.split('/').next().unwrap();
    let revoke = format!("{user}/issuances/{issuance}/revoke");
    browser.get(&revoke).await.has("Revoke the credentials");
    let revoked = browser.submit(&revoke, &[]).await;
    browser.get(revoked.location()).await.has("revoked</span>");
    let piece = browser.get(&format!("/live{user}/issuances")).await;
    piece.has("revoked</span>");
    piece.has_not("<html");

    let deleted = browser.submit(&format!("{user}/delete"), &[]).await;
    let page = browser.get(deleted.location()).await;
    page.has("The user is deleted");
    page.has_not("checkout</a>");
    assert_eq!(browser.get(&user).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn suspending_is_asked_twice_and_taken_back() {
    let world = World::new().await;
    let browser = world.signed_in(Role::PlatformAdmin).await;
    let account = format!("/accounts/{}", world.account);
    browser.get(&account).await.has(&format!("{account}/suspend"));
    browser
        .get(&format!("{account}/suspend"))
        .await
        .has("Suspend berths?");
    let suspended = browser
        .submit(
            &format!("{account}/suspend"),
            &[("reason", "invoice 7 <is> late")],
        )
        .await;
    assert_eq!(suspended.location(), format!("{account}?done=suspended"));
    let page = browser.get(suspended.location()).await;
    page.has("its clients are cut off");
    page.has(&format!("{account}/resume"));
    // No node has acknowledged anything in this test, and the page does not pretend.
    page.has("applying</span>");
    let resumed = browser.submit(&format!("{account}/resume"), &[]).await;
    browser.get(resumed.location()).await.has("clients get in again");
}

#[tokio::test]
async fn the_first_page_lists_accounts_of_all_organizations_and_its_piece_refreshes() {
    let world = World::new().await;
    let other = world.new_organization("quarry").await;
    world.new_account(&other, "gravel").await;
    let browser = world.signed_in(Role::PlatformAdmin).await;
    let page = browser.get("/").await;
    for text in [
        "berths</a>",
        "gravel</a>",
        "no node yet",
        "hx-get=\"/live/accounts\"",
    ] {
        page.has(text);
    }
    let piece = browser.get("/live/accounts").await;
    piece.has("berths</a>");
    piece.has_not("<html");
    let piece = browser.get(&format!("/live/accounts/{}", world.account)).await;
    piece.has("Messages by hour");
    piece.has_not("<html");
}

#[tokio::test]
async fn addresses_without_a_page_answer_people_and_programs_each_in_their_way() {
    let world = World::new().await;
    let browser = world.signed_in(Role::PlatformAdmin).await;
    for path in [
        "/nothing-here",
        "/v1/nothing-here",
        "/sign-out",
        "/accounts/acc_00000000000000000000000000000000",
        "/accounts/no-id",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        page.has("There is no page here");
        page.has("To the accounts");
    }
    let stranger = world.browser().get("/nothing-here").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    stranger.has("There is no page here");
    stranger.has("To the sign-in page");
    let program = Answer::of(reqwest::Client::new().get(format!("{}/nothing-here", world.origin))).await;
    assert_eq!(program.status, StatusCode::NOT_FOUND);
    assert_eq!(program.header("content-type"), "application/problem+json");
    for (path, leads_to) in [
        ("/accounts".to_owned(), "/".to_owned()),
        (
            format!("/accounts/{}/users", world.account),
            format!("/accounts/{}", world.account),
        ),
    ] {
        assert_eq!(browser.get(&path).await.location(), leads_to);
    }
}

#[tokio::test]
async fn an_organizations_name_leads_to_its_accounts_and_to_a_new_one_for_it() {
    let world = World::new().await;
    let other = world.new_organization("quarry").await;
    world.new_account(&other, "gravel").await;
    let browser = world.signed_in(Role::PlatformAdmin).await;
    let link = format!("/?organization={other}");
    browser.get("/").await.has(&format!("href=\"{link}\""));
    let account = browser.get(&format!("/accounts/{}", world.account)).await;
    account.has(&format!("href=\"/?organization={}\"", world.organization));

    for path in [&link, &format!("/live/accounts?organization={other}")] {
        let page = browser.get(path).await;
        page.has("gravel</a>");
        page.has_not("berths");
        page.has(&format!("hx-get=\"/live/accounts?organization={other}\""));
    }
    browser
        .get(&link)
        .await
        .has("<h1>quarry &#38; &#60;Sons&#62;</h1>");
    let form = browser.get(&format!("/accounts/new?organization={other}")).await;
    form.has(&format!("value=\"{other}\" selected"));

    // Members of another one hear nothing of it.
    let owner = world.signed_in(Role::Owner).await;
    for path in [
        link.as_str(),
        "/?organization=nonsense",
        &format!("/accounts/new?organization={other}"),
    ] {
        assert_eq!(owner.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    owner
        .get("/accounts/new")
        .await
        .has("for harbour &#38; &#60;Sons&#62;");
}
