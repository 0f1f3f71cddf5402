//! One account: what it does now, and who may use it.

use axum::{
    extract::{Path, Query},
    response::Response,
};
use tollway_api::{self as api, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_web::{
    form::NewUserForm,
    page::{AccountLive, AccountPage, AccountState, Rollout},
};

use super::{PageError, Visitor, notice::NoticeQuery, reply, suspension, view};
use crate::app::{PageParams, account, organization, usage, user};

/// Users on the page; the API lists them all.
const USERS_SHOWN: u32 = 100;

/// The page.
pub(super) async fn show(
    visitor: Visitor,
    Path(account): Path<String>,
    Query(notice): Query<NoticeQuery>,
) -> Result<Response, PageError> {
    let mut page = read(&visitor, &account, NewUserForm::default()).await?;
    page.shell = page.shell.with_notice(notice.sentence());
    Ok(reply::page(&page))
}

/// The part that refreshes itself.
pub(super) async fn live(visitor: Visitor, Path(account): Path<String>) -> Result<Response, PageError> {
    let account = account::get(&visitor.op, &account).await?;
    Ok(reply::page(&read_live(&visitor, &account).await?))
}

/// Where the list of users alone leads: it is on the account's page.
pub(super) async fn to_account(visitor: Visitor, Path(account): Path<String>) -> Result<Response, PageError> {
    let account = account::get(&visitor.op, &account).await?;
    Ok(reply::see_other(&format!("/accounts/{}", account.id)))
}

/// The page with a form that may have been refused.
pub(super) async fn read(
    visitor: &Visitor,
    account: &str,
    new_user: NewUserForm,
) -> Result<AccountPage, PageError> {
    let op = &visitor.op;
    let account = account::get(op, account).await?;
    let live = read_live(visitor, &account).await?;
    let organization = organization::get(op, &account.organization).await?;
    let page = PageParams {
        limit: Some(USERS_SHOWN),
        cursor: String::new(),
    };
    let users = user::list(op, &account.id, page).await?;
    let more_users = users.next_cursor.is_some();
    let mut users: Vec<_> = users
        .items
        .into_iter()
        .map(|user| view::user_row(user, op.now()))
        .collect();
    users.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(AccountPage {
        shell: visitor.shell(),
        account: view::account_head(&account, organization, op.now()),
        live,
        users,
        more_users,
        new_user: visitor.may(Action::UserCreate).then_some(new_user),
        may_suspend: visitor.may(Action::AccountSuspend) && suspension::is_changeable(visitor, &account),
        suspended: account.suspended,
    })
}

async fn read_live(visitor: &Visitor, account: &api::Account) -> Result<AccountLive, PageError> {
    let op = &visitor.op;
    let usage = usage::read(op, &account.id, None, None).await?;
    let (state, rollout) = match account::rollout(op, &account.id).await {
        Ok(rollout) => (view::account_state(account, &rollout), view::rollout(rollout)),
        Err(error) => match Problem::from(error) {
            // No document was published yet.
            problem if problem.code == ProblemCode::NotFound => (
                AccountState::Applying,
                Rollout {
                    cell: account.cell.clone(),
                    revision: 0,
                    applied_revision: 0,
                },
            ),
            problem => return Err(problem.into()),
        },
    };
    Ok(AccountLive {
        at: op.now(),
        id: account.id.clone(),
        state,
        rollout,
        connections: u64::from(account.connections),
        connections_max: account.limits.connections,
        day: view::usage_day(&usage.hours, op.now()),
    })
}
