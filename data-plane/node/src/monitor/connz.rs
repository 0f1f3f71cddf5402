//! `/connz`: the connections that are open, in the fields of nats-server.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::PAGE_USUAL;
use super::query::{InvalidQuery, Query};
use super::subsz::Subscription;
use super::written::{time, uptime};
use crate::broker::{Broker, ConnectionView};

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct Connz {
    server_id: String,
    now: String,
    num_connections: usize,
    total: usize,
    offset: usize,
    limit: usize,
    connections: Vec<Connection>,
}

#[derive(Debug, Serialize)]
struct Connection {
    cid: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    transport: &'static str,
    ip: String,
    port: u16,
    start: String,
    last_activity: String,
    uptime: String,
    idle: String,
    pending_bytes: usize,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    subscriptions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorized_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_tag: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list_detail: Vec<Subscription>,
}

/// Subscriptions that one page lists, of all its connections together.
const LISTED_MAX: usize = 100_000;

/// Which connections, and what of them.
struct Wanted {
    sort: Sort,
    offset: usize,
    limit: usize,
    cid: Option<u64>,
    user: Option<String>,
    account: Option<String>,
    with_login: bool,
    subscriptions: Listing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Listing {
    None,
    Names,
    Detail,
}

/// What comes first.
#[derive(Clone, Copy)]
enum Sort {
    Oldest,
    Most(fn(&ConnectionView) -> u64),
    LastHeard,
    MostIdle,
}

impl Sort {
    fn by_name(name: &str) -> Result<Self, InvalidQuery> {
        Ok(match name {
            // The oldest has been up for longest.
            "cid" | "start" | "uptime" => Self::Oldest,
            "subs" => Self::Most(|view| view.subscriptions),
            "pending" => Self::Most(|view| view.pending_bytes as u64),
            "msgs_to" => Self::Most(|view| view.out_messages),
            "msgs_from" => Self::Most(|view| view.in_messages),
            "bytes_to" => Self::Most(|view| view.out_bytes),
            "bytes_from" => Self::Most(|view| view.in_bytes),
            "last" => Self::LastHeard,
            "idle" => Self::MostIdle,
            _ => return Err(InvalidQuery(format!("invalid sorting option: {name}"))),
        })
    }

    fn sort(self, views: &mut [ConnectionView]) {
        views.sort_unstable_by_key(|view| view.id);
        match self {
            Self::Oldest => {}
            Self::Most(of) => views.sort_by_key(|view| std::cmp::Reverse(of(view))),
            Self::LastHeard => views.sort_by_key(|view| std::cmp::Reverse(view.heard)),
            Self::MostIdle => views.sort_by_key(|view| view.heard),
        }
    }
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, InvalidQuery> {
        match query.text("state") {
            None | Some("open" | "any" | "0" | "2") => {}
            Some(_) => {
                let text = "connections are forgotten when they end: there is only state=open";
                return Err(InvalidQuery(text.to_owned()));
            }
        }
        for name in ["filter_subject", "mqtt_client"] {
            if query.text(name).is_some() {
                return Err(InvalidQuery(format!("'{name}' is not offered")));
            }
        }
        let limit = match query.number("limit", PAGE_USUAL)? {
            0 => PAGE_USUAL,
            limit => limit,
        };
        let subscriptions = match query.text("subs") {
            Some("detail") => Listing::Detail,
            _ if query.switch("subs")? => Listing::Names,
            _ => Listing::None,
        };
        Ok(Self {
            sort: Sort::by_name(query.text("sort").unwrap_or("cid"))?,
            offset: query.number("offset", 0)?,
            limit,
            cid: match query.number("cid", 0)? {
                0 => None,
                cid => Some(cid as u64),
            },
            user: query.text("user").map(str::to_owned),
            account: query.text("acc").map(str::to_owned),
            with_login: query.switch("auth")?,
            subscriptions,
        })
    }

    fn wants(&self, view: &ConnectionView) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, found: Option<&T>) -> bool {
            wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
        }
        is(&self.cid, Some(&view.id))
            && is(&self.user, view.user.as_ref())
            && is(&self.account, view.account.as_ref())
    }
}

impl Connz {
    pub(super) fn now(broker: &Broker, query: &Query) -> Result<Self, InvalidQuery> {
        let wanted = Wanted::read(query)?;
        let mut views = Vec::new();
        broker.connections_visit_in(wanted.account.as_deref(), &mut |view| {
            if wanted.wants(&view) {
                views.push(view);
            }
        });
        let total = views.len();
        wanted.sort.sort(&mut views);
        let now = SystemTime::now();
        let page = views.into_iter().skip(wanted.offset).take(wanted.limit);
        let mut connections: Vec<_> = page
            .map(|view| Connection::of(view, now, wanted.with_login))
            .collect();
        if wanted.subscriptions != Listing::None {
            list_subscriptions(broker, &mut connections, wanted.subscriptions);
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

impl Connection {
    fn of(view: ConnectionView, now: SystemTime, with_login: bool) -> Self {
        let since = |at: SystemTime| now.duration_since(at).unwrap_or(Duration::ZERO);
        let shown = |text: Option<String>| text.filter(|_| with_login);
        Self {
            cid: view.id,
            kind: "Client",
            transport: "nats",
            ip: view.peer.ip().to_canonical().to_string(),
            port: view.peer.port(),
            start: time(view.since),
            last_activity: time(view.heard),
            uptime: uptime(since(view.since)),
            idle: uptime(since(view.heard)),
            pending_bytes: view.pending_bytes,
            in_msgs: view.in_messages,
            out_msgs: view.out_messages,
            in_bytes: view.in_bytes,
            out_bytes: view.out_bytes,
            subscriptions: view.subscriptions,
            name: view.name,
            lang: view.lang,
            version: view.version,
            authorized_user: shown(view.user),
            account: shown(view.account),
            name_tag: shown(view.account_name),
            subscriptions_list: Vec::new(),
            subscriptions_list_detail: Vec::new(),
        }
    }
}

fn list_subscriptions(broker: &Broker, connections: &mut [Connection], listing: Listing) {
    let places: HashMap<u64, usize> = connections
        .iter()
        .enumerate()
        .map(|(place, connection)| (connection.cid, place))
        .collect();
    let mut listed = 0;
    broker.subscriptions_visit(&mut |view| {
        if let Some(place) = places.get(&view.connection) {
            let connection = &mut connections[*place];
            match listing {
                Listing::Detail => connection
                    .subscriptions_list_detail
                    .push(Subscription::of_connection(view)),
                _ => connection.subscriptions_list.push(view.filter),
            }
            listed += 1;
        }
        if listed >= LISTED_MAX {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    for connection in connections {
        connection.subscriptions_list.sort_unstable();
    }
}
