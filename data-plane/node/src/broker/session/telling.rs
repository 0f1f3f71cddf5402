//! What who runs the node hears of a client that comes, goes, or is not let in.

use super::Session;
use crate::broker::close_reason::CloseReason;
use crate::broker::denials::shortened;
use crate::broker::leaving::Leaving;
use crate::broker::refusals::Refusal;
use crate::broker::system::events::{self, Stranger};

impl Session {
    /// The client is in.
    pub(super) fn tell_connected(&self) {
        if let Some(login) = &self.login {
            events::connected(&self.shared, &login.client, self.connection_type());
        }
    }

    /// Takes the client out of its account as [`Self::leave`] does, and tells why.
    pub(crate) fn leave_for(&mut self, reason: &CloseReason) -> Option<Leaving> {
        let client = self.login.as_ref().map(|login| login.client.clone())?;
        if reason.is_slow_consumer() {
            client.account.meters.add_slow_consumer();
        }
        let leaving = self.leave();
        events::disconnected(&self.shared, &client, self.connection_type(), reason);
        leaving
    }

    /// The client was not let in.
    pub(super) fn tell_refused(&self, refusal: &Refusal) {
        events::refused(&self.shared, refusal.rule, || {
            let said = |text: &Option<String>| text.as_deref().map(shortened);
            let account = refusal.account.and_then(|key| self.shared.account(&key));
            Stranger {
                id: self.introduction.client_id,
                ip: self.introduction.client_ip,
                account: account.map(|account| account.label.to_string()),
                user: said(&self.options.user).or_else(|| said(&self.options.nkey)),
                name: said(&self.options.name),
                lang: said(&self.options.lang),
                version: said(&self.options.version),
                over: self.connection_type(),
            }
        });
    }
}
