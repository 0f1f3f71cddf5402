//! The first page: accounts by organization, and the fleet for those who run it.

use axum::{extract::Query, response::Response};
use serde::Deserialize;
use time::OffsetDateTime;
use tollway_authz::Action;
use tollway_web::page::{AccountState, AccountsLive, AccountsPage, OrganizationGroup};

use super::{PageError, Visitor, notice::NoticeQuery, reply, view};
use crate::app::{
    PageParams, cell, organization,
    overview::{self, AccountOverview, OrganizationOverview},
};

/// Organizations on one page: each is read for itself.
const ORGANIZATIONS_SHOWN: u32 = 20;
/// Cells on one page.
const CELLS_SHOWN: u32 = 50;

/// Which organizations to show: one, or a page of all.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    organization: String,
    #[serde(default)]
    cursor: String,
}

/// The page.
pub(super) async fn show(
    visitor: Visitor,
    Query(notice): Query<NoticeQuery>,
    Query(query): Query<ListQuery>,
) -> Result<Response, PageError> {
    let live = read(&visitor, query).await?;
    let shell = visitor.shell().with_notice(notice.sentence());
    Ok(reply::page(&AccountsPage {
        shell,
        may_create: live.may_create,
        live,
    }))
}

/// The part that refreshes itself.
pub(super) async fn live(visitor: Visitor, Query(query): Query<ListQuery>) -> Result<Response, PageError> {
    Ok(reply::page(&read(&visitor, query).await?))
}

/// Where `/accounts` alone leads: the list is the first page.
pub(super) async fn to_list() -> Response {
    reply::see_other("/")
}

async fn read(visitor: &Visitor, query: ListQuery) -> Result<AccountsLive, PageError> {
    let op = &visitor.op;
    let (ids, next_cursor) = match query.organization.as_str() {
        "" => {
            let page = PageParams {
                limit: Some(ORGANIZATIONS_SHOWN),
                cursor: query.cursor.clone(),
            };
            let listed = organization::list(op, page).await?;
            let ids = listed.items.into_iter().map(|organization| organization.id);
            (ids.collect(), listed.next_cursor.unwrap_or_default())
        }
        one => (vec![one.to_owned()], String::new()),
    };
    let mut organizations = Vec::with_capacity(ids.len());
    for id in ids {
        organizations.push(group(overview::organization(op, &id).await?, op.now()));
    }
    // The fleet is about all of them.
    let cells = if query.organization.is_empty() && visitor.may(Action::CellList) {
        let page = PageParams {
            limit: Some(CELLS_SHOWN),
            cursor: String::new(),
        };
        cell::list(op, page)
            .await?
            .items
            .into_iter()
            .map(view::cell_row)
            .collect()
    } else {
        Vec::new()
    };
    Ok(AccountsLive {
        at: op.now(),
        only: query.organization,
        organizations,
        cells,
        cursor: query.cursor,
        next_cursor,
        platform: visitor.is_platform(),
        may_create: visitor.may(Action::AccountCreate),
    })
}

fn group(overview: OrganizationOverview, now: OffsetDateTime) -> OrganizationGroup {
    let mut accounts: Vec<_> = overview
        .accounts
        .into_iter()
        .map(|account| row(account, now))
        .collect();
    accounts.sort_by(|one, other| one.name.cmp(&other.name));
    OrganizationGroup {
        id: overview.organization.id,
        name: overview.organization.name,
        display_name: overview.organization.display_name,
        accounts,
        more: overview.more,
    }
}

fn row(overview: AccountOverview, now: OffsetDateTime) -> tollway_web::page::AccountRow {
    let state = match &overview.rollout {
        Some(rollout) => view::account_state(&overview.account, rollout),
        None => AccountState::Applying,
    };
    let day = view::usage_day(&overview.hours, now);
    view::account_row(overview.account, state, day)
}
