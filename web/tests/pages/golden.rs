//! Every page against the bytes that were looked at when they were approved.
//!
//! `UPDATE_GOLDEN=1 cargo nextest run -p tollway-web` writes the files anew;
//! the difference is then read like any other change.

use std::path::Path;

use askama::Template;
use tollway_web::asset;
use tollway_web::page::{ErrorPage, Shell};

use crate::samples;

/// A change of a style sheet must not touch each page's golden file.
fn without_hashes(html: &str) -> String {
    let mut html = html.to_owned();
    for asset in [&asset::STYLE, &asset::HTMX, &asset::LOGO] {
        html = html.replace(asset.url(), &format!("/assets/{}", asset.name));
    }
    html
}

#[track_caller]
fn check(name: &str, page: &impl Template) {
    let html = without_hashes(&page.render().expect("the page renders"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, html).expect("the golden file can be written");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (is, was))) = html
        .lines()
        .zip(golden.lines())
        .enumerate()
        .find(|(_, (is, was))| is != was)
    {
        panic!(
            "{name}, line {}:\n  was: {was}\n  is:  {is}\nUPDATE_GOLDEN=1 writes it anew",
            line + 1
        );
    }
    assert_eq!(
        html.lines().count(),
        golden.lines().count(),
        "{name} is longer or shorter; UPDATE_GOLDEN=1 writes it anew"
    );
}

#[test]
fn the_platform_sees_all_organizations_and_the_fleet() {
    check("accounts-platform.html", &samples::accounts_of_the_platform());
}

#[test]
fn a_viewer_sees_one_organization_and_no_buttons() {
    check("accounts-viewer.html", &samples::accounts_of_a_viewer());
}

#[test]
fn an_empty_installation_says_how_to_begin() {
    check("accounts-none.html", &samples::no_organizations());
}

#[test]
fn an_account_shows_its_day_and_its_users() {
    check("account.html", &samples::account());
}

#[test]
fn a_refused_form_comes_back_as_it_was_left() {
    check(
        "account-refused-form.html",
        &samples::account_with_a_refused_form(),
    );
}

#[test]
fn a_new_account_is_asked_for_by_name() {
    check("new-account.html", &samples::new_account());
}

#[test]
fn an_owner_sees_for_which_organization_an_account_is_made() {
    check("new-account-owner.html", &samples::new_account_of_an_owner());
}

#[test]
fn one_organization_has_a_page_with_its_accounts_alone() {
    check("accounts-one.html", &samples::accounts_of_one_organization());
}

#[test]
fn a_user_shows_what_was_issued() {
    check("user.html", &samples::user());
}

#[test]
fn a_viewer_sees_a_user_without_forms() {
    check("user-viewer.html", &samples::user_for_a_viewer());
}

#[test]
fn what_cuts_clients_off_is_asked_twice() {
    check("confirm.html", &samples::confirm());
}

#[test]
fn a_link_asks_for_one_click() {
    check("sign-in.html", &samples::sign_in("one-time-secret", ""));
}

#[test]
fn a_used_link_says_how_to_get_another() {
    check(
        "sign-in-used.html",
        &samples::sign_in("", "This link was used already, or it ran out."),
    );
}

#[test]
fn errors_say_what_to_do_next() {
    check(
        "not-found.html",
        &ErrorPage::not_found(samples::shell("Demo organization", "owner")),
    );
    check(
        "unavailable.html",
        &ErrorPage::unavailable(Shell::anonymous(), "req-17"),
    );
}
