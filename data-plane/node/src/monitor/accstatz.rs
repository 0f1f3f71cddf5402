//! `/accstatz`: what the accounts have open and have moved.

use std::time::SystemTime;

use serde::Serialize;

use super::query::{InvalidQuery, Query};
use super::written::time;
use crate::broker::{AccountNumbers, Broker};

/// The page.
#[derive(Debug, Serialize)]
pub(crate) struct Accstatz {
    server_id: String,
    now: String,
    account_statz: Vec<AccountNumbers>,
}

impl Accstatz {
    /// Accounts that somebody is connected to, or all; or the one that is named.
    pub(crate) fn now(broker: &Broker, query: &Query) -> Result<Self, InvalidQuery> {
        let (unused, named) = (query.switch("unused")?, query.text("acc"));
        let mut account_statz = Vec::new();
        broker.accounts_visit(&mut |view| {
            let is_wanted = named.is_none_or(|named| named == view.account);
            if is_wanted && (unused || view.live.connections > 0) {
                account_statz.push(AccountNumbers::of(&view));
            }
        });
        Ok(Self::of(broker, account_statz))
    }

    /// These.
    pub(super) fn of(broker: &Broker, mut account_statz: Vec<AccountNumbers>) -> Self {
        account_statz.sort_unstable_by(|a, b| a.acc.cmp(&b.acc));
        Self {
            server_id: broker.settings().server_id.clone(),
            now: time(SystemTime::now()),
            account_statz,
        }
    }
}
