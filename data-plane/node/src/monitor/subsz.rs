//! `/subsz`: the subscriptions there are, in the fields of nats-server.

use std::ops::ControlFlow;
use std::time::SystemTime;

use serde::Serialize;
use tollway_subject::filter_matches;

use super::LISTED_BYTES_MAX;
use super::query::{InvalidQuery, Query, shown};
use super::written::time;
use crate::broker::{Broker, EndedSubscription, SubscriptionView};

/// The page. What a stock server tells of its cache has no counterpart here and is left out.
#[derive(Debug, Serialize)]
pub(super) struct Subsz {
    server_id: String,
    now: String,
    num_subscriptions: u64,
    total: usize,
    offset: usize,
    limit: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<Subscription>,
}

/// One subscription.
#[derive(Debug, Serialize)]
pub(super) struct Subscription {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_tag: Option<String>,
    subject: String,
    #[serde(rename = "qgroup", skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    sid: String,
    msgs: u64,
    cid: u64,
}

impl Subscription {
    fn of(view: SubscriptionView) -> Self {
        Self {
            account: Some(view.account),
            account_tag: Some(view.account_name),
            subject: view.filter,
            queue: view.queue,
            sid: view.sid,
            msgs: view.delivered,
            cid: view.connection,
        }
    }

    /// Of a connection that ended.
    pub(super) fn of_ended(ended: EndedSubscription, connection: u64) -> Self {
        Self {
            account: None,
            account_tag: None,
            subject: ended.filter,
            queue: ended.queue,
            sid: ended.sid,
            msgs: ended.delivered,
            cid: connection,
        }
    }

    /// Under a connection, whose account is told there.
    pub(super) fn of_connection(view: SubscriptionView) -> Self {
        Self {
            account: None,
            account_tag: None,
            ..Self::of(view)
        }
    }
}

impl Subsz {
    pub(super) fn now(broker: &Broker, query: &Query) -> Result<Self, InvalidQuery> {
        let (offset, limit) = (query.page_offset()?, query.page_limit()?);
        let account = query.text("acc");
        let test = query.text("test");
        if let Some(subject) = test
            && !tollway_subject::is_literal_subject(subject.as_bytes())
        {
            let text = format!(
                "invalid test subject, must be valid publish subject: {}",
                shown(subject)
            );
            return Err(InvalidQuery(text));
        }
        let mut subscriptions_list = Vec::new();
        let mut total = 0;
        if query.switch("subs")? {
            let of_account = |found: &str| account.is_none_or(|account| account == found);
            let mut listed = 0;
            broker.subscriptions_visit(&of_account, &mut |seen| {
                let matches = |subject: &str| filter_matches(seen.filter().as_filter(), subject.as_bytes());
                if test.is_none_or(matches) {
                    if total >= offset && subscriptions_list.len() < limit && listed < LISTED_BYTES_MAX {
                        let view = seen.view();
                        listed += view.bytes();
                        subscriptions_list.push(Subscription::of(view));
                    }
                    total += 1;
                }
                ControlFlow::Continue(())
            });
        }
        Ok(Self {
            server_id: broker.settings().server_id.clone(),
            now: time(SystemTime::now()),
            num_subscriptions: match account {
                None => broker.stats().subscriptions,
                Some(account) => of_account(broker, account),
            },
            total,
            offset,
            limit,
            subscriptions_list,
        })
    }
}

fn of_account(broker: &Broker, account: &str) -> u64 {
    let mut count = 0;
    broker.accounts_visit(&mut |view| {
        if view.account == account {
            count += u64::from(view.live.subscriptions);
        }
    });
    count
}
