//! What the console's first page shows: all accounts of an organization with
//! what is live in them, in a few queries however many there are.

use std::collections::HashMap;

use time::Duration;
use tollway_api::{self as api, ProblemCode};
use tollway_authz::{Action, Scope};
use tollway_model::{AccountId, PageRequest};

use super::{AppError, OpContext};

/// An organization with its accounts.
#[derive(Debug)]
pub struct OrganizationOverview {
    /// The organization.
    pub organization: api::Organization,
    /// The first accounts, in the order of their creation; as many as a page holds.
    pub accounts: Vec<AccountOverview>,
    /// Whether there are more accounts.
    pub more: bool,
}

/// An account with what is live in it.
#[derive(Debug)]
pub struct AccountOverview {
    /// The account.
    pub account: api::Account,
    /// How far its newest document has travelled; `None` when it has none yet.
    pub rollout: Option<api::AccountRollout>,
    /// Hours of the last day in which something was counted, oldest first.
    pub hours: Vec<api::UsageHour>,
}

/// Reads an organization and its accounts.
pub async fn organization(op: &OpContext, organization: &str) -> Result<OrganizationOverview, AppError> {
    let scope = op.authorize_in(Action::AccountList, organization)?;
    op.authorize_in(Action::AccountRolloutRead, organization)?;
    op.authorize_in(Action::UsageRead, organization)?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let organization = tx.organization_get().await?.ok_or(ProblemCode::NotFound)?;
    let accounts = tx.account_list(&PageRequest::first()).await?;
    let ids: Vec<AccountId> = accounts.items.iter().map(|account| account.id).collect();
    let mut rollouts: HashMap<_, _> = tx.account_rollout_list(&ids).await?.into_iter().collect();
    let mut hours: HashMap<AccountId, Vec<api::UsageHour>> = HashMap::new();
    // A little more than a day: the page keeps the 24 hours that it draws.
    let (from, to) = (op.now() - Duration::hours(25), op.now() + Duration::hours(1));
    for (account, hour) in tx.usage_hours_by_account(&ids, from, to).await? {
        hours.entry(account).or_default().push(hour.into());
    }
    Ok(OrganizationOverview {
        organization: organization.into(),
        more: accounts.next_cursor.is_some(),
        accounts: accounts
            .items
            .into_iter()
            .map(|account| AccountOverview {
                rollout: rollouts.remove(&account.id).map(api::AccountRollout::from),
                hours: hours.remove(&account.id).unwrap_or_default(),
                account: account.into(),
            })
            .collect(),
    })
}

/// Where the account's clients connect; empty while no node has said so. Tenants may know this of their
/// cell, and nothing else.
pub async fn client_urls(op: &OpContext, account: &str) -> Result<Vec<String>, AppError> {
    let (scope, account) = op.authorize_account(Action::AccountRead, account).await?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx.account_get(&account).await?.ok_or(ProblemCode::NotFound)?;
    drop(tx);
    let Some(cell) = account.cell else {
        return Ok(Vec::new());
    };
    let mut tx = op
        .app()
        .datastore()
        .begin_system(&Scope::system("client_urls"))
        .await?;
    let nodes = tx
        .cell_summary(&cell.id.into())
        .await?
        .map(|cell| cell.nodes)
        .unwrap_or_default();
    Ok(nodes
        .into_iter()
        .map(|node| node.client_url)
        .filter(|url| !url.is_empty())
        .collect())
}
