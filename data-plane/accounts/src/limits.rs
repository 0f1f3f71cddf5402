//! What an account is granted.

use tollway_claims::{AccountClaims, Limit, Rates};

/// Totals and rates of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountLimits {
    /// Client connections open at the same time.
    pub connections: Limit,
    /// Subscriptions of all connections together.
    pub subscriptions: Limit,
    /// Largest message (headers and payload), in bytes.
    pub payload_bytes: Limit,
    /// What all clients together may send and receive, per second.
    pub rates: Rates,
}

impl AccountLimits {
    /// No limits.
    pub const UNLIMITED: Self = Self {
        connections: Limit::Unlimited,
        subscriptions: Limit::Unlimited,
        payload_bytes: Limit::Unlimited,
        rates: Rates::UNLIMITED,
    };

    /// The largest message of one connection, in bytes: the least of what the
    /// user, the account and the server allow. The server always has a limit.
    pub fn payload_bytes_effective(&self, user: Limit, server: u64) -> u64 {
        self.payload_bytes
            .min(user)
            .get()
            .map_or(server, |limit| limit.min(server))
    }
}

impl From<&AccountClaims> for AccountLimits {
    /// The totals and rates of our own claim, within those of NATS. Documents of
    /// others carry no such claim: theirs count subscriptions per connection, and
    /// the total falls back to that number. A total that is absent is zero, a rate
    /// that is absent is no limit.
    fn from(claims: &AccountClaims) -> Self {
        let nats = &claims.limits;
        let (connections, subscriptions) = match &claims.tollway {
            Some(tollway) => (
                nats.connections.min(tollway.limits.connections),
                tollway.limits.subscriptions,
            ),
            None => (nats.connections, nats.subscriptions),
        };
        Self {
            connections,
            subscriptions,
            payload_bytes: nats.payload,
            rates: claims
                .tollway
                .as_ref()
                .map_or(Rates::UNLIMITED, |claim| claim.rates),
        }
    }
}

#[cfg(test)]
mod tests {
    use tollway_claims::{KeyKind, NatsLimits, PublicKey, RateLimit, TollwayClaim, TollwayLimits};

    use super::*;

    fn claims() -> AccountClaims {
        let key = |kind| PublicKey::from_bytes(kind, [1; 32]);
        AccountClaims::new(key(KeyKind::Operator), key(KeyKind::Account), "a", 0)
    }

    #[test]
    fn our_own_claim_holds_the_totals() {
        let mut claims = claims();
        claims.limits.subscriptions = Limit::AtMost(10); // per connection, for stock servers
        claims.limits.payload = Limit::AtMost(512);
        let limits = TollwayLimits {
            connections: Limit::AtMost(5),
            subscriptions: Limit::AtMost(100),
        };
        let mut claim = TollwayClaim::new(1, limits);
        claim.rates.messages_in = RateLimit::new(100, None).ok();
        claims.tollway = Some(claim);
        let expected = AccountLimits {
            connections: Limit::AtMost(5),
            subscriptions: Limit::AtMost(100),
            payload_bytes: Limit::AtMost(512),
            rates: Rates {
                messages_in: RateLimit::new(100, None).ok(),
                ..Rates::UNLIMITED
            },
        };
        assert_eq!(AccountLimits::from(&claims), expected);
    }

    #[test]
    fn document_of_a_stock_tool_falls_back_to_the_limits_of_nats() {
        let mut claims = claims();
        assert_eq!(AccountLimits::from(&claims), AccountLimits::UNLIMITED);
        claims.limits.subscriptions = Limit::AtMost(10);
        assert_eq!(AccountLimits::from(&claims).subscriptions, Limit::AtMost(10));
    }

    #[test]
    fn document_without_limits_allows_nothing() {
        let mut claims = claims();
        claims.limits = NatsLimits::default();
        let limits = AccountLimits::from(&claims);
        assert!(!limits.connections.allows(1));
        assert!(!limits.subscriptions.allows(1));
        assert!(limits.rates.is_unlimited());
        assert_eq!(limits.payload_bytes_effective(Limit::Unlimited, 1024), 0);
    }

    #[test]
    fn effective_payload_is_the_least_of_user_account_and_server() {
        let with = |payload_bytes| AccountLimits {
            payload_bytes,
            ..AccountLimits::UNLIMITED
        };
        for (account, user, expected) in [
            (Limit::Unlimited, Limit::Unlimited, 1024),
            (Limit::AtMost(512), Limit::Unlimited, 512),
            (Limit::AtMost(512), Limit::AtMost(100), 100),
            (Limit::AtMost(512), Limit::AtMost(600), 512),
            (Limit::AtMost(4096), Limit::AtMost(2048), 1024),
            (Limit::Unlimited, Limit::AtMost(0), 0),
        ] {
            assert_eq!(with(account).payload_bytes_effective(user, 1024), expected);
        }
    }
}
