//! An operator, accounts and users as both servers get them: the same documents, the same creds.
//!
//! Every account has limits and every user has permissions, all of them wide enough for the load, so
//! that both servers have to ask on each message what a real tenant's messages would make them ask.

use std::num::NonZeroU64;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use tollway_claims::{
    AccountClaims, Export, Import, KeyKind, Limit, NatsLimits, OperatorClaims, Permissions, PublicKey, Rate,
    RateLimit, Rates, Rules, Signer, TollwayClaim, TollwayLimits, UserClaims,
};

/// Under this the load is published and subscribed to.
pub(crate) const ROOT: &str = "bench";

/// What no scenario reaches, and what the servers have to count against all the same.
const CONNECTIONS_MAX: u64 = 60_000;
const SUBSCRIPTIONS_MAX: u64 = 1_000_000;
const PAYLOAD_MAX: u64 = 1024 * 1024;
/// Messages and bytes a second, in each direction.
const RATE_MAX: u64 = 1_000_000_000_000;
/// At once may come what a rate allows in a second, divided by this.
const BURSTS: u64 = 10;

/// What a client shows when it connects.
pub(crate) struct Creds {
    pub(crate) jwt: String,
    pub(crate) signer: Signer,
}

/// What an account is granted, where it differs from others.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terms {
    /// Messages that it may publish a second; more than any load has when absent.
    pub(crate) messages_in: Option<u64>,
    pub(crate) exchange: Exchange,
}

/// What an account has to do with others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Exchange {
    #[default]
    Nothing,
    /// It exports [`STREAM`] and [`SERVICE`].
    Exports,
    /// It imports both from the account before it, under the same subjects.
    Imports,
}

/// A stream that accounts share: the subjects of all flows.
const STREAM: &str = "bench.stream.>";
/// A service that accounts share.
pub(crate) const SERVICE: &str = "bench.service";

/// One account: its documents, and the key that signs its users.
pub(crate) struct Account {
    signer: Signer,
    /// The account's JWT. The real server passes over what it says to our node alone.
    pub(crate) jwt: String,
}

impl Account {
    /// The account's public key, under which the real server finds its document.
    pub(crate) fn key(&self) -> String {
        self.signer.public().to_string()
    }

    /// A user of its own key.
    pub(crate) fn user(&self) -> anyhow::Result<Creds> {
        let signer = Signer::generate(KeyKind::User, random()?);
        let mut claims = UserClaims::new(self.signer.public(), signer.public(), "bench", now()?);
        claims.limits.permissions = permissions();
        let jwt = claims.encode(&self.signer)?;
        Ok(Creds { jwt, signer })
    }
}

/// The operator and its accounts.
pub(crate) struct Tenancy {
    /// The operator's JWT.
    pub(crate) operator: String,
    /// In the order that scenarios know them by.
    pub(crate) accounts: Vec<Account>,
}

impl Tenancy {
    /// Accounts on these terms.
    pub(crate) fn new(terms: &[Terms]) -> anyhow::Result<Self> {
        let now = now()?;
        let operator = Signer::generate(KeyKind::Operator, random()?);
        let mut accounts: Vec<Account> = Vec::new();
        for terms in terms {
            let signer = Signer::generate(KeyKind::Account, random()?);
            let before = accounts.last().map(|account| account.signer.public());
            let claims = claims(operator.public(), signer.public(), *terms, before, now)?;
            accounts.push(Account {
                jwt: claims.encode(&operator)?,
                signer,
            });
        }
        Ok(Self {
            operator: OperatorClaims::new(operator.public(), "bench", now).encode(&operator)?,
            accounts,
        })
    }
}

fn claims(
    operator: PublicKey,
    account: PublicKey,
    terms: Terms,
    before: Option<PublicKey>,
    now: i64,
) -> anyhow::Result<AccountClaims> {
    let mut claims = AccountClaims::new(operator, account, "bench", now);
    claims.limits = NatsLimits {
        subscriptions: Limit::AtMost(SUBSCRIPTIONS_MAX),
        payload: Limit::AtMost(PAYLOAD_MAX),
        connections: Limit::AtMost(CONNECTIONS_MAX),
        ..NatsLimits::unlimited()
    };
    let mut tollway = TollwayClaim::new(
        1,
        TollwayLimits {
            connections: Limit::AtMost(CONNECTIONS_MAX),
            subscriptions: Limit::AtMost(SUBSCRIPTIONS_MAX),
        },
    );
    let rate = |rate: u64| {
        let (per_second, burst) = (NonZeroU64::new(rate)?, NonZeroU64::new(rate / BURSTS)?);
        Some(RateLimit::AtMost(Rate { per_second, burst }))
    };
    tollway.rates = Rates {
        messages_in: rate(terms.messages_in.unwrap_or(RATE_MAX)),
        bytes_in: rate(RATE_MAX),
        messages_out: rate(RATE_MAX),
        bytes_out: rate(RATE_MAX),
    };
    claims.tollway = Some(tollway);
    match terms.exchange {
        Exchange::Nothing => {}
        Exchange::Exports => {
            claims.exports = vec![Export::stream(STREAM.parse()?), Export::service(SERVICE.parse()?)];
        }
        Exchange::Imports => {
            let other = before.context("an account stands before the one that imports from it")?;
            let (stream, service) = (STREAM.parse()?, SERVICE.parse()?);
            claims.imports = vec![Import::stream(other, stream), Import::service(other, service)];
        }
    }
    Ok(claims)
}

/// Everything that the load needs, and something denied in each direction. What begins with `_R_` are
/// the reply subjects that servers make for requests from other accounts.
fn permissions() -> Permissions {
    let rules = |more: &[&str]| Rules {
        allow: [&["bench.>", "_INBOX.>"], more]
            .concat()
            .iter()
            .map(|&rule| rule.to_owned())
            .collect(),
        deny: vec!["bench.denied.>".to_owned()],
    };
    Permissions {
        publish: rules(&["_R_.>"]),
        subscribe: rules(&[]),
        responses: None,
    }
}

fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("this machine has no source of random numbers"))?;
    Ok(bytes)
}

/// Seconds since 1970.
fn now() -> anyhow::Result<i64> {
    Ok(i64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    )?)
}
