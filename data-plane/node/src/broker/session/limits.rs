//! What one connection may, of all who have a say in it.

use tollway_accounts::AccountLimits;
use tollway_claims::Limit;

use crate::broker::client::Client;
use crate::broker::shared::Shared;

/// What the user, the account and the server grant together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// All that the account is granted: clients hear of changes that do not show here too.
    pub(super) account: AccountLimits,
    pub(super) payload_bytes: u32,
    pub(super) subscriptions: Limit,
    /// Seconds since 1970, and what the client hears then.
    pub(super) user_ends: Option<i64>,
    pub(super) account_ends: Option<i64>,
}

impl Limits {
    pub(super) fn of(shared: &Shared, client: &Client) -> Self {
        let served = client.account.served();
        let user = client.user();
        let server = shared.settings.max_payload as u64;
        let payload_bytes = served.limits.payload_bytes_effective(user.limits.payload, server);
        Self {
            account: served.limits,
            payload_bytes: u32::try_from(payload_bytes).unwrap_or(u32::MAX),
            subscriptions: user
                .limits
                .subscriptions
                .min(served.claims().limits.subscriptions),
            user_ends: user.expires_at,
            account_ends: served.claims().expires_at,
        }
    }

    /// What clients hear of when it changes.
    pub(super) fn granted(&self) -> (AccountLimits, u32, Limit) {
        (self.account, self.payload_bytes, self.subscriptions)
    }

    pub(super) fn ends(&self) -> Option<i64> {
        [self.user_ends, self.account_ends].into_iter().flatten().min()
    }
}
