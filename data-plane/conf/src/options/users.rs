//! Users who log in with a name or with a key.

use std::str::FromStr;

use tollway_claims::{ConnectionType, KeyKind, Permissions, PublicKey};

use super::permissions;
use crate::field::Field;
use crate::located::Located;
use crate::position::Position;
use crate::problem::Reason;
use crate::report::Report;
use crate::secret::Secret;

/// One entry of `users`.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Who it is, and how it is proved.
    pub identity: Identity,
    /// What the user may do. Users without get the default permissions of their block.
    pub permissions: Option<Permissions>,
    /// How the user may connect; in any way when empty.
    pub connection_types: Vec<ConnectionType>,
    /// Only through a trusted proxy.
    pub proxy_required: bool,
    /// Where the entry stands.
    pub at: Position,
}

/// How a user is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// By name and password. Also the name in a client's certificate, then without a password.
    Name {
        /// The name.
        name: String,
        /// The password, or its bcrypt hash.
        password: Option<Secret>,
    },
    /// By the key that signs the nonce.
    Key(PublicKey),
}

impl Identity {
    /// The name or key as text: what must be unique in a server.
    pub fn label(&self) -> String {
        match self {
            Self::Name { name, .. } => name.clone(),
            Self::Key(key) => key.to_string(),
        }
    }
}

/// Reads a list of users.
pub(crate) fn read(report: &mut Report, list: &Field<'_>) -> Vec<User> {
    list.items(report)
        .iter()
        .filter_map(|item| user(report, item))
        .collect()
}

fn user(report: &mut Report, item: &Field<'_>) -> Option<User> {
    report.map_of(item)?;
    let mut name = None;
    let mut password = None;
    let mut key = None;
    let mut rights = None;
    let mut connection_types = None;
    let mut proxy_required = None;
    for field in report.fields(item) {
        match field.key.as_str() {
            "user" | "username" => {
                let text = field.text(report);
                report.set(&mut name, Some(text), &field);
            }
            "pass" | "password" => {
                let secret = field.secret(report);
                report.set(&mut password, secret, &field);
            }
            "nkey" => {
                let parsed = field.public_key(report, KeyKind::User, "has to be a public user key (U…)");
                report.set(&mut key, Some(parsed), &field);
            }
            "permission" | "permissions" | "authorization" => {
                let read = permissions::read(report, &field);
                report.set(&mut rights, read, &field);
            }
            "allowed_connection_types" | "connection_types" | "clients" => {
                let types = self::connection_types(report, &field);
                report.set(&mut connection_types, Some(types), &field);
            }
            "proxy_required" => {
                let required = field.boolean(report);
                report.set(&mut proxy_required, required, &field);
            }
            _ => report.unknown(&field, "a user"),
        }
    }
    let says_something =
        |name: &Option<Located<String>>| name.as_ref().is_none_or(|name| !name.value.is_empty());
    let name = name.filter(says_something);
    let identity = match (name, key) {
        (None, None) => {
            let (block, key) = ("a user", "user or nkey");
            report.problem(&item.node.at, Reason::Missing { block, key });
            return None;
        }
        (Some(_), Some(_)) => return conflict(report, item),
        (None, Some(_)) if password.is_some() => return conflict(report, item),
        // What could not be read is reported already.
        (Some(name), None) => Identity::Name {
            name: name?.value,
            password,
        },
        (None, Some(key)) => Identity::Key(key?),
    };
    Some(User {
        identity,
        permissions: rights,
        connection_types: connection_types.unwrap_or_default(),
        proxy_required: proxy_required.unwrap_or(false),
        at: item.node.at.clone(),
    })
}

fn conflict(report: &mut Report, item: &Field<'_>) -> Option<User> {
    let (one, other) = ("nkey", "user and password");
    report.problem(&item.node.at, Reason::Conflict { one, other });
    None
}

fn connection_types(report: &mut Report, field: &Field<'_>) -> Vec<ConnectionType> {
    let mut types = Vec::new();
    for item in field.one_or_more() {
        let Some(word) = item.text(report) else { continue };
        match ConnectionType::from_str(&word.value) {
            Ok(kind) => types.push(kind),
            Err(()) => report.reject(
                &item,
                "has to be STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS or IN_PROCESS",
            ),
        }
    }
    types
}
