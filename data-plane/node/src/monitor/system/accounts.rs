//! The accounts that a node serves: which there are, what one is, and their numbers.

use std::time::SystemTime;

use serde::Serialize;

use super::super::written::time;
use super::options::Options;
use crate::broker::{AccountNumbers, AccountView, Broker, SystemQuestion};

/// Which accounts there are, or what one of them is.
#[derive(Debug, Serialize)]
pub(super) struct Accountz {
    server_id: String,
    now: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_detail: Option<AccountInfo>,
}

/// What an account is.
#[derive(Debug, Serialize)]
pub(super) struct AccountInfo {
    account_name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_system: bool,
    jetstream_enabled: bool,
    leafnode_connections: u64,
    client_connections: u32,
    subscriptions: u32,
    name_tag: String,
}

/// The numbers of accounts.
#[derive(Debug, Serialize)]
pub(super) struct AccountStatz {
    server_id: String,
    now: String,
    account_statz: Vec<AccountNumbers>,
}

/// There is no such account.
#[derive(Debug, thiserror::Error)]
#[error("Account {0} does not exist")]
pub(super) struct NoSuchAccount(String);

impl Accountz {
    pub(super) fn now(broker: &Broker, options: &Options) -> Result<Self, NoSuchAccount> {
        let mut page = Self {
            server_id: broker.settings().server_id.clone(),
            now: time(SystemTime::now()),
            system_account: broker.logins().1,
            accounts: None,
            account_detail: None,
        };
        match options.text("account") {
            Some(label) => page.account_detail = Some(AccountInfo::of(broker, label)?),
            None => {
                let mut accounts = Vec::new();
                broker.accounts_visit(&mut |account| accounts.push(account.account));
                accounts.sort_unstable();
                page.accounts = Some(accounts);
            }
        }
        Ok(page)
    }
}

impl AccountInfo {
    pub(super) fn of(broker: &Broker, label: &str) -> Result<Self, NoSuchAccount> {
        let found = broker.account_called(label);
        let AccountView {
            account, name, live, ..
        } = found.ok_or_else(|| NoSuchAccount(label.chars().take(256).collect()))?;
        Ok(Self {
            is_system: broker.logins().1.as_deref() == Some(&account),
            account_name: account,
            jetstream_enabled: false,
            leafnode_connections: 0,
            client_connections: live.connections,
            subscriptions: live.subscriptions,
            name_tag: name,
        })
    }
}

impl AccountStatz {
    fn of(broker: &Broker, account_statz: Vec<AccountNumbers>) -> Self {
        Self {
            server_id: broker.settings().server_id.clone(),
            now: time(SystemTime::now()),
            account_statz,
        }
    }

    /// Of the asker's account, or of those that the operator asks about.
    pub(super) fn asked(broker: &Broker, question: &SystemQuestion, options: &Options) -> Self {
        if !question.is_of_operator() {
            let own = broker.account_numbers(&question.account());
            return Self::of(broker, own.into_iter().collect());
        }
        let wanted = options.texts("accounts");
        let mut keys = Vec::new();
        broker.accounts_visit(&mut |account| {
            if wanted.is_empty() || wanted.contains(&account.account.as_str()) {
                keys.push(account.key);
            }
        });
        let numbers = keys.iter().filter_map(|key| broker.account_numbers(key));
        let unused = options.says("include_unused");
        let in_use = numbers.filter(|numbers| unused || numbers.is_in_use());
        Self::of(broker, in_use.collect())
    }

    /// Of one account; nothing when nothing of it is in use.
    pub(super) fn one(broker: &Broker, label: &str) -> Option<Self> {
        let account = broker.account_called(label)?;
        let numbers = broker.account_numbers(&account.key)?;
        numbers.is_in_use().then(|| Self::of(broker, vec![numbers]))
    }
}
