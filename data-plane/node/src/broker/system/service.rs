//! The node as somebody who answers: in each account, for what may be asked there.
//!
//! A question is handed over in the turn of who asks it and answered by a task of the operator.
//! What nobody would answer is not taken, so that the asker hears at once that nobody is there; the
//! same happens to an account that asks faster than it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::mpsc;
use tollway_claims::{Limit, PublicKey};
use tollway_subject::Filter;
use tollway_wire::Message;

use super::super::account::Account;
use super::super::bounds::{QUESTION_BYTES_MAX, SYSTEM_QUESTIONS_MAX, TENANT_QUESTIONS_MAX};
use super::super::client::{Client, ClientOptions, Sink};
use super::super::denials::EVENT_PREFIX;
use super::super::subscription::Subscription;
use super::super::user::User;
use super::System;
use super::request::{AskedIn, QUESTIONS, SystemRequest};

/// Where the node takes questions in one account.
pub(crate) struct Service {
    system: Arc<System>,
    account: PublicKey,
    waiting: AtomicUsize,
}

/// A question to the node, on its way to who answers it.
pub struct SystemQuestion {
    /// What is asked.
    pub request: SystemRequest,
    /// The body, as it came.
    pub body: Vec<u8>,
    pub(super) asker: Arc<Client>,
    pub(super) asked_in: Arc<Account>,
    pub(super) reply: Box<[u8]>,
    place: Place,
}

/// One of the questions that an account may have waiting.
struct Place(Arc<Service>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

/// Two lanes, so that tenants do not keep the operator waiting.
pub(super) struct Lane {
    questions: mpsc::Sender<SystemQuestion>,
    inbound: tokio::sync::Mutex<mpsc::Receiver<SystemQuestion>>,
}

impl Lane {
    pub(super) fn new(waiting_max: usize) -> Self {
        let (questions, inbound) = mpsc::channel(waiting_max);
        Self {
            questions,
            inbound: tokio::sync::Mutex::new(inbound),
        }
    }

    /// The next question. Never, when there is none and will be none.
    pub(super) async fn next(&self) -> SystemQuestion {
        match self.inbound.lock().await.recv().await {
            Some(question) => question,
            None => std::future::pending().await,
        }
    }
}

/// Begins to answer in an account.
pub(crate) fn open(system: &Arc<System>, account: &Arc<Account>, client_id: u64) {
    let service = Arc::new(Service {
        system: system.clone(),
        account: account.key,
        waiting: AtomicUsize::new(0),
    });
    let options = ClientOptions {
        headers: true,
        echo: false,
        no_responders: false,
        pedantic: false,
        verbose: false,
    };
    let user = Arc::new(User::of_node(account.key));
    let sink = Sink::System(service);
    let client = Arc::new(Client::new(client_id, account.clone(), sink, options, user));
    let filter = Filter::new(QUESTIONS).expect("the filter is written here");
    let subscription = Arc::new(Subscription::new(
        filter.to_buf(),
        (*b"1").into(),
        None,
        client,
        false,
    ));
    // It is the node's own: limits of the account do not apply.
    let _ = account.subscribe(&subscription, Limit::Unlimited);
    account.service_set(subscription);
}

/// Ends that: account and subscription would keep each other.
pub(crate) fn close(account: &Account) {
    if let Some(subscription) = account.take_service() {
        account.unsubscribe(&subscription);
    }
}

impl Service {
    /// Takes a question. False when nobody will answer it.
    pub(crate) fn ask(
        self: &Arc<Self>,
        asked_in: &Arc<Account>,
        asker: &Arc<Client>,
        message: &Message<'_>,
    ) -> bool {
        let Some(reply) = message.reply else {
            return false;
        };
        let is_system = self.system.is_account(&self.account);
        let asked = match (is_system, asker.account.key == self.account) {
            (true, true) => AskedIn::System,
            (true, false) => AskedIn::SystemFromOutside,
            (false, true) => AskedIn::Tenant,
            // What a tenant exports is its own, and not what the node tells it.
            (false, false) => return false,
        };
        let body = message.payload();
        // What the node answers must not look like what only the node tells.
        if body.len() > QUESTION_BYTES_MAX || reply.starts_with(EVENT_PREFIX) {
            return false;
        }
        let Some(request) = SystemRequest::parse(message.subject, &self.system.server_id, asked) else {
            return false;
        };
        let (lane, waiting_max) = match asked {
            AskedIn::System => (&self.system.operators, SYSTEM_QUESTIONS_MAX),
            AskedIn::SystemFromOutside | AskedIn::Tenant => (&self.system.tenants, TENANT_QUESTIONS_MAX),
        };
        if self.waiting.fetch_add(1, Relaxed) >= waiting_max {
            self.waiting.fetch_sub(1, Relaxed);
            return false;
        }
        let question = SystemQuestion {
            request,
            body: body.to_vec(),
            asker: asker.clone(),
            asked_in: asked_in.clone(),
            reply: reply.into(),
            place: Place(self.clone()),
        };
        lane.questions.try_send(question).is_ok()
    }
}

impl SystemQuestion {
    /// The account of who asks.
    pub fn account(&self) -> PublicKey {
        self.asker.account.key
    }

    /// What INFO calls that account.
    pub fn account_label(&self) -> &str {
        &self.asker.account.label
    }

    /// Whether it is the system account that asks.
    pub fn is_of_operator(&self) -> bool {
        self.place.0.system.is_account(&self.asker.account.key)
    }
}
