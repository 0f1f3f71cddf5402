//! Which connections somebody asks `/connz` for, and in which order.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use tollway_subject::FilterBuf;

use super::query::{InvalidQuery, Query, shown};
use super::{PAGE_MAX, PAGE_USUAL};
use crate::broker::ConnectionView;

/// Which connections, and what of them.
pub(super) struct Wanted {
    pub(super) state: State,
    sort: Sort,
    pub(super) offset: usize,
    pub(super) limit: usize,
    cid: Option<u64>,
    user: Option<String>,
    pub(super) account: Option<String>,
    pub(super) filter: Option<FilterBuf>,
    /// Nobody comes by MQTT.
    mqtt: bool,
    pub(super) with_login: bool,
    pub(super) subscriptions: Listing,
}

/// Those that are open, those that ended, or both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Closed,
    Any,
}

/// What is told of their subscriptions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
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
    Shortest,
    Farthest,
    LastEnded,
    Reason,
}

impl Sort {
    fn by_name(name: &str, state: State) -> Result<Self, InvalidQuery> {
        let sort = match name {
            "cid" | "start" => Self::Oldest,
            "subs" => Self::Most(|view| view.subscriptions),
            "pending" => Self::Most(|view| view.pending_bytes as u64),
            "msgs_to" => Self::Most(|view| view.out_messages),
            "msgs_from" => Self::Most(|view| view.in_messages),
            "bytes_to" => Self::Most(|view| view.out_bytes),
            "bytes_from" => Self::Most(|view| view.in_bytes),
            "last" => Self::LastHeard,
            "idle" => Self::MostIdle,
            "uptime" => Self::Shortest,
            "rtt" => Self::Farthest,
            "stop" | "reason" if state != State::Closed => {
                return Err(InvalidQuery(format!(
                    "sort by {name} only valid on closed connections"
                )));
            }
            "stop" => Self::LastEnded,
            "reason" => Self::Reason,
            _ => return Err(InvalidQuery(format!("invalid sorting option: {}", shown(name)))),
        };
        Ok(sort)
    }

    fn sort(self, views: &mut [ConnectionView], now: SystemTime) {
        views.sort_unstable_by_key(|view| view.id);
        match self {
            Self::Oldest => {}
            Self::Most(of) => views.sort_by_key(|view| Reverse(of(view))),
            Self::LastHeard => views.sort_by_key(|view| Reverse(view.heard)),
            Self::MostIdle => views.sort_by_key(|view| Reverse(idle(view, now))),
            Self::Shortest => views.sort_by_key(|view| up(view, now)),
            Self::Farthest => views.sort_by_key(|view| Reverse(view.round_trip)),
            Self::LastEnded => {
                views.sort_by_key(|view| Reverse(view.ending.as_ref().map(|ending| ending.at)))
            }
            Self::Reason => views.sort_by_key(|view| view.ending.as_ref().map(|ending| ending.reason)),
        }
    }
}

/// How long it has been up, or was.
pub(super) fn up(view: &ConnectionView, now: SystemTime) -> Duration {
    let end = view.ending.as_ref().map_or(now, |ending| ending.at);
    end.duration_since(view.since).unwrap_or(Duration::ZERO)
}

/// How long it has said nothing, or had when it ended.
pub(super) fn idle(view: &ConnectionView, now: SystemTime) -> Duration {
    let end = view.ending.as_ref().map_or(now, |ending| ending.at);
    end.duration_since(view.heard).unwrap_or(Duration::ZERO)
}

impl Wanted {
    pub(super) fn read(query: &Query) -> Result<Self, InvalidQuery> {
        let state = match query.text("state").map(str::to_ascii_lowercase).as_deref() {
            None | Some("open" | "0") => State::Open,
            Some("closed" | "1") => State::Closed,
            Some("any" | "all" | "2") => State::Any,
            Some(other) => {
                return Err(InvalidQuery(format!("Error decoding state for {}", shown(other))));
            }
        };
        let account = query.text("acc").map(str::to_owned);
        let filter = match query.text("filter_subject") {
            None => None,
            Some(_) if account.is_none() => {
                let text = "filter by subject only valid with account filtering";
                return Err(InvalidQuery(text.to_owned()));
            }
            Some(text) => Some(
                FilterBuf::new(text.as_bytes())
                    .map_err(|_| InvalidQuery(format!("invalid filter subject: {}", shown(text))))?,
            ),
        };
        let subscriptions = match query.text("subs") {
            Some("detail") => Listing::Detail,
            _ if query.switch("subs")? => Listing::Names,
            _ => Listing::None,
        };
        let cid = query.number("cid")?;
        Ok(Self {
            state,
            sort: Sort::by_name(query.text("sort").unwrap_or("cid"), state)?,
            offset: if cid.is_some() { 0 } else { query.page_offset()? },
            limit: if cid.is_some() { 1 } else { query.page_limit()? },
            cid,
            user: query.text("user").map(str::to_owned),
            account,
            filter,
            mqtt: query.text("mqtt_client").is_some(),
            with_login: query.switch("auth")?,
            subscriptions,
        })
    }

    /// Whether it is one of those among which is looked: these are counted.
    pub(super) fn counts(&self, view: &ConnectionView) -> bool {
        is(&self.account, view.account.as_ref())
    }

    /// Whether it is one of those that are listed.
    pub(super) fn lists(&self, view: &ConnectionView) -> bool {
        !self.mqtt && is(&self.cid, Some(&view.id)) && is(&self.user, view.user.as_ref())
    }

    /// Puts them in order and takes the page.
    pub(super) fn page(&self, mut views: Vec<ConnectionView>, now: SystemTime) -> Vec<ConnectionView> {
        self.sort.sort(&mut views, now);
        views.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

fn is<T: PartialEq>(wanted: &Option<T>, found: Option<&T>) -> bool {
    wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
}

impl Query {
    /// How many entries of a list are passed over; as on a stock server a negative number means none.
    pub(super) fn page_offset(&self) -> Result<usize, InvalidQuery> {
        Ok(self.signed("offset")?.map_or(0, clamped))
    }

    /// How many entries a page has. A client that asks for more than there may be reads from the
    /// answer how many it got.
    pub(super) fn page_limit(&self) -> Result<usize, InvalidQuery> {
        Ok(match self.signed("limit")? {
            None | Some(..=0) => PAGE_USUAL,
            Some(limit) => clamped(limit).min(PAGE_MAX),
        })
    }
}

fn clamped(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}
