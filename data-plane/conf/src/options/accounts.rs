//! `accounts`: tenants that share nothing but what they export and import.

use std::collections::BTreeSet;

use tollway_claims::{KeyKind, Limit, Permissions, PublicKey};

use super::exports::{self, Export};
use super::imports::{self, Import};
use super::jetstream::{self, AccountJetStream};
use super::latency::percent;
use super::mappings::{self, Mapping};
use super::users::{self, User};
use super::{literal_subject_of, permissions};
use crate::field::{Field, shown};
use crate::located::Located;
use crate::position::Position;
use crate::problem::Reason;
use crate::report::Report;
use crate::value::Value;

/// The account of everybody who is in no other; a configuration cannot name one so.
pub const GLOBAL_ACCOUNT: &str = "$G";

/// One account.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// A key it is known by elsewhere.
    pub nkey: Option<PublicKey>,
    /// Who may connect to it.
    pub users: Vec<User>,
    /// What others may import.
    pub exports: Vec<Export>,
    /// What it takes from others.
    pub imports: Vec<Import>,
    /// Subjects that arrive as others.
    pub mappings: Vec<Mapping>,
    /// What it may use.
    pub limits: AccountLimits,
    /// Permissions of users who have none of their own.
    pub default_permissions: Option<Permissions>,
    /// What it may store.
    pub jetstream: Option<AccountJetStream>,
    /// Where traces of its messages go.
    pub message_trace: Option<MessageTrace>,
    /// Where its name stands.
    pub at: Position,
}

/// `limits` of an account; none where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Client connections.
    pub connections: Option<Limit>,
    /// Subscriptions of one connection.
    pub subscriptions: Option<Limit>,
    /// Bytes of a message.
    pub payload: Option<Limit>,
    /// Leaf node connections.
    pub leaf_nodes: Option<Limit>,
}

/// `msg_trace` of an account: which messages are followed, and where it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageTrace {
    /// The subject that is told.
    pub destination: Located<String>,
    /// So many of a hundred.
    pub sampling: u8,
}

/// Reads the block `accounts`: a map of accounts, or only their names.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Vec<Account> {
    match &block.node.value {
        Value::Map(map) => Report::fields_of(map)
            .iter()
            // A variable among the accounts is none.
            .filter(|field| !field.referenced)
            .filter_map(|field| account(report, field))
            .collect(),
        Value::List(_) => named(report, block),
        _ => report
            .wrong_kind(block, "a map of accounts, or a list of names")
            .unwrap_or_default(),
    }
}

fn named(report: &mut Report, block: &Field<'_>) -> Vec<Account> {
    let mut names = BTreeSet::new();
    let mut accounts = Vec::new();
    for item in block.items(report) {
        let Some(name) = item.name(report) else { continue };
        if is_reserved(report, &name.value, &name.at) {
            continue;
        }
        if !names.insert(name.value.clone()) {
            report.problem(&name.at, Reason::DuplicateAccount(shown(&name.value)));
            continue;
        }
        accounts.push(Account::empty(name.value, name.at));
    }
    accounts
}

fn is_reserved(report: &mut Report, name: &str, at: &Position) -> bool {
    let reserved = name == GLOBAL_ACCOUNT;
    if reserved {
        report.problem(at, Reason::ReservedAccount(name.to_owned()));
    }
    reserved
}

impl Account {
    fn empty(name: String, at: Position) -> Self {
        Self {
            name,
            nkey: None,
            users: Vec::new(),
            exports: Vec::new(),
            imports: Vec::new(),
            mappings: Vec::new(),
            limits: AccountLimits::default(),
            default_permissions: None,
            jetstream: None,
            message_trace: None,
            at,
        }
    }
}

fn account(report: &mut Report, field: &Field<'_>) -> Option<Account> {
    let name = field.written;
    if is_reserved(report, name, field.at) {
        return None;
    }
    report.map_of(field)?;
    let mut account = Account::empty(name.to_owned(), field.at.clone());
    let mut mappings = None;
    let mut trace = None;
    for inner in report.fields(field) {
        match inner.key.as_str() {
            "nkey" => {
                let why = "has to be a public account key (A…)";
                account.nkey = inner.public_key(report, KeyKind::Account, why);
            }
            "users" => account.users = users::read(report, &inner),
            "exports" => account.exports = exports::read(report, &inner),
            "imports" => account.imports = imports::read(report, &inner),
            "mappings" | "maps" => {
                let read = mappings::read(report, &inner);
                report.set(&mut mappings, Some(read), &inner);
            }
            "limits" => account.limits = limits(report, &inner),
            "default_permissions" => account.default_permissions = permissions::read(report, &inner),
            "jetstream" => account.jetstream = jetstream::read_account(report, &inner),
            "msg_trace" | "trace_dest" => {
                let read = message_trace(report, &inner);
                report.set(&mut trace, read, &inner);
            }
            _ => report.unknown(&inner, "an account"),
        }
    }
    account.mappings = mappings.unwrap_or_default();
    account.message_trace = trace;
    Some(account)
}

fn limits(report: &mut Report, block: &Field<'_>) -> AccountLimits {
    let mut limits = AccountLimits::default();
    for field in report.fields(block) {
        let slot = match field.key.as_str() {
            "max_connections" | "max_conn" => &mut limits.connections,
            "max_subscriptions" | "max_subs" => &mut limits.subscriptions,
            "max_payload" | "max_pay" => &mut limits.payload,
            "max_leafnodes" | "max_leafs" => &mut limits.leaf_nodes,
            _ => {
                report.unknown(&field, "the limits of an account");
                continue;
            }
        };
        let limit = limit(report, &field, i64::from(i32::MAX));
        report.set(slot, limit, &field);
    }
    limits
}

/// A number, or -1 for none.
pub(crate) fn limit(report: &mut Report, field: &Field<'_>, most: i64) -> Option<Limit> {
    let number = field.within(report, -1, most)?;
    Limit::try_from(number).ok()
}

/// A subject alone, or a map with a sampling.
fn message_trace(report: &mut Report, field: &Field<'_>) -> Option<MessageTrace> {
    if matches!(field.node.value, Value::Text(_)) {
        return Some(MessageTrace {
            destination: literal_subject_of(report, field)?,
            sampling: 100,
        });
    }
    if !matches!(field.node.value, Value::Map(_)) {
        return report.wrong_kind(field, "a subject, or a map with one");
    }
    let mut destination = None;
    let mut sampling = None;
    for inner in report.fields(field) {
        match inner.key.as_str() {
            "dest" => destination = Some(literal_subject_of(report, &inner)),
            "sampling" => sampling = percent(report, &inner, 1),
            _ => report.unknown(&inner, "msg_trace"),
        }
    }
    if destination.is_none() {
        let (block, key) = ("msg_trace", "dest");
        report.problem(field.at, Reason::Missing { block, key });
    }
    Some(MessageTrace {
        destination: destination??,
        sampling: sampling.unwrap_or(100),
    })
}
