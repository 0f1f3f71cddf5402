//! `/connz`: the connections that are open, and those that ended lately.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::SystemTime;

use serde::Serialize;
use tollway_subject::{Filter, FilterBuf, filters_overlap};

use super::LISTED_BYTES_MAX;
use super::connection_shown::Connection;
use super::connections_wanted::{Listing, State, Wanted};
use super::query::{InvalidQuery, Query};
use super::subsz::Subscription;
use super::written::time;
use crate::broker::{Broker, ConnectionView};

/// The page.
#[derive(Debug, Serialize)]
pub(crate) struct Connz {
    server_id: String,
    now: String,
    num_connections: usize,
    total: usize,
    offset: usize,
    limit: usize,
    connections: Vec<Connection>,
}

impl Connz {
    /// What the query asks for, at this moment. Has the round trips of the open connections that it
    /// shows measured anew, for who asks again.
    pub(crate) fn now(broker: &Broker, query: &Query) -> Result<Self, InvalidQuery> {
        let wanted = Wanted::read(query)?;
        let listeners = wanted
            .filter
            .as_ref()
            .map(|filter| listeners(broker, &wanted, filter));
        let mut total = 0;
        let mut views = Vec::new();
        if wanted.state != State::Closed {
            broker.connections_visit_in(wanted.account.as_deref(), &mut |view| {
                if wanted.counts(&view) {
                    total += 1;
                    let listens = listeners
                        .as_ref()
                        .is_none_or(|listeners| listeners.contains(&view.id));
                    if wanted.lists(&view) && listens {
                        views.push(view);
                    }
                }
            });
        }
        if wanted.state != State::Open {
            let closed = broker.connections_closed(&|view| wanted.counts(view));
            total += closed.len();
            views.extend(closed.into_iter().filter(|view| {
                let listened = wanted.filter.as_ref().is_none_or(|filter| listened(view, filter));
                wanted.lists(view) && listened
            }));
        }
        let now = SystemTime::now();
        let page = wanted.page(views, now);
        let accounts: HashSet<String> = page.iter().filter_map(|view| view.account.clone()).collect();
        let mut open = HashMap::new();
        let mut connections = Vec::with_capacity(page.len());
        for view in page {
            if view.ending.is_none() {
                broker.round_trip_measure(view.id);
                open.insert(view.id, connections.len());
            }
            connections.push(Connection::of(view, now, wanted.with_login, wanted.subscriptions));
        }
        if wanted.subscriptions != Listing::None {
            list_subscriptions(broker, &mut connections, &open, &accounts, wanted.subscriptions);
        }
        Ok(Self {
            server_id: broker.settings().server_id.clone(),
            now: time(now),
            num_connections: connections.len(),
            total,
            offset: wanted.offset,
            limit: wanted.limit,
            connections,
        })
    }
}

/// The open connections that listen to something which the filter matches too.
fn listeners(broker: &Broker, wanted: &Wanted, filter: &FilterBuf) -> HashSet<u64> {
    let mut found = HashSet::new();
    let of_account = |account: &str| wanted.account.as_deref() == Some(account);
    broker.subscriptions_visit(&of_account, &mut |seen| {
        if filters_overlap(seen.filter().as_filter(), filter.as_filter()) {
            found.insert(seen.connection());
        }
        ControlFlow::Continue(())
    });
    found
}

/// Whether a connection that ended did, as far as that is remembered.
fn listened(view: &ConnectionView, filter: &FilterBuf) -> bool {
    let ended = view.ending.iter().flat_map(|ending| &ending.subscriptions);
    let mut filters = ended.filter_map(|ended| Filter::new(ended.filter.as_bytes()).ok());
    filters.any(|listened| filters_overlap(listened, filter.as_filter()))
}

fn list_subscriptions(
    broker: &Broker,
    connections: &mut [Connection],
    open: &HashMap<u64, usize>,
    accounts: &HashSet<String>,
    listing: Listing,
) {
    let mut listed = 0;
    broker.subscriptions_visit(&|account| accounts.contains(account), &mut |seen| {
        if let Some(place) = open.get(&seen.connection()) {
            let connection = &mut connections[*place];
            let view = seen.view();
            listed += view.bytes();
            match listing {
                Listing::Detail => connection
                    .subscriptions_list_detail
                    .push(Subscription::of_connection(view)),
                _ => connection.subscriptions_list.push(view.filter),
            }
        }
        match listed >= LISTED_BYTES_MAX {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    for connection in connections {
        connection.subscriptions_list.sort_unstable();
    }
}
