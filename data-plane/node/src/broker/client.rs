//! An authenticated client as others see it: who it is and where it gets its messages.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tollway_claims::ResponseGrants;

use super::account::Account;
use super::bounds::UNCOUNTED_BYTES_MAX;
use super::close_reason::CloseReason;
use super::inbox::Inbox;
use super::outbound::Outbound;
use super::request_info::RequestInfo;
use super::shares::Share;
use super::subscription::Subscription;
use super::system::service::Service;
use super::user::User;

/// One login of one connection. A second CONNECT makes a new one.
pub(crate) struct Client {
    /// The connection's number; internal clients have one too.
    pub(crate) id: u64,
    pub(crate) account: Arc<Account>,
    pub(crate) sink: Sink,
    /// What it said in CONNECT.
    pub(crate) headers: bool,
    pub(crate) echo: bool,
    pub(crate) no_responders: bool,
    pub(crate) pedantic: bool,
    pub(crate) verbose: bool,
    /// Who it is at present; replaced when the account's document changes what the user may.
    user: ArcSwap<User>,
    /// What its user may take of the account; none when that is everything.
    share: ArcSwapOption<Share>,
    /// How often that happened, and after which of these changes its subscriptions were looked at
    /// again. In between each delivery is.
    changes: AtomicU64,
    checked: AtomicU64,
    /// Whether `responses` holds something: looked at for each delivery.
    answers: AtomicBool,
    responses: Mutex<Responses>,
    since: Instant,
    /// Subscriptions that count against the limit of one connection.
    pub(crate) subscriptions: AtomicU64,
    /// Subscriptions that reached their maximum and are still in the owner's table.
    pub(crate) finished: AtomicU64,
}

/// Leave to answer, and what the account's memory knows of it.
struct Responses {
    grants: Option<ResponseGrants>,
    counted: usize,
}

/// Where a client's messages go.
pub(crate) enum Sink {
    Socket(Arc<Outbound>),
    Inbox(Arc<Inbox>),
    /// The node itself, which answers.
    System(Arc<Service>),
}

/// What a client says about itself, as far as routing asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientOptions {
    pub(crate) headers: bool,
    pub(crate) echo: bool,
    pub(crate) no_responders: bool,
    pub(crate) pedantic: bool,
    pub(crate) verbose: bool,
}

impl Client {
    pub(crate) fn new(
        id: u64,
        account: Arc<Account>,
        sink: Sink,
        options: ClientOptions,
        user: Arc<User>,
    ) -> Self {
        let responses = user.permissions.response_grants();
        Self {
            id,
            account,
            sink,
            headers: options.headers,
            echo: options.echo,
            no_responders: options.no_responders,
            pedantic: options.pedantic,
            verbose: options.verbose,
            user: ArcSwap::new(user),
            share: ArcSwapOption::empty(),
            changes: AtomicU64::new(0),
            checked: AtomicU64::new(0),
            answers: AtomicBool::new(responses.is_some()),
            responses: Mutex::new(Responses {
                grants: responses,
                counted: 0,
            }),
            since: Instant::now(),
            subscriptions: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        }
    }

    /// What others are told about it; `all` of it only in its own account, or where that shares it.
    pub(crate) fn info(&self, all: bool) -> RequestInfo {
        let of_account = RequestInfo::of_account(&self.account);
        if !all {
            return of_account;
        }
        let info = RequestInfo {
            id: Some(self.id),
            user: self.user.load().name(),
            kind: Some("Client"),
            client_type: Some("nats"),
            ..of_account
        };
        match &self.sink {
            Sink::Socket(outbound) => outbound.card.introduce(info),
            Sink::Inbox(_) | Sink::System(_) => info,
        }
    }

    pub(crate) fn user(&self) -> Arc<User> {
        self.user.load_full()
    }

    pub(crate) fn share(&self) -> Option<Arc<Share>> {
        self.share.load_full()
    }

    /// Who calls this orders a reload afterwards, unless the client is only about to log in.
    pub(crate) fn share_set(&self, share: Option<Arc<Share>>) {
        // Replacing waits for all who may be reading.
        if share.is_some() || self.share.load().is_some() {
            self.share.store(share);
        }
    }

    /// Whether messages to this subject may reach a subscription of this client
    /// with a filter that is partly denied.
    pub(crate) fn may_deliver(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.user.load().permissions.may_deliver(subject, queue)
    }

    /// Puts other permissions and limits in force for a live client. The owner
    /// is told, because its subscriptions have to be looked at again.
    pub(crate) fn adopt(&self, user: Arc<User>) {
        let mut responses = self.responses.lock();
        let (before, now) = (
            &self.user.load().limits.permissions.responses,
            &user.limits.permissions.responses,
        );
        if before != now {
            responses.grants = user.permissions.response_grants();
            self.answers.store(responses.grants.is_some(), Relaxed);
            self.recount(&mut responses);
        }
        self.user.store(user);
        // Behind the user: who sees the change sees the user.
        self.changes.fetch_add(1, Release);
        drop(responses);
        self.order_reload();
    }

    /// The number of the last change, when its subscriptions were not looked at again since.
    pub(crate) fn unchecked(&self) -> Option<u64> {
        let changes = self.changes.load(Acquire);
        (changes != self.checked.load(Relaxed)).then_some(changes)
    }

    /// Its subscriptions were looked at after this change.
    pub(crate) fn note_checked(&self, change: u64) {
        self.checked.store(change, Relaxed);
    }

    /// A message with this reply subject was delivered.
    pub(crate) fn note_delivery(&self, reply: &[u8]) {
        if !self.answers.load(Relaxed) {
            return;
        }
        let mut responses = self.responses.lock();
        let Some(grants) = &mut responses.grants else {
            return;
        };
        if !self.account.memory.has_room_to_keep() {
            grants.displace_oldest();
        }
        grants.handle_delivery(reply, self.since.elapsed());
        self.recount(&mut responses);
    }

    /// Whether leave to answer covers a subject that the rules deny; uses it up.
    pub(crate) fn may_answer(&self, subject: &[u8]) -> bool {
        if !self.answers.load(Relaxed) {
            return false;
        }
        let mut responses = self.responses.lock();
        let Some(grants) = &mut responses.grants else {
            return false;
        };
        let may = grants.handle_publish(subject, self.since.elapsed());
        self.recount(&mut responses);
        may
    }

    /// Counts leave to answer in the account's memory, when it changed by what is worth counting.
    fn recount(&self, responses: &mut Responses) {
        let bytes = responses.grants.as_ref().map_or(0, ResponseGrants::bytes);
        if bytes.abs_diff(responses.counted) >= UNCOUNTED_BYTES_MAX {
            self.account.memory.keep(responses.counted, bytes);
            responses.counted = bytes;
        }
    }

    /// Removes a subscription that had its last delivery. Any thread may do
    /// that; the owner forgets it later, see [`Client::finished`].
    pub(crate) fn finish_subscription(&self, subscription: &Arc<Subscription>) {
        if self.account.unsubscribe(subscription) {
            self.finished.fetch_add(1, Relaxed);
        }
    }

    /// Whether it is a client of the network: only those count.
    pub(crate) fn is_metered(&self) -> bool {
        matches!(self.sink, Sink::Socket(_))
    }

    /// Whether it makes no sense to choose this receiver.
    pub(crate) fn is_closing(&self) -> bool {
        match &self.sink {
            Sink::Socket(outbound) => outbound.is_closing(),
            Sink::Inbox(_) | Sink::System(_) => false,
        }
    }

    /// Whether a request of another account has to pass it over, because so much waits for a rate,
    /// or in front of its socket, or for clients of its account: asking has nobody closed.
    pub(crate) fn is_behind(&self) -> bool {
        let crowded = |outbound: &Outbound| outbound.held() > 0 && !self.account.memory.has_room_to_keep();
        match &self.sink {
            Sink::Socket(outbound) if outbound.is_behind() || crowded(outbound) => {
                outbound.pass_over();
                true
            }
            _ => false,
        }
    }

    pub(crate) fn order_close(&self, reason: CloseReason) {
        if let Sink::Socket(outbound) = &self.sink {
            outbound.order_close(reason);
        }
    }

    pub(crate) fn order_reload(&self) {
        if let Sink::Socket(outbound) = &self.sink {
            outbound.order_reload();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.account.memory.keep(self.responses.get_mut().counted, 0);
    }
}
