//! An operator and the accounts it signed, from a configuration: the resolver that is called MEMORY.

use std::io;

use tollway_accounts::{Exchange, InvalidExchange};
use tollway_claims::{Trust, TrustError};
use tollway_conf::{Position, ServerConfig};

use super::accounts::limit_by_server;
use super::surroundings::read as read_bytes;
use crate::broker::{ConfiguredAccount, ENFORCED};
use crate::error_text;

/// Why an operator or its accounts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidOperator {
    /// The file is not there.
    #[error("{at}: operator: open {path}")]
    Open {
        /// Where it is named.
        at: Position,
        /// Which file.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No JWT is in it.
    #[error("{at}: operator: {path} holds no JWT")]
    NoJwt {
        /// Where it is named.
        at: Position,
        /// Which file.
        path: String,
    },
    /// Not an operator's JWT.
    #[error("{at}: operator")]
    Operator {
        /// Where it is named.
        at: Position,
        /// What is wrong with it.
        #[source]
        source: TrustError,
    },
    /// An account that the operator does not stand for, or that wants what a node does not do.
    #[error("{at}: resolver_preload")]
    Account {
        /// Where it stands.
        at: Position,
        /// What is wrong with it.
        #[source]
        source: TrustError,
    },
    /// What such an account shares or renames cannot be.
    #[error("{at}: resolver_preload")]
    Exchange {
        /// Where it stands.
        at: Position,
        /// What is wrong with it.
        #[source]
        source: InvalidExchange,
    },
}

/// Begins every JWT: a JSON object in base64.
const JWT_BEGIN: &str = "eyJ";

/// Reads the operator and verifies its accounts. One whose time is over, or has not come, is not
/// served, and that is told; anything else that is wrong with one is an error.
pub(super) fn read(
    file: &ServerConfig,
    now: i64,
    notices: &mut Vec<String>,
) -> Result<(Trust, Vec<ConfiguredAccount>), Box<InvalidOperator>> {
    let operator = file.operators.first().expect("only asked for when there is one");
    let at = || operator.at.clone();
    let jwt = if operator.value.starts_with(JWT_BEGIN) {
        operator.value.clone()
    } else {
        let path = operator.value.clone();
        let bytes = read_bytes(&path).map_err(|source| InvalidOperator::Open {
            at: at(),
            path: path.clone(),
            source,
        })?;
        let text = String::from_utf8_lossy(&bytes);
        // Tools write it between two lines of dashes, or alone.
        let jwt = text
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with(JWT_BEGIN));
        jwt.ok_or(InvalidOperator::NoJwt { at: at(), path })?.to_owned()
    };
    let trust = Trust::from_operator_jwt(jwt.trim())
        .map_err(|source| InvalidOperator::Operator { at: at(), source })?
        .enforcing(ENFORCED);
    let pinned = &file.resolver_pinned_accounts;
    let mut accounts = Vec::new();
    for preloaded in &file.resolver_preload {
        let key = preloaded.account.to_string();
        if !pinned.is_empty() && !pinned.iter().any(|pinned| pinned.value == key) {
            continue;
        }
        match trust.verify_account(&preloaded.jwt.value, now) {
            Ok(mut claims) => {
                limit_by_server(&mut claims, file);
                let exchange = Exchange::compile(&claims, None);
                let exchange = exchange.map_err(|source| InvalidOperator::Exchange {
                    at: preloaded.jwt.at.clone(),
                    source,
                })?;
                accounts.push(ConfiguredAccount {
                    name: key,
                    claims,
                    exchange,
                });
            }
            Err(error @ (TrustError::Expired { .. } | TrustError::NotYetValid { .. })) => {
                let at = &preloaded.jwt.at;
                notices.push(format!("{at}: not served: {}", error_text::chain(&error)));
            }
            Err(source) => {
                let at = preloaded.jwt.at.clone();
                return Err(Box::new(InvalidOperator::Account { at, source }));
            }
        }
    }
    Ok((trust, accounts))
}
