//! Cutting an account off, and letting it in again: asked twice.

use axum::{extract::Path, response::Response};
use serde::Deserialize;
use tollway_api::{self as api, ProblemCode};
use tollway_authz::Action;
use tollway_model::SuspendedBy;
use tollway_web::{form::Field, format::Count, page::ConfirmPage};

use super::{
    PageError, Visitor,
    form::{Button, Marked, MarkedForm},
    reply,
};
use crate::app::{Wait, account};

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct Suspend {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    reason: String,
}

impl Marked for Suspend {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// Whether a suspension of this account is the visitor's to change.
pub(super) fn is_changeable(visitor: &Visitor, account: &api::Account) -> bool {
    account.suspended_by != SuspendedBy::Platform.as_str() || visitor.may(Action::AccountPardon)
}

/// Nobody is asked for what is refused afterwards.
fn must_be_changeable(visitor: &Visitor, account: &api::Account) -> Result<(), PageError> {
    if is_changeable(visitor, account) {
        Ok(())
    } else {
        Err(ProblemCode::SuspendedByPlatform.into())
    }
}

/// Asks whether to suspend.
pub(super) async fn ask_suspend(
    visitor: Visitor,
    Path(account): Path<String>,
) -> Result<Response, PageError> {
    let account = account::get(&visitor.op, &account).await?;
    visitor.must(Action::AccountSuspend)?;
    must_be_changeable(&visitor, &account)?;
    Ok(reply::page(&ConfirmPage {
        shell: visitor.shell(),
        question: format!("Suspend {}?", account.name),
        consequences: vec![
            match account.connections {
                0 => "No client is connected now; those that try are refused.".to_owned(),
                1 => "Its one connection is cut off, in about a second.".to_owned(),
                many => format!(
                    "Its {} connections are cut off, in about a second.",
                    Count(many.into())
                ),
            },
            "Nothing is deleted: resume it, and clients get in again with the credentials they have."
                .to_owned(),
        ],
        action: format!("/accounts/{}/suspend", account.id),
        button: "Suspend the account".to_owned(),
        danger: true,
        back: format!("/accounts/{}", account.id),
        reason: Some(Field::default()),
    }))
}

/// Suspends.
pub(super) async fn suspend(
    visitor: Visitor,
    Path(account): Path<String>,
    MarkedForm(form): MarkedForm<Suspend>,
) -> Result<Response, PageError> {
    let suspend = api::SuspendAccount {
        reason: form.reason.trim().to_owned(),
    };
    let account = account::suspend(&visitor.op, &account, suspend, Wait::Stored).await?;
    Ok(reply::see_other(&format!(
        "/accounts/{}?done=suspended",
        account.id
    )))
}

/// Asks whether to resume.
pub(super) async fn ask_resume(visitor: Visitor, Path(account): Path<String>) -> Result<Response, PageError> {
    let account = account::get(&visitor.op, &account).await?;
    visitor.must(Action::AccountResume)?;
    must_be_changeable(&visitor, &account)?;
    Ok(reply::page(&ConfirmPage {
        shell: visitor.shell(),
        question: format!("Resume {}?", account.name),
        consequences: vec![
            "Clients get in again, with the credentials they have, in about a second.".to_owned(),
        ],
        action: format!("/accounts/{}/resume", account.id),
        button: "Resume the account".to_owned(),
        danger: false,
        back: format!("/accounts/{}", account.id),
        reason: None,
    }))
}

/// Resumes.
pub(super) async fn resume(
    visitor: Visitor,
    Path(account): Path<String>,
    MarkedForm(_): MarkedForm<Button>,
) -> Result<Response, PageError> {
    let account = account::resume(&visitor.op, &account, Wait::Stored).await?;
    Ok(reply::see_other(&format!(
        "/accounts/{}?done=resumed",
        account.id
    )))
}
