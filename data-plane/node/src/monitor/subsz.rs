//! `/subsz`: the subscriptions there are, in the fields of nats-server.

use std::ops::ControlFlow;
use std::time::SystemTime;

use serde::Serialize;
use tollway_subject::Filter;

use super::PAGE_USUAL;
use super::query::{InvalidQuery, Query};
use super::written::time;
use crate::broker::{Broker, SubscriptionView};

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
        let offset = query.number("offset", 0)?;
        let limit = match query.number("limit", PAGE_USUAL)? {
            0 => PAGE_USUAL,
            limit => limit,
        };
        let account = query.text("acc");
        let test = query.text("test");
        if let Some(subject) = test
            && !tollway_subject::is_literal_subject(subject.as_bytes())
        {
            let text = format!("invalid test subject, must not contain wildcards: {subject}");
            return Err(InvalidQuery(text));
        }
        let mut subscriptions_list = Vec::new();
        let mut total = 0;
        if query.switch("subs")? {
            let wants = |view: &SubscriptionView| {
                account.is_none_or(|account| view.account == account)
                    && test.is_none_or(|subject| is_about(&view.filter, subject))
            };
            broker.subscriptions_visit(&mut |view| {
                if wants(&view) {
                    if total >= offset && subscriptions_list.len() < limit {
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
            num_subscriptions: broker.stats().subscriptions,
            total,
            offset,
            limit,
            subscriptions_list,
        })
    }
}

fn is_about(filter: &str, subject: &str) -> bool {
    Filter::new(filter.as_bytes()).is_ok_and(|filter| filter.matches(subject.as_bytes()))
}
