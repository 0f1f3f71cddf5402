//! Making an account.

use axum::{extract::Query, response::Response};
use http::StatusCode;
use serde::Deserialize;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_web::{
    form::{Choice, Field, NewAccountForm},
    page::NewAccountPage,
};

use super::{
    PageError, Visitor,
    form::{Marked, MarkedForm},
    reply,
};
use crate::app::{PageParams, Wait, account, cell, organization};

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct NewAccount {
    #[serde(default)]
    csrf: String,
    organization: String,
    name: String,
    #[serde(default)]
    cell: String,
}

impl Marked for NewAccount {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// For which organization the form is opened; empty when that is chosen in it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct For {
    #[serde(default)]
    organization: String,
}

/// The empty form.
pub(super) async fn show(
    visitor: Visitor,
    Query(For { organization }): Query<For>,
) -> Result<Response, PageError> {
    visitor.must(Action::AccountCreate)?;
    let form = NewAccountForm {
        organization: Field::with(organization),
        ..NewAccountForm::default()
    };
    Ok(reply::page(&page(&visitor, form).await?))
}

/// Makes the account, or gives the form back with what is wrong about it.
pub(super) async fn create(
    visitor: Visitor,
    MarkedForm(form): MarkedForm<NewAccount>,
) -> Result<Response, PageError> {
    let name = form.name.trim();
    let new = api::NewAccount {
        name: name.to_owned(),
        cell: Some(form.cell.clone()),
        limits: None,
    };
    let problem = match account::create(&visitor.op, &form.organization, new, Wait::Stored).await {
        Ok(account) => {
            return Ok(reply::see_other(&format!(
                "/accounts/{}?done=account-created",
                account.id
            )));
        }
        Err(error) => Problem::from(error),
    };
    let mut again = NewAccountForm {
        organization: Field::with(form.organization),
        name: Field::with(name),
        cell: Field::with(form.cell),
        error: String::new(),
    };
    match problem.code {
        ProblemCode::NameTaken => again.name.error = problem.detail,
        ProblemCode::ValidationFailed => {
            for error in problem.errors {
                match error.field.as_str() {
                    "name" => again.name.error = error.detail,
                    "cell" => again.cell.error = error.detail,
                    _ => again.error = format!("{}: {}", error.field, error.detail),
                }
            }
        }
        ProblemCode::NoCell => again.error = format!("{}. {}", problem.title, ProblemCode::NoCell.remedy()),
        _ => return Err(problem.into()),
    }
    let page = page(&visitor, again).await?;
    Ok(reply::page_with(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

async fn page(visitor: &Visitor, form: NewAccountForm) -> Result<NewAccountPage, PageError> {
    let all = PageParams {
        limit: Some(100),
        cursor: String::new(),
    };
    let organizations = organization::list(&visitor.op, all.clone()).await?;
    let cells = if visitor.may(Action::CellList) {
        cell::list(&visitor.op, all).await?.items
    } else {
        Vec::new()
    };
    let mut organizations = organizations.items;
    let chosen = &form.organization.value;
    // The list has an end; what was chosen on another page must be in it all the same.
    if !chosen.is_empty()
        && !organizations
            .iter()
            .any(|organization| organization.id == *chosen)
    {
        organizations.push(organization::get(&visitor.op, chosen).await?);
    }
    Ok(NewAccountPage {
        shell: visitor.shell(),
        organizations: organizations
            .into_iter()
            .map(|organization| Choice {
                value: organization.id,
                label: organization.display_name,
            })
            .collect(),
        cells: cells
            .into_iter()
            .map(|cell| Choice {
                value: cell.name.clone(),
                label: cell.name,
            })
            .collect(),
        form,
    })
}
