//! Credentials: handed out as a file that is kept nowhere, and revoked.

use axum::{extract::Path, response::Response};
use http::StatusCode;
use serde::Deserialize;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_web::page::{ConfirmPage, IssuanceTable};

use super::{
    PageError, Visitor,
    form::{Button, Marked, MarkedForm},
    reply, user as user_page, view,
};
use crate::app::{PageParams, Wait, account, issuance, user};

/// Issuances that the table shows; the API lists them all.
const SHOWN: usize = 100;
/// Pages that are read to find the newest ones: lists begin with the oldest.
const PAGES_READ_MAX: usize = 10;

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    lifetime_seconds: u64,
}

impl Marked for Issue {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// Issues, and answers with the file itself: the only copy of the seed goes
/// straight to the browser's disk, and is on no page and in no history.
pub(super) async fn create(
    visitor: Visitor,
    Path((account, user)): Path<(String, String)>,
    MarkedForm(form): MarkedForm<Issue>,
) -> Result<Response, PageError> {
    let op = &visitor.op;
    let account = account::get(op, &account).await?;
    let user = user::get(op, &account.id, &user).await?;
    let issue = api::IssueCredentials {
        lifetime_seconds: Some(form.lifetime_seconds),
    };
    match issuance::create(op, &account.id, &user.id, issue).await {
        Ok(issued) => Ok(reply::download(
            &format!("{}-{}.creds", account.name, user.name),
            issued.creds,
        )),
        Err(error) => match Problem::from(error) {
            problem if problem.code == ProblemCode::ValidationFailed => {
                let mut page = user_page::read(&visitor, &account.id, &user.id).await?;
                page.error = problem.detail;
                Ok(reply::page_with(StatusCode::UNPROCESSABLE_ENTITY, &page))
            }
            problem => Err(problem.into()),
        },
    }
}

/// The list, which refreshes itself: a download leaves the page as it was.
pub(super) async fn live(
    visitor: Visitor,
    Path((account, user)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let user = user::get(&visitor.op, &account, &user).await?;
    Ok(reply::page(&read(&visitor, &user.account, &user.id).await?))
}

/// What was issued for a user, newest first.
pub(super) async fn read(visitor: &Visitor, account: &str, user: &str) -> Result<IssuanceTable, PageError> {
    let now = visitor.op.now();
    let issued = all(visitor, account, user).await?;
    Ok(IssuanceTable {
        at: now,
        account_id: account.to_owned(),
        user_id: user.to_owned(),
        more: issued.len() > SHOWN,
        rows: issued
            .into_iter()
            .rev()
            .take(SHOWN)
            .map(|issuance| view::issuance_row(issuance, now))
            .collect(),
        may_revoke: visitor.may(Action::IssuanceRevoke),
    })
}

/// Oldest first, as far as pages are read.
async fn all(visitor: &Visitor, account: &str, user: &str) -> Result<Vec<api::Issuance>, PageError> {
    let mut issued = Vec::new();
    let mut page = PageParams {
        limit: Some(100),
        cursor: String::new(),
    };
    for _ in 0..PAGES_READ_MAX {
        let read = issuance::list(&visitor.op, account, user, page.clone()).await?;
        issued.extend(read.items);
        match read.next_cursor {
            Some(cursor) => page.cursor = cursor,
            None => break,
        }
    }
    Ok(issued)
}

/// Asks whether to revoke.
pub(super) async fn ask_revoke(
    visitor: Visitor,
    Path((account, user, issuance)): Path<(String, String, String)>,
) -> Result<Response, PageError> {
    let user = user::get(&visitor.op, &account, &user).await?;
    visitor.must(Action::IssuanceRevoke)?;
    let issued = all(&visitor, &user.account, &user.id).await?;
    let issued = issued
        .into_iter()
        .find(|issued| issued.id == issuance)
        .ok_or(ProblemCode::NotFound)?;
    let page = format!("/accounts/{}/users/{}", user.account, user.id);
    Ok(reply::page(&ConfirmPage {
        shell: visitor.shell(),
        question: format!("Revoke credentials of {}?", user.name),
        consequences: vec![
            format!("The key is {}.", issued.public_key),
            "Connections that use it are cut off in about a second, and it is refused from then on."
                .to_owned(),
            "Other credentials of the user stay good. This cannot be taken back; new ones can be issued."
                .to_owned(),
        ],
        action: format!("{page}/issuances/{}/revoke", issued.id),
        button: "Revoke the credentials".to_owned(),
        danger: true,
        back: page,
        reason: None,
    }))
}

/// Revokes.
pub(super) async fn revoke(
    visitor: Visitor,
    Path((account, user, issuance)): Path<(String, String, String)>,
    MarkedForm(_): MarkedForm<Button>,
) -> Result<Response, PageError> {
    let user = user::get(&visitor.op, &account, &user).await?;
    issuance::revoke(&visitor.op, &user.account, &user.id, &issuance, Wait::Stored).await?;
    Ok(reply::see_other(&format!(
        "/accounts/{}/users/{}?done=revoked",
        user.account, user.id
    )))
}
