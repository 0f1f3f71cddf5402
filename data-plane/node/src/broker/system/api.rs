//! What the rest of the node has to do with the system account: it answers questions and tells what
//! the broker does not know.

use tollway_claims::PublicKey;

use super::super::census::{self, AccountView};
use super::super::client::Sink;
use super::super::close_reason::CloseReason;
use super::super::{Broker, ConnectionView};
use super::account_numbers::{self, AccountNumbers};
use super::server::ServerView;
use super::service::SystemQuestion;
use super::user_info::UserInfo;

impl Broker {
    /// The next question of who runs the node. One at a time may wait here.
    pub async fn question_of_operator(&self) -> SystemQuestion {
        self.0.system.question_of_operator().await
    }

    /// The next question of a tenant, about itself. One at a time may wait here.
    pub async fn question_of_tenant(&self) -> SystemQuestion {
        self.0.system.question_of_tenant().await
    }

    /// Answers a question.
    pub async fn answer(&self, question: &SystemQuestion, payload: Vec<u8>) {
        super::answer(&self.0, question, payload).await;
    }

    /// Tells something in the system account, if anybody listens there and there is room.
    pub fn system_tell(&self, subject: &str, payload: impl FnOnce() -> Vec<u8>) {
        self.0.system.tell(subject, payload);
    }

    /// The node, as it says the next thing.
    pub fn server_view(&self) -> ServerView {
        self.0.system.server(&self.0.settings)
    }

    /// Labels that the configuration gives the node.
    pub fn tags_set(&self, tags: Vec<String>) {
        self.0.system.tags_set(tags);
    }

    /// The labels.
    pub fn tags(&self) -> Vec<String> {
        self.0.system.tags()
    }

    /// What a client is told about itself.
    pub fn user_info(&self, question: &SystemQuestion) -> UserInfo {
        UserInfo::of(question)
    }

    /// Closes one connection. False when there is none with this number.
    pub fn kick(&self, client_id: u64) -> bool {
        let outbounds = self.0.outbounds.lock();
        let outbound = outbounds
            .get(&client_id)
            .filter(|outbound| !outbound.is_closing());
        outbound
            .inspect(|outbound| outbound.order_close(CloseReason::Kicked))
            .is_some()
    }

    /// The account that INFO calls this.
    pub fn account_called(&self, label: &str) -> Option<AccountView> {
        let by_key = label.parse().ok().and_then(|key| self.0.account(&key));
        let account = by_key.filter(|account| &*account.label == label).or_else(|| {
            let accounts = self.0.accounts.read();
            accounts
                .values()
                .find(|account| &*account.label == label)
                .cloned()
        });
        account.map(|account| census::view(&account))
    }

    /// The numbers of an account.
    pub fn account_numbers(&self, account: &PublicKey) -> Option<AccountNumbers> {
        self.0
            .account(account)
            .map(|account| AccountNumbers::of(&census::view(&account)))
    }

    /// The event that tells them.
    pub fn account_numbers_event(&self, numbers: &AccountNumbers) -> Vec<u8> {
        account_numbers::event(&self.0, numbers)
    }

    /// Shows every connection that is open now, or those of the account that INFO calls this.
    pub fn connections_visit_in(&self, label: Option<&str>, visit: &mut dyn FnMut(ConnectionView)) {
        match label {
            None => self.connections_visit(visit),
            Some(label) => {
                if let Some(account) = self.account_called(label) {
                    self.connections_visit_of(&account.key, visit);
                }
            }
        }
    }

    /// Shows every connection that is open now in one account.
    pub fn connections_visit_of(&self, account: &PublicKey, visit: &mut dyn FnMut(ConnectionView)) {
        let clients = self.0.account(account).map(|account| account.clients());
        for client in clients.into_iter().flatten() {
            let Sink::Socket(outbound) = &client.sink else {
                continue;
            };
            let (key, view) = census::connection(outbound);
            // It may have gone to another account this very moment.
            if key == Some(*account) {
                visit(view);
            }
        }
    }
}
