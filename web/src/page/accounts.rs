//! The first page: all accounts that the session may see.

use askama::Template;
use time::OffsetDateTime;

use super::{AccountState, Shell};
use crate::chart::Sparkline;
use crate::format::{Bytes, Clock, Compact, Count, Moment};
use crate::usage::{Usage, UsageDay};

/// Accounts by organization, with what is live.
#[derive(Clone, Debug, Template)]
#[template(path = "accounts.html")]
pub struct AccountsPage {
    /// Who looks at it.
    pub shell: Shell,
    /// Whether there is a button that makes an account.
    pub may_create: bool,
    /// The part that refreshes itself.
    pub live: AccountsLive,
}

/// The part of [`AccountsPage`] that changes by itself.
#[derive(Clone, Debug, Template)]
#[template(path = "accounts_live.html")]
pub struct AccountsLive {
    /// When the numbers were read.
    pub at: OffsetDateTime,
    /// Where this page of organizations begins; empty on the first one.
    pub cursor: String,
    /// Where the next one begins; empty on the last one.
    pub next_cursor: String,
    /// Id of the organization that alone is shown; empty when it is all of them.
    pub only: String,
    /// Organizations with their accounts.
    pub organizations: Vec<OrganizationGroup>,
    /// The fleet, for those who run the platform; empty for others.
    pub cells: Vec<CellRow>,
    /// Whether the session belongs to the platform and sees all organizations.
    pub platform: bool,
    /// Whether there is a button that makes an account.
    pub may_create: bool,
}

impl AccountsPage {
    /// The one organization that is shown, when it is one alone.
    fn only(&self) -> Option<&OrganizationGroup> {
        match self.live.only.is_empty() {
            true => None,
            false => self.live.organizations.first(),
        }
    }
}

impl AccountsLive {
    fn accounts(&self) -> impl Iterator<Item = &AccountRow> {
        self.organizations
            .iter()
            .flat_map(|organization| &organization.accounts)
    }

    fn connections(&self) -> u64 {
        self.accounts()
            .map(|account| account.connections)
            .fold(0, u64::saturating_add)
    }

    fn day(&self) -> UsageDay {
        let mut day = UsageDay::new(self.at, []);
        for account in self.accounts() {
            day.add(&account.day);
        }
        day
    }

    fn running(&self) -> Usage {
        *self.day().running()
    }

    fn sparkline(&self) -> Sparkline {
        Sparkline::messages(&self.day())
    }

    /// How many accounts are not as they should be, and how to say it.
    fn attention(&self) -> String {
        let count = |label| {
            self.accounts()
                .filter(|account| account.state.label() == label)
                .count()
        };
        let parts: Vec<String> = ["refused", "suspended", "applying"]
            .into_iter()
            .filter_map(|label| match count(label) {
                0 => None,
                number => Some(format!("{number} {label}")),
            })
            .collect();
        if parts.is_empty() {
            "all serving".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

/// An organization with its accounts.
#[derive(Clone, Debug)]
pub struct OrganizationGroup {
    /// `org_...`
    pub id: String,
    /// The name in URLs and in the API.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// Its accounts, by name.
    pub accounts: Vec<AccountRow>,
    /// Whether it has more than the page shows.
    pub more: bool,
}

/// An account as one line.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// `acc_...`
    pub id: String,
    /// Its name.
    pub name: String,
    /// The cell that serves it.
    pub cell: String,
    /// Where it stands.
    pub state: AccountState,
    /// Connections open now, as last reported.
    pub connections: u64,
    /// Its last 24 hours. Must end with the hour of [`AccountsLive::at`].
    pub day: UsageDay,
}

impl AccountRow {
    fn sparkline(&self) -> Sparkline {
        Sparkline::messages(&self.day)
    }
}

/// A cell as one line.
#[derive(Clone, Debug)]
pub struct CellRow {
    /// Its name.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<CellNode>,
    /// How many accounts it serves.
    pub accounts: u64,
    /// How many documents it refused.
    pub refused: u64,
    /// The revision it should hold.
    pub revision: u64,
    /// The revision it acknowledged.
    pub applied_revision: u64,
}

/// A node of a cell.
#[derive(Clone, Debug)]
pub struct CellNode {
    /// Its name.
    pub name: String,
    /// Where clients connect; empty until it said so.
    pub client_url: String,
    /// Whether its stream to the control plane is open.
    pub connected: bool,
}
