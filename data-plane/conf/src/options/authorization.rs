//! `authorization`: who may connect when there are no accounts, and for how long a client may wait.

use std::time::Duration;

use tollway_claims::{KeyKind, Permissions, PublicKey};

use super::permissions;
use super::users::{self, User};
use crate::field::Field;
use crate::located::Located;
use crate::notice::NoticeReason;
use crate::position::Position;
use crate::problem::Reason;
use crate::report::Report;
use crate::secret::Secret;

/// The block `authorization` of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Authorization {
    /// One login for everybody.
    pub login: Option<Login>,
    /// Users of the account that is there without accounts; each has the block's permissions or its own.
    pub users: Vec<User>,
    /// How long a client may take to log in; none means the usual time.
    pub timeout: Option<Duration>,
    /// Permissions of users who have none of their own.
    pub default_permissions: Option<Permissions>,
    /// Clients connect only through a trusted proxy.
    pub proxy_required: bool,
    /// A service that decides about most users.
    pub auth_callout: Option<AuthCallout>,
    /// Where the block stands.
    pub at: Position,
}

/// What everybody shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A name and a password, or only one of them.
    Password {
        /// The name.
        user: Option<String>,
        /// The password, or its bcrypt hash.
        password: Option<Secret>,
    },
    /// A token, or its bcrypt hash.
    Token(Secret),
}

/// `auth_callout`: a service inside an account decides about users who are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthCallout {
    /// The account key that signs what the service answers.
    pub issuer: PublicKey,
    /// The account of the service; that of the users when there is none.
    pub account: Option<Located<String>>,
    /// Users of the service itself, who are not asked about.
    pub auth_users: Vec<Located<String>>,
    /// A curve key requests are encrypted for.
    pub xkey: Option<String>,
    /// Accounts the service may place users into; all when empty.
    pub allowed_accounts: Vec<Located<String>>,
}

/// Longer ones are seldom meant.
const TIMEOUT_USUAL_MAX: Duration = Duration::from_secs(60);

/// Reads the block of the server.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Option<Authorization> {
    report.map_of(block)?;
    let mut simple = Simple::default();
    let mut users = None;
    let mut default_permissions = None;
    let mut proxy_required = None;
    let mut auth_callout = None;
    for field in report.fields(block) {
        match field.key.as_str() {
            "users" => {
                let list = users::read(report, &field);
                report.set(&mut users, Some(list), &field);
            }
            "default_permission" | "default_permissions" | "permissions" => {
                let read = permissions::read(report, &field);
                report.set(&mut default_permissions, read, &field);
            }
            "proxy_required" => {
                let required = field.boolean(report);
                report.set(&mut proxy_required, required, &field);
            }
            "auth_callout" => {
                let callout = self::auth_callout(report, &field);
                report.set(&mut auth_callout, callout, &field);
            }
            _ if simple.take(report, &field) => {}
            _ => report.unknown(&field, "authorization"),
        }
    }
    let timeout = simple.timeout;
    if timeout.is_some_and(|timeout| timeout > TIMEOUT_USUAL_MAX) {
        report.notice(
            block.at,
            NoticeReason::LongTimeout("the timeout of authorization"),
        );
    }
    let mut login = simple.login(report, block);
    if users.is_some() {
        match login {
            // `PASS: …` above a list of users that refers to it, as old files have it.
            Some(Login::Password { user: None, .. }) => login = None,
            Some(_) => {
                let (one, other) = ("a list of users", "a user or token beside it");
                report.problem(block.at, Reason::Conflict { one, other });
            }
            None => {}
        }
    }
    Some(Authorization {
        login,
        users: users.unwrap_or_default(),
        timeout,
        default_permissions,
        proxy_required: proxy_required.unwrap_or(false),
        auth_callout,
        at: block.at.clone(),
    })
}

/// What the blocks of the server and of single listeners have in common.
#[derive(Default)]
pub(crate) struct Simple {
    user: Option<Located<String>>,
    password: Option<Secret>,
    token: Option<Secret>,
    pub(crate) timeout: Option<Duration>,
}

impl Simple {
    /// Takes a field that it knows.
    pub(crate) fn take(&mut self, report: &mut Report, field: &Field<'_>) -> bool {
        match field.key.as_str() {
            "user" | "username" => {
                let user = field.text(report);
                report.set(&mut self.user, user, field);
            }
            "pass" | "password" => {
                let password = field.secret(report);
                report.set(&mut self.password, password, field);
            }
            "token" => {
                let token = field.secret(report);
                report.set(&mut self.token, token, field);
            }
            "timeout" => {
                let timeout = field.seconds(report);
                report.set(&mut self.timeout, timeout, field);
            }
            _ => return false,
        }
        true
    }

    /// The login, if there is one. An empty text counts as none, as on a stock server.
    pub(crate) fn login(self, report: &mut Report, block: &Field<'_>) -> Option<Login> {
        let user = self.user.map(|user| user.value).filter(|user| !user.is_empty());
        let password = self.password.filter(|password| !password.is_empty());
        let token = self.token.filter(|token| !token.is_empty());
        match (user, password, token) {
            (None, None, None) => None,
            (None, None, Some(token)) => Some(Login::Token(token)),
            (user, password, None) => Some(Login::Password { user, password }),
            (_, _, Some(_)) => {
                let (one, other) = ("a token", "a user or password");
                report.problem(block.at, Reason::Conflict { one, other });
                None
            }
        }
    }
}

fn auth_callout(report: &mut Report, block: &Field<'_>) -> Option<AuthCallout> {
    const BLOCK: &str = "auth_callout";
    report.map_of(block)?;
    let mut issuer = None;
    let mut account = None;
    let mut auth_users = None;
    let mut xkey = None;
    let mut allowed_accounts = None;
    for field in report.fields(block) {
        match field.key.as_str() {
            "issuer" => {
                let key = field.public_key(report, KeyKind::Account, "has to be a public account key (A…)");
                report.set(&mut issuer, Some(key), &field);
            }
            "account" => {
                let name = field.name(report);
                report.set(&mut account, name, &field);
            }
            "auth_users" | "users" => {
                let names = texts_of_list(report, &field);
                report.set(&mut auth_users, Some(names), &field);
            }
            "xkey" | "key" => {
                let text = field.text(report).map(|text| text.value);
                report.set(&mut xkey, text, &field);
            }
            "allowed_accounts" => {
                let names = texts_of_list(report, &field);
                report.set(&mut allowed_accounts, Some(names), &field);
            }
            _ => report.unknown(&field, BLOCK),
        }
    }
    let auth_users = auth_users.unwrap_or_default();
    for (missing, key) in [
        (issuer.is_none(), "issuer"),
        (auth_users.is_empty(), "auth_users"),
    ] {
        if missing {
            report.problem(block.at, Reason::Missing { block: BLOCK, key });
        }
    }
    Some(AuthCallout {
        issuer: issuer??,
        account,
        auth_users,
        xkey,
        allowed_accounts: allowed_accounts.unwrap_or_default(),
    })
}

/// The texts of a list; here a single text is no list.
fn texts_of_list(report: &mut Report, field: &Field<'_>) -> Vec<Located<String>> {
    field
        .items(report)
        .iter()
        .filter_map(|item| item.name(report))
        .collect()
}
