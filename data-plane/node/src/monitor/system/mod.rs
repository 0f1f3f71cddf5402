//! Answers to what is asked in the system account, and to what tenants ask about themselves.
//!
//! Pages are those of the HTTP port, made on a thread of the operator. The questions of tenants have
//! a task of their own, so that they do not keep the operator's waiting.

mod options;
mod statsz;

use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use self::options::Options;
use self::statsz::Statsz;
use super::Monitor;
use super::accountz::{Accountz, Detail};
use super::accstatz::Accstatz;
use super::connz::Connz;
use super::others::{Gatewayz, Leafz, Routez};
use super::subsz::Subsz;
use super::varz::Varz;
use crate::broker::{AccountNumbers, AccountTopic, ServerTopic, ServerView, SystemQuestion, SystemRequest};

/// How often a node tells its totals.
const STATSZ_INTERVAL: Duration = Duration::from_secs(10);

/// An order to read the configuration again. Whoever does says what came of it.
pub(crate) type ReloadOrder = oneshot::Sender<Result<(), String>>;

/// Somebody who answers.
#[derive(Debug, Clone)]
pub(crate) struct SystemDesk {
    monitor: Monitor,
    /// Who reads the configuration again, where the node has one of its own.
    reload: Option<mpsc::Sender<ReloadOrder>>,
}

/// An answer, in the shape of stock servers.
#[derive(Serialize)]
struct Answer<T> {
    server: ServerView,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    code: u16,
    description: String,
}

#[derive(Serialize)]
struct Identity {
    name: String,
    host: String,
    id: String,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    status_code: u16,
}

impl Problem {
    /// The question makes no sense.
    fn of_question(error: impl ToString) -> Self {
        Self {
            code: 400,
            description: error.to_string(),
        }
    }

    /// It does, and there is no such answer.
    fn of_answer(error: impl ToString) -> Self {
        Self {
            code: 500,
            description: error.to_string(),
        }
    }
}

impl SystemDesk {
    /// Answers with these pages.
    pub(crate) fn new(monitor: Monitor, reload: Option<mpsc::Sender<ReloadOrder>>) -> Self {
        Self { monitor, reload }
    }

    /// Answers, and tells the totals from time to time, until it is dropped.
    pub(crate) async fn run(self) {
        tokio::join!(self.answer_operator(), self.answer_tenants(), self.tell_totals());
    }

    async fn answer_operator(&self) {
        loop {
            let question = self.monitor.broker.question_of_operator().await;
            let desk = self.clone();
            // In a task: none of the others waits for a long page, nor for what a page got wrong.
            let answered = tokio::spawn(async move { desk.answer(question).await }).await;
            note(answered);
        }
    }

    async fn answer_tenants(&self) {
        loop {
            let question = self.monitor.broker.question_of_tenant().await;
            let desk = self.clone();
            let answered = tokio::spawn(async move { desk.answer(question).await }).await;
            note(answered);
        }
    }

    async fn tell_totals(&self) {
        let broker = &self.monitor.broker;
        let subject = format!("$SYS.SERVER.{}.STATSZ", broker.settings().server_id);
        let mut ticks = tokio::time::interval(STATSZ_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            broker.system_tell(&subject, || json(&Statsz::now(broker, &self.monitor.about)));
        }
    }

    async fn answer(&self, question: SystemQuestion) {
        if let Some(payload) = self.payload(&question).await {
            self.monitor.broker.answer(&question, payload).await;
        }
    }

    /// What is answered; nothing when others are asked, or when there is nothing to tell.
    async fn payload(&self, question: &SystemQuestion) -> Option<Vec<u8>> {
        let broker = &self.monitor.broker;
        let options = match Options::read(&question.body) {
            Ok(options) => options,
            Err(error) => return Some(self.refuse(Problem::of_question(error))),
        };
        match &question.request {
            SystemRequest::UserInfo => Some(self.tell(broker.user_info(question))),
            SystemRequest::OwnConnections => {
                let query = options.query(Some(question.account_label()));
                Some(self.page(Connz::now(broker, &query)))
            }
            SystemRequest::Accounts => match options.ask(&broker.server_view()) {
                Ok(true) => Some(self.tell(self.numbers(question, &options))),
                Ok(false) => None,
                Err(error) => Some(self.refuse(Problem::of_question(error))),
            },
            SystemRequest::Account(label, topic) => self.of_account(label, *topic, &options),
            SystemRequest::Server { topic, named } => {
                // Stock servers all say who they are, whomever the body names.
                if !named && *topic != ServerTopic::Idz {
                    match options.ask(&broker.server_view()) {
                        Ok(true) => {}
                        Ok(false) => return None,
                        Err(error) => return Some(self.refuse(Problem::of_question(error))),
                    }
                }
                Some(self.of_server(*topic, &options).await)
            }
        }
    }

    async fn of_server(&self, topic: ServerTopic, options: &Options) -> Vec<u8> {
        let Monitor { broker, about, .. } = &self.monitor;
        match topic {
            ServerTopic::Idz => {
                let ServerView { name, host, id, .. } = broker.server_view();
                json(&Identity { name, host, id })
            }
            ServerTopic::Statsz => json(&Statsz::now(broker, about)),
            ServerTopic::Varz => self.tell(Varz::now(broker, about)),
            ServerTopic::Connz => self.page(Connz::now(broker, &options.query(None))),
            ServerTopic::Subsz => self.page(Subsz::now(broker, &options.query(None))),
            ServerTopic::Accountz => self.page(Accountz::now(broker, &options.query(None))),
            ServerTopic::Routez => self.tell(Routez::now(broker)),
            ServerTopic::Gatewayz => self.tell(Gatewayz::now(broker)),
            ServerTopic::Leafz => self.tell(Leafz::now(broker)),
            ServerTopic::Healthz => self.tell(Health {
                status: "ok",
                status_code: 200,
            }),
            ServerTopic::Reload => self.done(self.reload().await),
            ServerTopic::Kick => self.done(self.to_client(options, |cid| broker.kick(cid))),
            ServerTopic::LameDuck => self.done(self.to_client(options, |cid| broker.lame_duck(cid))),
        }
    }

    fn of_account(&self, label: &str, topic: AccountTopic, options: &Options) -> Option<Vec<u8>> {
        let broker = &self.monitor.broker;
        Some(match topic {
            AccountTopic::Connz => self.page(Connz::now(broker, &options.query(Some(label)))),
            AccountTopic::Subsz => {
                let mut query = options.query(Some(label));
                // Asked about an account, stock servers list without being told to.
                query.set("subs", "1");
                self.page(Subsz::now(broker, &query))
            }
            AccountTopic::Info => self.page(Detail::called(broker, label)),
            AccountTopic::Conns => broker.account_numbers_event(&self.in_use(label)?),
            AccountTopic::Statz => self.tell(Accstatz::of(broker, vec![self.in_use(label)?])),
        })
    }

    /// The numbers of an account; nothing when nothing of it is in use.
    fn in_use(&self, label: &str) -> Option<AccountNumbers> {
        let view = self.monitor.broker.account_called(label)?;
        Some(AccountNumbers::of(&view)).filter(AccountNumbers::is_in_use)
    }

    /// Of the asker's account, or of those that the operator asks about.
    fn numbers(&self, question: &SystemQuestion, options: &Options) -> Accstatz {
        let broker = &self.monitor.broker;
        if !question.is_of_operator() {
            let own = broker.account_numbers(&question.account());
            return Accstatz::of(broker, own.into_iter().collect());
        }
        let (wanted, unused) = (options.texts("accounts"), options.says("include_unused"));
        let mut found = Vec::new();
        broker.accounts_visit(&mut |view| {
            let numbers = AccountNumbers::of(&view);
            let named = wanted.is_empty() || wanted.contains(&view.account.as_str());
            if named && (unused || numbers.is_in_use()) {
                found.push(numbers);
            }
        });
        Accstatz::of(broker, found)
    }

    /// Does something with the client that is named.
    fn to_client(&self, options: &Options, act: impl Fn(u64) -> bool) -> Result<(), Problem> {
        let which = options.connection().map_err(Problem::of_question)?;
        match act(which.cid) {
            true => Ok(()),
            false => Err(Problem::of_answer("no such client or leafnode id")),
        }
    }

    async fn reload(&self) -> Result<(), Problem> {
        let failed = || Problem::of_answer("this node is not configured by a file");
        let reload = self.reload.as_ref().ok_or_else(failed)?;
        let (order, done) = oneshot::channel();
        reload.send(order).await.map_err(|_| failed())?;
        done.await.map_err(|_| failed())?.map_err(Problem::of_answer)
    }

    fn page<T: Serialize>(&self, page: Result<T, impl ToString>) -> Vec<u8> {
        match page {
            Ok(page) => self.tell(page),
            Err(error) => self.refuse(Problem::of_answer(error)),
        }
    }

    fn tell<T: Serialize>(&self, data: T) -> Vec<u8> {
        json(&Answer {
            server: self.monitor.broker.server_view(),
            data: Some(data),
            error: None,
        })
    }

    fn done(&self, outcome: Result<(), Problem>) -> Vec<u8> {
        json(&Answer::<()> {
            server: self.monitor.broker.server_view(),
            data: None,
            error: outcome.err(),
        })
    }

    fn refuse(&self, problem: Problem) -> Vec<u8> {
        self.done(Err(problem))
    }
}

fn note(answered: Result<(), tokio::task::JoinError>) {
    if answered.is_err() {
        tracing::error!("a question in the system account could not be answered");
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers are JSON")
}
