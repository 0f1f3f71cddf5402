//! Whatever came before, links are those of the documents and the time that are now.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tollway_accounts::*;
use tollway_claims::*;
use tollway_subject::definition::matches;

use crate::world::*;

/// Three, so that imports often lead around.
const ACCOUNTS: u8 = 3;

#[derive(Debug, Clone)]
enum Step {
    Document(Box<AccountClaims>),
    Removal(u8),
    Time(i64),
}

/// Few subjects, so that exports and imports meet.
fn subjects() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["a", "b", "a.b", "a.*", "b.*", "*.b", "a.>", ">"])
}

/// A local name for a subject, among names that are exported again.
fn local(subject: &str, choice: u8) -> String {
    let stars = subject.split('.').filter(|token| *token == "*").count();
    let references = ["", ".$1", ".$2.$1"][stars];
    let tail = if subject.ends_with('>') { ".>" } else { "" };
    match choice {
        0 => format!("a{references}{tail}"),
        1 => format!("b{references}{tail}"),
        _ => String::new(),
    }
}

fn exports() -> impl Strategy<Value = Vec<Export>> {
    let one = (subjects(), proptest::bool::weighted(0.7), 0u8..12);
    proptest::collection::vec(one, 1..5).prop_map(|exports| {
        let exports = exports.into_iter().map(|(subject, service, access)| {
            let shared = if service { Shared::Service } else { Shared::Stream };
            match access {
                0 => private(shared, subject),
                1 => {
                    let mut export = private(shared, subject);
                    export.revocations.revoke(key(A), NOW + 5);
                    export
                }
                _ => export(shared, subject),
            }
        });
        exports.collect()
    })
}

fn imports(importer: u8) -> impl Strategy<Value = Vec<Import>> {
    let one = (
        1..=ACCOUNTS,
        subjects(),
        proptest::bool::weighted(0.7),
        0u8..4,
        proptest::option::of((0i64..30, 0i64..30)),
    );
    proptest::collection::vec(one, 0..5).prop_map(move |imports| {
        let imports = imports
            .into_iter()
            .map(|(from, subject, service, choice, times)| {
                let shared = if service { Shared::Service } else { Shared::Stream };
                let activation = times.map(|(begins, ends)| {
                    let claims = ActivationClaims {
                        not_before: Some(NOW + begins),
                        expires_at: Some(NOW + ends),
                        ..ActivationClaims::new(key(from), key(importer), shared, filter(">"), NOW)
                    };
                    Activation::decode(claims.encode(&signer(from)).unwrap()).unwrap()
                });
                Import {
                    activation,
                    ..import(shared, from, subject, &local(subject, choice))
                }
            });
        imports.collect()
    })
}

fn documents() -> impl Strategy<Value = AccountClaims> {
    (1..=ACCOUNTS)
        .prop_flat_map(|own| (Just(own), exports(), imports(own)))
        .prop_map(|(own, exports, imports)| {
            let mut claims = document(own);
            // One after the other, so that a list keeps those that its document may hold.
            for export in exports {
                claims.exports.push(export);
                if claims.check_exchange().is_err() {
                    claims.exports.pop();
                }
            }
            for import in imports {
                claims.imports.push(import);
                if claims.check_exchange().is_err() {
                    claims.imports.pop();
                }
            }
            claims
        })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => documents().prop_map(|claims| Step::Document(Box::new(claims))),
        1 => (1..=ACCOUNTS).prop_map(Step::Removal),
        2 => (0i64..10).prop_map(Step::Time),
    ];
    proptest::collection::vec(step, 1..14)
}

/// Everything that can be asked of one account.
fn state(links: &Links, account: u8) -> Option<(Routes, Vec<Result<Link, ImportRefusal>>)> {
    let routes = Routes::clone(links.routes(&key(account))?);
    let imports = links.imports(&key(account));
    Some((
        routes,
        imports
            .map(|(_, outcome)| outcome.cloned().map_err(Clone::clone))
            .collect(),
    ))
}

/// The slow definition of what an import needs, but for cycles.
fn is_granted(documents: &BTreeMap<u8, AccountClaims>, importer: u8, index: usize, now: i64) -> bool {
    let imports = &documents[&importer].imports;
    let import = &imports[index];
    let shared = import.kind.shared();
    let is_duplicate = imports[..index].iter().any(|earlier| {
        shared == Shared::Stream
            && earlier.kind.shared() == shared
            && (earlier.account, &earlier.subject) == (import.account, &import.subject)
    });
    let Some(exporter) = documents.values().find(|claims| claims.subject == import.account) else {
        return false;
    };
    let containing: Vec<_> = exporter
        .exports
        .iter()
        .filter(|export| {
            export.kind.shared() == shared && export.subject.as_filter().contains(import.subject.as_filter())
        })
        .collect();
    let allows = |export: &&Export| {
        let activation = import.activation.as_ref().map(Activation::claims);
        let counts = activation.is_some_and(|claims| {
            let begun = claims.not_before.is_none_or(|at| at <= now);
            let ended = claims.expires_at.is_some_and(|at| at <= now);
            begun && !ended && !export.revocations.is_revoked(&key(importer), claims.issued_at)
        });
        !export.token_required || counts
    };
    !is_duplicate && !containing.is_empty() && containing.iter().all(allows)
}

/// Subjects by the names of the world; `$n` replaced one after the other.
fn renamed(import: &Import, subject: &str) -> String {
    let tokens: Vec<&str> = subject.split('.').collect();
    let imported = import.subject.to_string();
    let mut wildcards = Vec::new();
    let mut tail = String::new();
    for (index, token) in imported.split('.').enumerate() {
        match token {
            "*" => wildcards.push(tokens[index]),
            ">" => tail = tokens[index..].join("."),
            _ => {}
        }
    }
    let Some(local) = &import.local_subject else {
        return subject.to_owned();
    };
    let local = local
        .as_str()
        .split('.')
        .map(|token| match token.strip_prefix('$') {
            Some(number) => wildcards[number.parse::<usize>().unwrap() - 1].to_owned(),
            None if token == ">" => tail.clone(),
            None => token.to_owned(),
        });
    local.collect::<Vec<_>>().join(".")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn links_depend_on_the_documents_and_the_time_alone(steps in steps(), order in any::<prop::sample::Index>()) {
        let mut links = Links::new();
        let mut documents: BTreeMap<u8, AccountClaims> = BTreeMap::new();
        let mut now = NOW;
        for step in steps {
            let before: Vec<_> = (1..=ACCOUNTS).map(|account| state(&links, account)).collect();
            let changes = match step {
                Step::Document(claims) => {
                    let own = (1..=ACCOUNTS).find(|own| key(*own) == claims.subject).unwrap();
                    let changes = links.handle_document(compiled(&claims), now);
                    documents.insert(own, *claims);
                    changes
                }
                Step::Removal(account) => {
                    documents.remove(&account);
                    links.handle_removal(&key(account), now)
                }
                Step::Time(seconds) => {
                    now += seconds;
                    links.handle_timeout(now)
                }
            };
            prop_assert!(links.poll_timeout().is_none_or(|at| at > now));

            // What is said to have changed is what changed.
            for (account, before) in (1..=ACCOUNTS).zip(before) {
                if let (Some(before), Some(after)) = (before, state(&links, account)) {
                    prop_assert_eq!(changes.routes.contains(&key(account)), before.0 != after.0);
                    prop_assert!(changes.imports.contains(&key(account)) || before.1 == after.1);
                }
            }

            // And it is what somebody would find who saw these documents only now, in another order.
            let mut fresh = Links::new();
            let mut in_order: Vec<_> = documents.values().collect();
            let by = order.index(in_order.len() + 1);
            in_order.rotate_left(by);
            let documents = in_order.iter().map(|claims| compiled(claims));
            match by % 2 {
                0 => _ = fresh.handle_documents(documents, now),
                _ => documents.for_each(|document| _ = fresh.handle_document(document, now)),
            }
            for account in 1..=ACCOUNTS {
                prop_assert_eq!(state(&links, account), state(&fresh, account), "account {}", account);
            }
        }

        // An import that is not refused for a cycle is granted exactly when the definition says so.
        for importer in documents.keys() {
            for (index, (_, outcome)) in links.imports(&key(*importer)).enumerate() {
                let granted = is_granted(&documents, *importer, index, now);
                match outcome {
                    Err(ImportRefusal::Cycle { .. } | ImportRefusal::ChainTooLong) => prop_assert!(granted),
                    outcome => prop_assert_eq!(outcome.is_ok(), granted, "{} {}: {:?}", importer, index, outcome),
                }
            }
        }

        // And the tables lead where the imports that work say.
        for exporter in documents.keys() {
            for subject in ["a", "b", "a.b", "b.a", "a.b.c", "c"] {
                let mut expected = Vec::new();
                for importer in documents.keys() {
                    for (import, outcome) in links.imports(&key(*importer)) {
                        let concerned = import.account == key(*exporter)
                            && matches(import.subject.as_filter(), subject.as_bytes());
                        if concerned && matches!(outcome, Ok(Link::Stream(_))) {
                            expected.push((key(*importer), renamed(import, subject)));
                        }
                    }
                }
                expected.sort();
                prop_assert_eq!(received(&links, *exporter, subject), expected);
            }
        }
    }

    /// Follows single messages through whatever services are granted: none
    /// that works lets a request come back to the import it left by.
    #[test]
    fn no_request_comes_around(documents in proptest::collection::vec(documents(), 2..6)) {
        let links = linked(&documents);
        for start in 1..=ACCOUNTS {
            for subject in ["a", "b", "a.b", "b.b", "a.b.a", "b.a.b"] {
                let mut at = vec![(start, subject.to_owned())];
                for _ in 0..=documents.len() * 5 {
                    let mut next = Vec::new();
                    for (account, subject) in at {
                        if links.routes(&key(account)).is_none() {
                            continue;
                        }
                        for (exporter, subject) in asked(&links, account, &subject) {
                            let exporter = (1..=ACCOUNTS).find(|own| key(*own) == exporter).unwrap();
                            next.push((exporter, subject));
                        }
                    }
                    next.sort();
                    next.dedup();
                    at = next;
                }
                prop_assert!(at.is_empty(), "{} from account {} still travels: {:?}", subject, start, at);
            }
        }
    }
}
