//! What others send: forms from elsewhere, requests without a session.

use reqwest::{Method, StatusCode};
use tollway_model::Role;

use crate::browser::{Answer, World};

#[tokio::test]
async fn a_form_from_elsewhere_or_without_the_sessions_mark_changes_nothing() {
    let world = World::new().await;
    world.serve_cell().await;
    let (browser, stranger) = (
        world.signed_in(Role::PlatformAdmin).await,
        world.signed_in(Role::PlatformAdmin).await,
    );
    let (mark, strangers_mark) = (browser.csrf("/").await, stranger.csrf("/").await);
    let form = |csrf: &str| {
        vec![
            ("organization", world.organization.clone()),
            ("name", "forged".to_owned()),
            ("csrf", csrf.to_owned()),
        ]
    };
    let post = |csrf: &str| browser.request(Method::POST, "/accounts").form(&form(csrf));
    let forged = [
        post(&mark).header("sec-fetch-site", "cross-site"),
        post(&mark).header("sec-fetch-site", "same-site"),
        post(&mark).header("origin", "http://evil.example"),
        post(&mark),
        post("").header("sec-fetch-site", "same-origin"),
        post(&strangers_mark).header("sec-fetch-site", "same-origin"),
    ];
    for request in forged {
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        answer.has("This form was not sent from here");
    }
    assert_eq!(world.account_names().await, ["berths"]);
    // The same form, as a page of ours sends it, to a host that browsers trust and to one they do not.
    let answer = Answer::of(post(&mark).header("origin", &world.origin)).await;
    assert!(answer.location().ends_with("?done=account-created"));
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in_page() {
    let world = World::new().await;
    let browser = world.browser();
    let account = format!("/accounts/{}", world.account);
    for path in [
        "/",
        "/accounts",
        "/accounts/new",
        &account,
        &format!("{account}/suspend"),
        "/live/accounts",
    ] {
        assert_eq!(browser.get(path).await.location(), "/sign-in", "{path}");
    }
    for path in [
        "/accounts",
        "/sign-out",
        &format!("{account}/suspend"),
        &format!("{account}/users"),
    ] {
        assert_eq!(
            browser.post(path, &[("name", "forged")]).await.location(),
            "/sign-in",
            "{path}"
        );
    }
    // A page that is still open is led there as a whole.
    let piece = Answer::of(
        browser
            .request(Method::GET, "/live/accounts")
            .header("hx-request", "true"),
    )
    .await;
    assert_eq!(
        (piece.status, piece.header("hx-redirect")),
        (StatusCode::UNAUTHORIZED, "/sign-in")
    );
    // An API token opens the API, not the console; a session opens the console, not the API.
    let signed_in = world.signed_in(Role::PlatformAdmin).await;
    let answer = Answer::of(signed_in.request(Method::GET, "/v1/organizations")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_answer_carries_the_policy_and_pages_are_not_kept() {
    let world = World::new().await;
    let browser = world.signed_in(Role::PlatformAdmin).await;
    let style = tollway_web::asset::STYLE.url();
    let account = format!("/accounts/{}", world.account);
    for path in [
        "/",
        "/sign-in",
        &account,
        "/live/accounts",
        style,
        "/nothing-here",
        "/accounts/no-id",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(
            answer.header("content-security-policy"),
            tollway_web::CONTENT_SECURITY_POLICY,
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
        let kept = answer.header("cache-control");
        assert_eq!(
            kept,
            if path == style {
                "public, max-age=31536000, immutable"
            } else {
                "no-store"
            },
            "{path}"
        );
    }
    assert_eq!(
        browser.get("/assets/console.css").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_form_larger_than_any_page_makes_is_refused() {
    let world = World::new().await;
    let browser = world.signed_in(Role::PlatformAdmin).await;
    let long = "x".repeat(100_000);
    let users = format!("/accounts/{}/users", world.account);
    let answer = browser
        .submit(&users, &[("name", "a"), ("publish_allow", &long)])
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    answer.has("could not be read");
}

/// What a page can do whose own host name leads to us (decision 0016).
#[tokio::test]
async fn a_page_under_another_host_name_is_a_stranger() {
    let world = World::new().await;
    let link = world.link(Role::PlatformAdmin).await;
    let person = world.browser();
    let signed_in = person.post("/sign-in", &[("token", &link)]).await;
    let cookie = signed_in.header("set-cookie").to_lowercase();
    assert!(
        !cookie.contains("domain"),
        "the cookie is for this host alone: {cookie}"
    );

    let page = world.browser();
    let ask = async |method: Method, path: &str| {
        let request = page
            .request(method, path)
            .header("host", "evil.example:8600")
            .header("origin", "http://evil.example:8600")
            .form(&[("name", "mine"), ("token", "made-up")]);
        Answer::of(request).await
    };
    let account = format!("/accounts/{}", world.account);
    for path in ["/", "/live/accounts", "/accounts/new", &account] {
        assert_eq!(ask(Method::GET, path).await.location(), "/sign-in", "{path}");
    }
    for path in ["/accounts", "/sign-out", &format!("{account}/suspend")] {
        assert_eq!(ask(Method::POST, path).await.location(), "/sign-in", "{path}");
    }
    assert_eq!(ask(Method::POST, "/sign-in").await.status, StatusCode::FORBIDDEN);
    for path in ["/v1/organizations", "/v1/cells", &format!("/v1{account}/usage")] {
        assert_eq!(
            ask(Method::GET, path).await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
}
