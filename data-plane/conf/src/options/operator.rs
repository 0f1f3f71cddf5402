//! `operator`, `resolver` and `resolver_preload`: accounts that come as signed documents.

use tollway_claims::{AccountClaims, KeyKind, PublicKey};

use crate::field::Field;
use crate::located::Located;
use crate::report::Report;
use crate::value::Value;

/// Where the accounts of an operator come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// From `resolver_preload`, and nowhere else.
    Memory,
}

/// One account that is known from the start.
#[derive(Debug, Clone, PartialEq)]
pub struct PreloadedAccount {
    /// Its key.
    pub account: PublicKey,
    /// Its document as it is written; that the operator signed it is checked by whoever trusts the operator.
    pub jwt: Located<String>,
}

/// `operator`: paths of operator JWTs, or the JWTs themselves, as they are written.
pub(crate) fn operators(report: &mut Report, field: &Field<'_>) -> Vec<Located<String>> {
    field
        .one_or_more()
        .iter()
        .filter_map(|item| item.name(report))
        .collect()
}

/// `resolver`: only the one that needs nobody else is there.
pub(crate) fn resolver(report: &mut Report, field: &Field<'_>) -> Option<Resolver> {
    const BECAUSE: &str = "a node asks nobody for accounts; use MEMORY and resolver_preload, or let a control plane lead the node";
    let word = match &field.node.value {
        Value::Text(text) => text.expose().trim(),
        Value::Map(map) => match map.get("type").map(|entry| &entry.node.value) {
            Some(Value::Text(text)) => text.expose(),
            _ => return report.invalid(field, "needs a type"),
        },
        _ => return report.wrong_kind(field, "MEMORY, or a map with a type"),
    };
    let word = word.to_ascii_uppercase();
    match word.as_str() {
        "MEM" | "MEMORY" => Some(Resolver::Memory),
        "FULL" | "CACHE" => {
            report.refuse(field, "a resolver with a directory", BECAUSE);
            None
        }
        _ if word.starts_with("URL") => {
            report.refuse(field, "a resolver with a URL", BECAUSE);
            None
        }
        _ => report.invalid(field, "has to be MEMORY"),
    }
}

/// `resolver_preload`: account documents by the key of their account.
pub(crate) fn preload(report: &mut Report, block: &Field<'_>) -> Vec<PreloadedAccount> {
    let mut accounts = Vec::new();
    for field in report.fields(block) {
        if field.referenced {
            continue;
        }
        let Some(jwt) = field.text(report) else { continue };
        let key = field.written.parse::<PublicKey>().ok();
        let Some(account) = key.filter(|key| key.kind() == KeyKind::Account) else {
            report.reject(&field, "the name has to be a public account key (A…)");
            continue;
        };
        match AccountClaims::decode(jwt.value.trim()) {
            Ok(claims) if claims.subject == account => accounts.push(PreloadedAccount {
                account,
                jwt: jwt.map(|text| text.trim().to_owned()),
            }),
            Ok(_) => report.reject(&field, "the document is that of another account"),
            Err(_) => report.reject(&field, "not an account JWT with a valid signature"),
        }
    }
    accounts
}

/// `trusted_keys`: operators by their keys.
pub(crate) fn trusted_keys(report: &mut Report, field: &Field<'_>) -> Vec<PublicKey> {
    field
        .one_or_more()
        .iter()
        .filter_map(|item| item.public_key(report, KeyKind::Operator, "has to be a public operator key (O…)"))
        .collect()
}
