//! Users: made on the account's page, shown on their own.

use axum::{
    extract::{Path, Query},
    response::Response,
};
use http::StatusCode;
use serde::Deserialize;
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_web::{
    form::{Field, NewUserForm, subjects},
    format::Moment,
    page::{ConfirmPage, UserPage},
};

use super::{
    PageError, Visitor, account as account_page,
    form::{Button, Marked, MarkedForm},
    issuance,
    notice::NoticeQuery,
    reply,
};
use crate::app::{Wait, account, overview, user};

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct NewUser {
    #[serde(default)]
    csrf: String,
    name: String,
    #[serde(default)]
    publish_allow: String,
    #[serde(default)]
    subscribe_allow: String,
    /// A box that is not ticked is not sent.
    #[serde(default)]
    allow_responses: Option<String>,
}

impl Marked for NewUser {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// Makes the user, or gives the form back with what is wrong about it.
pub(super) async fn create(
    visitor: Visitor,
    Path(account): Path<String>,
    MarkedForm(form): MarkedForm<NewUser>,
) -> Result<Response, PageError> {
    let permissions = api::Permissions {
        publish_allow: subjects(&form.publish_allow),
        subscribe_allow: subjects(&form.subscribe_allow),
        allow_responses: form.allow_responses.is_some(),
        ..api::Permissions::default()
    };
    let new = api::NewUser {
        name: form.name.trim().to_owned(),
        permissions: Some(permissions.clone()),
    };
    let problem = match user::create(&visitor.op, &account, new).await {
        Ok(user) => {
            return Ok(reply::see_other(&format!(
                "/accounts/{}/users/{}?done=user-created",
                user.account, user.id
            )));
        }
        Err(error) => Problem::from(error),
    };
    let form = refused_form(form, &permissions, problem)?;
    let page = account_page::read(&visitor, &account, form).await?;
    Ok(reply::page_with(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// The form with each reason beside the field it is about. A problem that is
/// not about the form stays a problem.
fn refused_form(
    form: NewUser,
    permissions: &api::Permissions,
    problem: Problem,
) -> Result<NewUserForm, PageError> {
    let mut again = NewUserForm {
        name: Field::with(form.name),
        publish_allow: Field::with(form.publish_allow),
        subscribe_allow: Field::with(form.subscribe_allow),
        allow_responses: form.allow_responses.is_some(),
        error: String::new(),
    };
    match problem.code {
        ProblemCode::NameTaken => again.name.error = problem.detail,
        ProblemCode::ValidationFailed => {
            for error in problem.errors {
                let (field, entry) = match error.field.as_str() {
                    "name" => (&mut again.name, None),
                    path if path.starts_with("permissions.publish_allow") => (
                        &mut again.publish_allow,
                        entry_at(&permissions.publish_allow, path),
                    ),
                    path if path.starts_with("permissions.subscribe_allow") => (
                        &mut again.subscribe_allow,
                        entry_at(&permissions.subscribe_allow, path),
                    ),
                    // All of them together.
                    "permissions" => {
                        again.error = error.detail;
                        continue;
                    }
                    path => {
                        again.error = format!("{path}: {}", error.detail);
                        continue;
                    }
                };
                if !field.error.is_empty() {
                    field.error.push_str("; ");
                }
                field.error.push_str(&match entry {
                    Some(entry) => format!("{entry}: {}", error.detail),
                    None => error.detail,
                });
            }
        }
        _ => return Err(problem.into()),
    }
    Ok(again)
}

/// What somebody typed at the place that `path` names, such as `...[2]`.
fn entry_at<'a>(entries: &'a [String], path: &str) -> Option<&'a str> {
    let index: usize = path.rsplit_once('[')?.1.strip_suffix(']')?.parse().ok()?;
    entries.get(index).map(String::as_str)
}

/// The page.
pub(super) async fn show(
    visitor: Visitor,
    Path((account, user)): Path<(String, String)>,
    Query(notice): Query<NoticeQuery>,
) -> Result<Response, PageError> {
    let mut page = read(&visitor, &account, &user).await?;
    page.shell = page.shell.with_notice(notice.sentence());
    Ok(reply::page(&page))
}

/// Where the address of a download leads when it is opened by itself.
pub(super) async fn to_user(
    visitor: Visitor,
    Path((account, user)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let user = user::get(&visitor.op, &account, &user).await?;
    Ok(reply::see_other(&format!(
        "/accounts/{}/users/{}",
        user.account, user.id
    )))
}

/// The page, without any word about the step before.
pub(super) async fn read(visitor: &Visitor, account: &str, user: &str) -> Result<UserPage, PageError> {
    let op = &visitor.op;
    let account = account::get(op, account).await?;
    let user = user::get(op, &account.id, user).await?;
    let issuances = issuance::read(visitor, &account.id, &user.id).await?;
    let permissions = user.permissions;
    Ok(UserPage {
        shell: visitor.shell(),
        servers: overview::client_urls(op, &account.id).await?,
        account_id: account.id,
        account_name: account.name,
        id: user.id,
        name: user.name,
        publish_allow: permissions.publish_allow,
        publish_deny: permissions.publish_deny,
        subscribe_allow: permissions.subscribe_allow,
        subscribe_deny: permissions.subscribe_deny,
        allow_responses: permissions.allow_responses,
        created: Moment {
            at: user.created_at,
            now: op.now(),
        },
        error: String::new(),
        issuances,
        may_issue: visitor.may(Action::IssuanceCreate),
        may_delete: visitor.may(Action::UserDelete),
    })
}

/// Asks whether to delete.
pub(super) async fn ask_delete(
    visitor: Visitor,
    Path((account, user)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let user = user::get(&visitor.op, &account, &user).await?;
    visitor.must(Action::UserDelete)?;
    let page = format!("/accounts/{}/users/{}", user.account, user.id);
    Ok(reply::page(&ConfirmPage {
        shell: visitor.shell(),
        question: format!("Delete {}?", user.name),
        consequences: vec![
            "All credentials that were issued for it are revoked.".to_owned(),
            "Connections that use them are cut off, in about a second.".to_owned(),
            "This cannot be taken back; the name is free again.".to_owned(),
        ],
        action: format!("{page}/delete"),
        button: "Delete the user".to_owned(),
        danger: true,
        back: page,
        reason: None,
    }))
}

/// Deletes.
pub(super) async fn delete(
    visitor: Visitor,
    Path((account, user)): Path<(String, String)>,
    MarkedForm(_): MarkedForm<Button>,
) -> Result<Response, PageError> {
    let account = account::get(&visitor.op, &account).await?;
    user::delete(&visitor.op, &account.id, &user, Wait::Stored).await?;
    Ok(reply::see_other(&format!(
        "/accounts/{}?done=user-deleted",
        account.id
    )))
}

#[cfg(test)]
mod tests {
    use tollway_api::FieldError;

    use super::*;

    fn form() -> NewUser {
        NewUser {
            csrf: String::new(),
            name: "Check Out".into(),
            publish_allow: "orders.>\norders..placed".into(),
            subscribe_allow: String::new(),
            allow_responses: None,
        }
    }

    #[test]
    fn each_reason_stands_beside_its_field_and_names_the_entry() {
        let mut problem = Problem::new(ProblemCode::ValidationFailed);
        problem.errors = vec![
            FieldError::new("name", "invalid_name", "use letters"),
            FieldError::new(
                "permissions.publish_allow[1]",
                "invalid_filter",
                "has an empty token",
            ),
        ];
        let permissions = api::Permissions {
            publish_allow: subjects(&form().publish_allow),
            ..api::Permissions::default()
        };
        let again = refused_form(form(), &permissions, problem).unwrap();
        assert_eq!(again.name.error, "use letters");
        assert_eq!(again.name.value, "Check Out");
        assert_eq!(again.publish_allow.error, "orders..placed: has an empty token");
        assert!(again.error.is_empty());
    }

    #[test]
    fn what_is_not_about_the_form_stays_a_problem() {
        let refused = refused_form(
            form(),
            &api::Permissions::default(),
            Problem::new(ProblemCode::NotFound),
        );
        assert!(refused.is_err());
    }
}
