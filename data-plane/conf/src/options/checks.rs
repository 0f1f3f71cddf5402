//! What only shows when all options are known. Stock servers find some of it only when they start.

use std::collections::BTreeSet;
use std::time::Duration;

use super::exports::Export;
use super::users::User;
use super::websocket::Websocket;
use super::{ServerConfig, listens};
use crate::field::shown;
use crate::located::Located;
use crate::position::Position;
use crate::problem::Reason;
use crate::report::Report;

/// What stock servers take when nothing is said; options are compared with it.
const USUAL_PAYLOAD: u64 = 1024 * 1024;
const USUAL_PENDING: u64 = 64 * 1024 * 1024;
const USUAL_LAME_DUCK: Duration = Duration::from_secs(120);

/// The accounts that are there in any case.
const OWN_ACCOUNTS: [&str; 2] = [super::accounts::GLOBAL_ACCOUNT, "$SYS"];

/// Checks options against one another.
pub(crate) fn whole(report: &mut Report, config: &ServerConfig, resolver_is_said: bool) {
    let checks = Checks {
        config,
        accounts: config
            .accounts
            .iter()
            .map(|account| account.name.as_str())
            .collect(),
        users: all_users(config).map(|user| user.identity.label()).collect(),
    };
    checks.users(report);
    checks.accounts(report);
    checks.operators(report, resolver_is_said);
    checks.names(report);
    checks.sizes(report);
    checks.monitoring(report);
    checks.storage(report);
    if let Some(websocket) = &config.websocket {
        checks.websocket(report, websocket);
    }
}

fn all_users(config: &ServerConfig) -> impl Iterator<Item = &User> {
    let own = config.authorization.iter().flat_map(|block| &block.users);
    own.chain(config.accounts.iter().flat_map(|account| &account.users))
}

struct Checks<'c> {
    config: &'c ServerConfig,
    accounts: BTreeSet<&'c str>,
    users: BTreeSet<String>,
}

impl Checks<'_> {
    fn users(&self, report: &mut Report) {
        let mut seen = BTreeSet::new();
        for user in all_users(self.config) {
            let label = user.identity.label();
            if !seen.insert(label.clone()) {
                report.problem(&user.at, Reason::DuplicateUser(shown(&label)));
            }
        }
        let of_accounts = self
            .config
            .accounts
            .iter()
            .any(|account| !account.users.is_empty());
        if let Some(block) = &self.config.authorization
            && block.login.is_some()
            && of_accounts
        {
            conflict(
                report,
                &block.at,
                "a user, password or token in authorization",
                "users of accounts",
            );
        }
    }

    fn accounts(&self, report: &mut Report) {
        for account in &self.config.accounts {
            for name in account
                .exports
                .iter()
                .flat_map(|export: &Export| &export.accounts)
            {
                self.account_exists(report, name);
            }
            for import in &account.imports {
                self.account_exists(report, &import.account);
            }
        }
        let callout = self
            .config
            .authorization
            .iter()
            .filter_map(|block| block.auth_callout.as_ref());
        for callout in callout {
            for name in callout.account.iter().chain(&callout.allowed_accounts) {
                if name.value != "*" {
                    self.account_exists(report, name);
                }
            }
        }
    }

    fn account_exists(&self, report: &mut Report, name: &Located<String>) {
        if !self.accounts.contains(name.value.as_str()) && !OWN_ACCOUNTS.contains(&name.value.as_str()) {
            report.problem(&name.at, Reason::NoSuchAccount(shown(&name.value)));
        }
    }

    /// Accounts come from operators or from the file, never from both.
    fn operators(&self, report: &mut Report, resolver_is_said: bool) {
        let Some(operator) = self.config.operators.first() else {
            return;
        };
        if let Some(account) = self.config.accounts.first() {
            conflict(report, &account.at, "operator", "accounts in the file");
        }
        if let Some(user) = all_users(self.config).next() {
            conflict(report, &user.at, "operator", "users in the file");
        }
        if let Some(name) = &self.config.no_auth_user {
            conflict(report, &name.at, "operator", "no_auth_user");
        }
        if !self.config.trusted_keys.is_empty() {
            conflict(report, &operator.at, "operator", "trusted_keys");
        }
        if !resolver_is_said {
            let (block, key) = ("operator", "resolver: MEMORY");
            report.problem(&operator.at, Reason::Missing { block, key });
        }
    }

    fn names(&self, report: &mut Report) {
        if let Some(name) = &self.config.no_auth_user {
            self.user_exists(report, name);
        }
        if let Some(name) = &self.config.system_account
            && !self.config.is_operator_mode()
        {
            self.account_exists(report, name);
        }
    }

    fn user_exists(&self, report: &mut Report, name: &Located<String>) {
        if !self.config.is_operator_mode() && !self.users.contains(&name.value) {
            report.problem(&name.at, Reason::NoSuchUser(shown(&name.value)));
        }
    }

    fn sizes(&self, report: &mut Report) {
        let limits = &self.config.limits;
        let pending = limits.max_pending.as_ref();
        let payload = limits.max_payload.as_ref();
        let payload_bytes = payload.map_or(USUAL_PAYLOAD, |payload| u64::from(payload.value));
        let pending_bytes = pending.map_or(USUAL_PENDING, |pending| pending.value);
        if payload_bytes > pending_bytes {
            let at = payload
                .map(|payload| &payload.at)
                .or(pending.map(|pending| &pending.at));
            let (key, why) = ("max_payload".into(), "cannot be larger than max_pending");
            report.problem(at.expect("the usual sizes fit"), Reason::Invalid { key, why });
        }
        let duration = limits.lame_duck_duration.unwrap_or(USUAL_LAME_DUCK);
        if let Some(grace) = &limits.lame_duck_grace_period
            && grace.value >= duration
        {
            let (key, why) = (
                "lame_duck_grace_period".into(),
                "has to be shorter than lame_duck_duration",
            );
            report.problem(&grace.at, Reason::Invalid { key, why });
        }
    }

    fn monitoring(&self, report: &mut Report) {
        let https = &self.config.https;
        if !listens(https) {
            return;
        }
        let at = https.port.as_ref().map(|port| &port.at).expect("it listens");
        if listens(&self.config.http) {
            conflict(report, at, "http", "https");
        }
        if self.config.tls.is_none() {
            let (block, key) = ("https", "a block tls, whose certificate it shows");
            report.problem(at, Reason::Missing { block, key });
        }
    }

    fn storage(&self, report: &mut Report) {
        let Some(stream) = &self.config.jetstream else {
            return;
        };
        if let (Some(outer), Some(inner)) = (&self.config.store_dir, &stream.store_dir)
            && outer != inner
        {
            report.problem(&outer.at, Reason::Twice("store_dir".into()));
        }
        if let Some(domain) = &stream.domain
            && domain.value.contains(['.', '*', '>', ' ', '\t'])
        {
            let (key, why) = (
                "domain".into(),
                "is one token of a subject: no point, star, > or blank",
            );
            report.problem(&domain.at, Reason::Invalid { key, why });
        }
    }

    fn websocket(&self, report: &mut Report, websocket: &Websocket) {
        if let Some(name) = &websocket.no_auth_user {
            self.user_exists(report, name);
        }
        if !listens(&websocket.listen) {
            return;
        }
        if websocket.tls.is_none() && !websocket.no_tls {
            let (block, key) = (
                "websocket",
                "tls, or no_tls: true where something before it has TLS",
            );
            report.problem(&websocket.at, Reason::Missing { block, key });
        }
        if websocket.cookies.jwt.is_some() && !self.config.is_operator_mode() {
            let (block, key) = ("jwt_cookie", "operator");
            report.problem(&websocket.at, Reason::Missing { block, key });
        }
        if websocket.login.is_some() && !self.users.is_empty() {
            conflict(report, &websocket.at, "a login of the websocket", "users");
        }
        for origin in &websocket.allowed_origins {
            if !is_origin(&origin.value) {
                let (key, why) = (
                    "allowed_origins".into(),
                    "has to be as browsers send it: https://host or https://host:port",
                );
                report.problem(&origin.at, Reason::Invalid { key, why });
            }
        }
    }
}

fn conflict(report: &mut Report, at: &Position, one: &'static str, other: &'static str) {
    report.problem(at, Reason::Conflict { one, other });
}

/// `scheme://host` or `scheme://host:port`
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port_ok = match authority.rsplit_once(':') {
        Some((_, port)) if !authority.ends_with(']') => port.chars().all(|c| c.is_ascii_digit()),
        _ => true,
    };
    scheme_ok
        && !authority.is_empty()
        && port_ok
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}
