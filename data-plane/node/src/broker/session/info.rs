//! What a client is told about the node and itself, and when.

use tollway_wire::{Info, encoder};

use super::Session;
use crate::broker::staging::Staging;

impl Session {
    /// The first INFO, which the client answers with CONNECT. False when it had that in the clear.
    pub(crate) fn greeting(&self, out: &mut Vec<u8>) -> bool {
        if self.arrival.as_ref().is_some_and(|arrival| arrival.greeted) {
            return false;
        }
        out.extend(self.introduction.greeting(&self.shared, self.arrival.as_deref()));
        true
    }

    /// Tells a client, once, which account it is in and what it may send there.
    pub(super) fn introduce(&mut self, staging: &mut Staging) {
        let Some(login) = &mut self.login else { return };
        if login.introduced || self.options.protocol < 1 {
            return;
        }
        login.introduced = true;
        if self.told == login.told() {
            return;
        }
        staging.control(&self.outbound.clone(), |out| self.push_info(out));
    }

    pub(super) fn push_info(&self, out: &mut Vec<u8>) {
        encoder::info(out, &self.info());
    }

    pub(super) fn info(&self) -> Info {
        let mut info = self.introduction.info(&self.shared, self.arrival.as_deref());
        if let Some(login) = &self.login {
            info.max_payload = login.limits.payload_bytes;
            info.connect_info = true;
            info.remote_account = Some(login.client.account.label.to_string());
            if let Some(authority) = &*self.shared.authority.load() {
                info.account_is_system = authority.system_account() == Some(login.client.account.key);
                info.auth_required = authority.knows_users();
            }
        }
        info
    }
}
