//! Accounts of a configuration, as documents that nobody signed.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use tollway_accounts::{Exchange, InvalidExchange};
use tollway_claims::{AccountClaims, KeyKind, Limit, PublicKey, TollwayClaim, TollwayLimits};
use tollway_conf::{GLOBAL_ACCOUNT, ServerConfig};

use super::sharing::{self, InvalidSharing};
use crate::broker::ConfiguredAccount;

/// The account that is there for the node itself.
pub(super) const SYSTEM_ACCOUNT: &str = "$SYS";

/// Why accounts cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAccounts {
    /// Two names stand for one account.
    #[error("the accounts {0:?} and {1:?} have the same nkey")]
    SameKey(String, String),
    /// What they share.
    #[error(transparent)]
    Sharing(#[from] Box<InvalidSharing>),
    /// What the account without users of its own renames.
    #[error("mappings")]
    Mappings(#[source] InvalidExchange),
}

/// The accounts of a file, with those that are always there.
pub(super) fn configured(file: &ServerConfig, now: i64) -> Result<Vec<ConfiguredAccount>, InvalidAccounts> {
    let keys = AccountKeys::of_file(file);
    let mut names: HashMap<PublicKey, &str> = HashMap::new();
    let mut accounts: Vec<ConfiguredAccount> = Vec::new();
    for account in &file.accounts {
        let mut claims = claims(&keys, &account.name, now);
        let limits = &mut claims.limits;
        let or_none = |limit: Option<Limit>| limit.unwrap_or(Limit::Unlimited);
        limits.connections = or_none(account.limits.connections);
        limits.subscriptions = or_none(account.limits.subscriptions);
        limits.payload = or_none(account.limits.payload);
        limits.leaf_nodes = or_none(account.limits.leaf_nodes);
        limit_by_server(&mut claims, file);
        if let Some(other) = names.insert(claims.subject, &account.name) {
            return Err(InvalidAccounts::SameKey(other.to_owned(), account.name.clone()));
        }
        sharing::describe(&mut claims, &keys, account).map_err(Box::new)?;
        let exchange = sharing::compile(&claims, &keys, account).map_err(Box::new)?;
        accounts.push(ConfiguredAccount {
            name: account.name.clone(),
            claims,
            exchange,
        });
    }
    let has_own = file.system_account.is_some() || file.no_system_account == Some(true);
    let system = (!has_own).then_some(SYSTEM_ACCOUNT);
    for name in [Some(GLOBAL_ACCOUNT), system].into_iter().flatten() {
        if accounts.iter().all(|account| account.name != name) {
            let mut claims = claims(&keys, name, now);
            limit_by_server(&mut claims, file);
            if name == GLOBAL_ACCOUNT {
                claims.mappings = sharing::mappings(&file.mappings).map_err(Box::new)?;
            }
            let exchange = Exchange::compile(&claims, None).map_err(InvalidAccounts::Mappings)?;
            accounts.push(ConfiguredAccount {
                name: name.to_owned(),
                exchange: exchange.named(name),
                claims,
            });
        }
    }
    let exchanges = accounts.iter().map(|account| &account.exchange);
    sharing::check(file, &keys, exchanges, now).map_err(Box::new)?;
    Ok(accounts)
}

/// What holds for every account, whoever described it: subscriptions are limited per connection,
/// as on a stock server, unless the account's document has a total of ours.
pub(super) fn limit_by_server(claims: &mut AccountClaims, file: &ServerConfig) {
    let of_server = file.limits.max_subscriptions.unwrap_or(Limit::Unlimited);
    claims.limits.subscriptions = claims.limits.subscriptions.min(of_server);
    let limits = TollwayLimits {
        connections: Limit::Unlimited,
        subscriptions: Limit::Unlimited,
    };
    claims.tollway.get_or_insert(TollwayClaim::new(0, limits));
}

/// The keys that the accounts of a file are kept under.
pub(super) struct AccountKeys<'f> {
    /// Those that the file says.
    own: HashMap<&'f str, PublicKey>,
}

impl<'f> AccountKeys<'f> {
    /// Reads the file once: thousands of accounts name each other.
    pub(super) fn of_file(file: &'f ServerConfig) -> Self {
        let own = file.accounts.iter();
        let own = own.filter_map(|account| Some((account.name.as_str(), account.nkey?)));
        Self { own: own.collect() }
    }

    /// The key of the account of this name.
    pub(super) fn of(&self, name: &str) -> PublicKey {
        let own = self.own.get(name).copied();
        own.unwrap_or_else(|| made_up(KeyKind::Account, name))
    }
}

/// A key that stays the same as long as the name does, and whose seed nobody has.
fn made_up(kind: KeyKind, name: &str) -> PublicKey {
    let mut digest = Sha256::new();
    digest.update(b"tollway: an account of a configuration, by its name\0");
    digest.update(name.as_bytes());
    PublicKey::from_bytes(kind, digest.finalize().into())
}

fn claims(keys: &AccountKeys<'_>, name: &str, now: i64) -> AccountClaims {
    let issuer = made_up(KeyKind::Operator, "the file");
    AccountClaims::new(issuer, keys.of(name), name, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ServerConfig {
        let tree = tollway_conf::Tree::parse("t.conf", text.as_bytes(), &mut tollway_conf::Nothing).unwrap();
        ServerConfig::from_tree(&tree).unwrap()
    }

    #[test]
    fn accounts_keep_their_keys_as_long_as_their_names() {
        let before = file("accounts { A {}, B {} }");
        let after = file("accounts { B {}, C {} }");
        let (before, after) = (AccountKeys::of_file(&before), AccountKeys::of_file(&after));
        assert_eq!(before.of("B"), after.of("B"));
        assert_ne!(before.of("A"), before.of("B"));
        assert_eq!(before.of("A").kind(), KeyKind::Account);
    }

    #[test]
    fn limits_of_an_account_are_within_those_of_the_server() {
        let file = file(
            "max_subscriptions: 10\naccounts { A { limits { max_subs: 5, max_conn: 2 } }, B { limits { max_subs: 50 } } }",
        );
        let accounts = configured(&file, 0).unwrap();
        let of = |name: &str| {
            let account = accounts.iter().find(|account| account.name == name).unwrap();
            (
                account.claims.limits.subscriptions,
                account.claims.limits.connections,
            )
        };
        assert_eq!(of("A"), (Limit::AtMost(5), Limit::AtMost(2)));
        assert_eq!(of("B"), (Limit::AtMost(10), Limit::Unlimited));
        assert_eq!(of("$G"), (Limit::AtMost(10), Limit::Unlimited));
        assert_eq!(of("$SYS").0, Limit::AtMost(10));
    }
}
