//! One account: what it is, what it does now, who may use it.

use askama::Template;
use time::OffsetDateTime;

use super::{AccountState, Rollout, Shell};
use crate::chart::{self, HourChart};
use crate::form::NewUserForm;
use crate::format::{ByteLimit, Bytes, Clock, Count, Limit, Moment};
use crate::usage::UsageDay;

/// An account in full.
#[derive(Clone, Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// Who looks at it.
    pub shell: Shell,
    /// What does not change by itself.
    pub account: AccountHead,
    /// The part that refreshes itself.
    pub live: AccountLive,
    /// Its users, by name.
    pub users: Vec<UserRow>,
    /// Whether there are more users than the page shows.
    pub more_users: bool,
    /// The form for another user; absent for those who may not.
    pub new_user: Option<NewUserForm>,
    /// Whether the account may be suspended and resumed by the session.
    pub may_suspend: bool,
    /// Whether the account was suspended, be it that its cell does not know yet.
    pub suspended: bool,
}

/// What an account is.
#[derive(Clone, Debug)]
pub struct AccountHead {
    /// `acc_...`
    pub id: String,
    /// Its name.
    pub name: String,
    /// Display name of its organization.
    pub organization: String,
    /// `org_...`
    pub organization_id: String,
    /// `A...`
    pub public_key: String,
    /// Open connections at most; -1 is unlimited.
    pub connections_max: i64,
    /// Subscriptions of all connections at most; -1 is unlimited.
    pub subscriptions_max: i64,
    /// Largest message in bytes; -1 is unlimited.
    pub payload_bytes_max: i64,
    /// Version of its newest document.
    pub version: u64,
    /// When it was made.
    pub created: Moment,
}

/// The part of [`AccountPage`] that changes by itself.
#[derive(Clone, Debug, Template)]
#[template(path = "account_live.html")]
pub struct AccountLive {
    /// When the numbers were read.
    pub at: OffsetDateTime,
    /// `acc_...`
    pub id: String,
    /// Where it stands.
    pub state: AccountState,
    /// How far its newest document has travelled.
    pub rollout: Rollout,
    /// Connections open now, as last reported.
    pub connections: u64,
    /// Open connections at most; -1 is unlimited.
    pub connections_max: i64,
    /// The last 24 hours.
    pub day: UsageDay,
}

impl AccountLive {
    fn chart(&self) -> HourChart {
        HourChart::new(&self.day)
    }
}

/// A user as one line.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// `usr_...`
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it may publish to, in words.
    pub publish: String,
    /// What it may subscribe with, in words.
    pub subscribe: String,
    /// When it was made.
    pub created: Moment,
}
