//! What tenants write stays text, and pages stay within their policy.

use askama::Template;
use tollway_web::form::Field;
use tollway_web::page::{AccountState, ConfirmPage, ErrorPage, Shell};

use crate::samples;

/// Breaks out of text, of a quoted attribute, and of a URL.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";

#[track_caller]
fn hostile_text_stayed_text(page: &impl Template) {
    let html = page.render().expect("the page renders");
    assert!(
        html.contains("script&#62;alert(1)"),
        "the text should be on the page"
    );
    assert!(!html.contains("<script>alert"), "a script got in");
    assert!(!html.contains("<img src=x"), "an element got in");
    assert!(!html.contains("\"'>"), "an attribute ended early");
}

#[test]
fn names_and_reasons_of_accounts_are_escaped() {
    let mut page = samples::accounts_of_the_platform();
    let organization = &mut page.live.organizations[0];
    organization.display_name = HOSTILE.into();
    organization.name = HOSTILE.into();
    organization.id = HOSTILE.into();
    organization.accounts[0].name = HOSTILE.into();
    organization.accounts[0].id = HOSTILE.into();
    organization.accounts[0].cell = HOSTILE.into();
    page.live.cells[0].name = HOSTILE.into();
    page.live.cells[0].nodes[0].name = HOSTILE.into();
    page.live.cells[0].nodes[0].client_url = HOSTILE.into();
    page.live.only = HOSTILE.into();
    hostile_text_stayed_text(&page);
    hostile_text_stayed_text(&page.live);

    let mut page = samples::account();
    page.account.name = HOSTILE.into();
    page.account.organization = HOSTILE.into();
    page.account.organization_id = HOSTILE.into();
    page.live.state = AccountState::Suspended {
        reason: HOSTILE.into(),
    };
    page.users[0].name = HOSTILE.into();
    page.users[0].publish = HOSTILE.into();
    hostile_text_stayed_text(&page);
    hostile_text_stayed_text(&page.live);
}

#[test]
fn what_a_refused_form_gives_back_is_escaped() {
    let mut page = samples::account_with_a_refused_form();
    let form = page.new_user.as_mut().unwrap();
    form.name = Field {
        value: HOSTILE.into(),
        error: HOSTILE.into(),
    };
    form.publish_allow = Field {
        value: format!("</textarea>{HOSTILE}"),
        error: HOSTILE.into(),
    };
    hostile_text_stayed_text(&page);
    assert!(
        !page.render().unwrap().contains("</textarea><"),
        "a text area ended early"
    );
}

#[test]
fn users_links_and_errors_are_escaped() {
    let mut page = samples::user();
    page.name = HOSTILE.into();
    page.publish_allow = vec![HOSTILE.into()];
    page.servers = vec![HOSTILE.into()];
    page.issuances.rows[0].public_key = HOSTILE.into();
    hostile_text_stayed_text(&page);

    hostile_text_stayed_text(&samples::sign_in(HOSTILE, ""));
    hostile_text_stayed_text(&ConfirmPage {
        question: HOSTILE.into(),
        ..samples::confirm()
    });
    hostile_text_stayed_text(&ErrorPage {
        detail: HOSTILE.into(),
        ..ErrorPage::not_found(Shell::anonymous())
    });
}

#[test]
fn no_page_needs_what_the_policy_forbids() {
    let pages = [
        samples::accounts_of_the_platform().render(),
        samples::account().render(),
        samples::account_with_a_refused_form().render(),
        samples::user().render(),
        samples::new_account().render(),
        samples::confirm().render(),
        samples::sign_in("secret", "").render(),
        ErrorPage::not_found(Shell::anonymous()).render(),
    ];
    for page in pages {
        let html = page.expect("the page renders");
        for forbidden in [
            " style=",
            "<style",
            "<script>",
            " onclick=",
            " hx-on",
            "javascript:",
            "hx-vals=\"js:",
            "://cdn",
        ] {
            assert!(!html.contains(forbidden), "{forbidden} in:\n{html}");
        }
    }
}

#[test]
fn every_form_carries_the_mark_of_the_session_but_the_one_that_begins_it() {
    for page in [
        samples::account().render(),
        samples::user().render(),
        samples::new_account().render(),
        samples::confirm().render(),
    ] {
        let html = page.expect("the page renders");
        assert_eq!(
            html.matches("<form method=\"post\"").count(),
            html.matches("name=\"csrf\" value=\"csrf-of-the-session\"")
                .count()
        );
    }
    assert!(!samples::sign_in("secret", "").render().unwrap().contains("csrf"));
}

#[test]
fn a_viewer_has_no_form_but_the_one_that_signs_out() {
    for page in [
        samples::accounts_of_a_viewer().render(),
        samples::user_for_a_viewer().render(),
    ] {
        let html = page.expect("the page renders");
        assert_eq!(html.matches("<form").count(), 1);
        assert!(html.contains("action=\"/sign-out\""));
        assert!(!html.contains("/revoke") && !html.contains("/delete") && !html.contains("/accounts/new"));
    }
}
