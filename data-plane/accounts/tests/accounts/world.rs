//! Accounts with fixed keys, and documents in few words.

use std::sync::{Arc, LazyLock};

use tollway_accounts::*;
use tollway_claims::*;
use tollway_subject::FilterBuf;

/// When everything in the tests happens, seconds since 1970.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) const A: u8 = 1;
pub(crate) const B: u8 = 2;
pub(crate) const C: u8 = 3;

pub(crate) fn signer(account: u8) -> Signer {
    Signer::generate(KeyKind::Account, [account; 32])
}

pub(crate) fn key(account: u8) -> PublicKey {
    static KEYS: LazyLock<[PublicKey; 32]> =
        LazyLock::new(|| std::array::from_fn(|account| signer(account as u8).public()));
    KEYS[usize::from(account)]
}

pub(crate) fn filter(text: &str) -> FilterBuf {
    text.parse().unwrap()
}

/// A document that shares nothing.
pub(crate) fn document(account: u8) -> AccountClaims {
    let operator = PublicKey::from_bytes(KeyKind::Operator, [99; 32]);
    AccountClaims::new(operator, key(account), account.to_string(), NOW)
}

pub(crate) fn exporting(account: u8, exports: impl Into<Vec<Export>>) -> AccountClaims {
    AccountClaims {
        exports: exports.into(),
        ..document(account)
    }
}

pub(crate) fn importing(account: u8, imports: impl Into<Vec<Import>>) -> AccountClaims {
    AccountClaims {
        imports: imports.into(),
        ..document(account)
    }
}

pub(crate) fn export(shared: Shared, subject: &str) -> Export {
    match shared {
        Shared::Stream => Export::stream(filter(subject)),
        Shared::Service => Export::service(filter(subject)),
    }
}

pub(crate) fn private(shared: Shared, subject: &str) -> Export {
    Export {
        token_required: true,
        ..export(shared, subject)
    }
}

/// An import under a local name; the same name when that is empty.
pub(crate) fn import(shared: Shared, from: u8, subject: &str, local: &str) -> Import {
    let local = match local {
        "" => None,
        local => Some(LocalSubject::new(local, filter(subject).as_filter()).unwrap()),
    };
    let import = match shared {
        Shared::Stream => Import::stream(key(from), filter(subject)),
        Shared::Service => Import::service(key(from), filter(subject)),
    };
    Import {
        local_subject: local,
        ..import
    }
}

pub(crate) fn compiled(claims: &AccountClaims) -> Arc<Exchange> {
    claims.check_exchange().expect("a document that is let in");
    Arc::new(Exchange::compile(claims, None).expect("a document that compiles"))
}

/// Links of these documents, which came in this order.
pub(crate) fn linked(documents: &[AccountClaims]) -> Links {
    let mut links = Links::new();
    for claims in documents {
        links.handle_document(compiled(claims), NOW);
    }
    links
}

/// For each import of an account, `ok` or why it is refused.
pub(crate) fn outcomes(links: &Links, account: u8) -> Vec<&'static str> {
    let imports = links.imports(&key(account));
    imports
        .map(|(_, outcome)| outcome.map_or_else(ImportRefusal::code, |_| "ok"))
        .collect()
}

/// Who receives a message of an account's client by streams, and as what: sorted.
pub(crate) fn received(links: &Links, account: u8, subject: &str) -> Vec<(PublicKey, String)> {
    let mut received = Vec::new();
    let table = links.routes(&key(account)).unwrap().table(0);
    table.streams(subject.as_bytes(), &mut |route| {
        let mut buffer = [0; 256];
        let mapped = route.map(subject.as_bytes(), &mut buffer).unwrap();
        received.push((route.importer, String::from_utf8(mapped.to_vec()).unwrap()));
    });
    received.sort();
    received
}

/// Who is asked by a request of an account's client, and as what: sorted.
pub(crate) fn asked(links: &Links, account: u8, subject: &str) -> Vec<(PublicKey, String)> {
    let mut asked = Vec::new();
    let table = links.routes(&key(account)).unwrap().table(0);
    table.services(subject.as_bytes(), &mut |route| {
        let mut buffer = [0; 256];
        let mapped = route.map(subject.as_bytes(), &mut buffer).unwrap();
        asked.push((route.exporter, String::from_utf8(mapped.to_vec()).unwrap()));
    });
    asked.sort();
    asked
}
