//! What accounts of a file share, take and rename, as their documents would say it.

use std::sync::Arc;

use tollway_accounts::{Exchange, ImportRefusal, InvalidExchange, Links};
use tollway_claims::{
    AccountClaims, Destination, ExchangeError, Export, ExportKind, Import, ImportKind, LatencySampling,
    LocalSubject, LocalSubjectError, Mappings, NestedExports, ResponseType, ServiceLatency, ServiceTerms,
};
use tollway_conf::{Account, Located, Position, ServerConfig};
use tollway_subject::{FilterBuf, InvalidSubject};

use super::accounts::AccountKeys;

/// Why what accounts share cannot be.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSharing {
    /// A subject is none.
    #[error("{at}: {subject:?} is no subject")]
    Subject {
        /// Where it stands.
        at: Position,
        /// What stands there.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: InvalidSubject,
    },
    /// `to` of an import does not fit what is imported.
    #[error("{at}: the import's name here, {to:?}, does not fit what is imported")]
    To {
        /// Where it stands.
        at: Position,
        /// What stands there.
        to: String,
        /// What is wrong with it.
        #[source]
        source: Box<LocalSubjectError>,
    },
    /// As a document it would be refused.
    #[error("{at}: the account {account}")]
    Document {
        /// Where it stands.
        at: Position,
        /// Its name.
        account: String,
        /// What is wrong with it.
        #[source]
        source: Box<ExchangeError>,
    },
    /// A mapping or an import cannot be compiled.
    #[error("{at}: the account {account}")]
    Exchange {
        /// Where it stands.
        at: Position,
        /// Its name.
        account: String,
        /// What is wrong with it.
        #[source]
        source: Box<InvalidExchange>,
    },
    /// An import leads nowhere. All accounts are in the file, so none will come that it could lead to.
    #[error("{at}: the import of {subject:?} from {exporter:?} does not work")]
    Import {
        /// Where it stands.
        at: Position,
        /// What is imported.
        subject: String,
        /// From whom.
        exporter: String,
        /// Why not.
        #[source]
        source: Box<ImportRefusal>,
    },
}

/// Puts what an account of the file shares into its document.
pub(super) fn describe(
    claims: &mut AccountClaims,
    keys: &AccountKeys<'_>,
    account: &Account,
) -> Result<(), InvalidSharing> {
    for export in &account.exports {
        let subject = filter(&export.subject)?;
        let mut shared = match &export.kind {
            tollway_conf::ExportKind::Stream => Export::stream(subject),
            tollway_conf::ExportKind::Service { .. } => Export::service(subject),
        };
        if let tollway_conf::ExportKind::Service {
            response,
            threshold,
            latency,
            allow_trace,
        } = &export.kind
        {
            let latency = latency.as_ref().map(|latency| {
                Ok(ServiceLatency {
                    sampling: match latency.sampling {
                        tollway_conf::Sampling::Percent(percent) => LatencySampling::Percent(percent),
                        tollway_conf::Sampling::Headers => LatencySampling::Headers,
                    },
                    results: filter(&latency.subject)?,
                })
            });
            shared.kind = ExportKind::Service(ServiceTerms {
                response: match response {
                    tollway_conf::ResponseType::Single => ResponseType::Singleton,
                    tollway_conf::ResponseType::Stream => ResponseType::Stream,
                    tollway_conf::ResponseType::Chunked => ResponseType::Chunked,
                },
                response_threshold: *threshold,
                latency: latency.transpose()?,
                allow_trace: *allow_trace,
            });
        }
        shared.account_token_position = export.account_token_position.try_into().ok();
        shared.token_required = !export.accounts.is_empty();
        claims.exports.push(shared);
    }
    for import in &account.imports {
        let exporter = keys.of(&import.account.value);
        let subject = filter(&import.subject)?;
        let (mut taken, prefix) = match &import.kind {
            tollway_conf::ImportKind::Stream { prefix, .. } => (Import::stream(exporter, subject), prefix),
            tollway_conf::ImportKind::Service { .. } => (Import::service(exporter, subject), &None),
        };
        taken.kind = match &import.kind {
            tollway_conf::ImportKind::Stream { allow_trace, .. } => ImportKind::Stream {
                allow_trace: *allow_trace,
            },
            tollway_conf::ImportKind::Service { share } => ImportKind::Service { share: *share },
        };
        let prefixed = prefix.as_ref().map(|prefix| Located {
            value: format!("{}.{}", prefix.value, import.subject.value),
            at: prefix.at.clone(),
        });
        if let Some(to) = import.to.as_ref().or(prefixed.as_ref()) {
            let local = LocalSubject::new(&to.value, taken.subject.as_filter());
            taken.local_subject = Some(local.map_err(|source| InvalidSharing::To {
                at: import.at.clone(),
                to: to.value.clone(),
                source: Box::new(source),
            })?);
        }
        claims.imports.push(taken);
    }
    claims.mappings = mappings(&account.mappings)?;
    Ok(())
}

/// Compiles the document of an account, with those whom its exports name.
pub(super) fn compile(
    claims: &AccountClaims,
    keys: &AccountKeys<'_>,
    account: &Account,
) -> Result<Exchange, InvalidSharing> {
    claims
        .check_exchange_with(NestedExports::Accepted)
        .map_err(|source| InvalidSharing::Document {
            at: account.at.clone(),
            account: account.name.clone(),
            source: Box::new(source),
        })?;
    let exchange = Exchange::compile(claims, None).map_err(|source| InvalidSharing::Exchange {
        at: account.at.clone(),
        account: account.name.clone(),
        source: Box::new(source),
    })?;
    let exports = account.exports.iter().zip(&claims.exports);
    let exchange = exports.fold(exchange.named(&account.name), |exchange, (written, export)| {
        let named = written.accounts.iter().map(|name| keys.of(&name.value));
        exchange.approving(export.kind.shared(), &export.subject, named.collect())
    });
    Ok(exchange)
}

/// Mappings as a document has them.
pub(super) fn mappings(written: &[tollway_conf::Mapping]) -> Result<Mappings, InvalidSharing> {
    let mut mappings = Mappings::new();
    for mapping in written {
        let some = |destination: &&tollway_conf::Destination| destination.weight > 0;
        let destinations = mapping.destinations.iter().filter(some);
        let destinations = destinations.map(|destination| Destination {
            subject: destination.subject.value.clone(),
            weight: destination.weight,
            cluster: destination.cluster.clone(),
        });
        let source = filter(&mapping.source)?;
        mappings.entry(source).or_default().extend(destinations);
    }
    Ok(mappings)
}

/// Checks what all accounts together make of it; `now` is seconds since 1970.
pub(super) fn check<'e>(
    file: &ServerConfig,
    keys: &AccountKeys<'_>,
    exchanges: impl Iterator<Item = &'e Exchange>,
    now: i64,
) -> Result<(), InvalidSharing> {
    let mut links = Links::new();
    links.handle_documents(exchanges.map(|exchange| Arc::new(exchange.clone())), now);
    for account in &file.accounts {
        let imports = links.imports(&keys.of(&account.name));
        for (written, (_, outcome)) in account.imports.iter().zip(imports) {
            if let Err(refusal) = outcome {
                return Err(InvalidSharing::Import {
                    at: written.at.clone(),
                    subject: written.subject.value.clone(),
                    exporter: written.account.value.clone(),
                    source: Box::new(refusal.clone()),
                });
            }
        }
    }
    Ok(())
}

fn filter(text: &Located<String>) -> Result<FilterBuf, InvalidSharing> {
    FilterBuf::new(text.value.as_bytes()).map_err(|source| InvalidSharing::Subject {
        at: text.at.clone(),
        subject: text.value.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::accounts::{InvalidAccounts, configured};
    use super::*;
    use crate::broker::ConfiguredAccount;
    use crate::error_text;

    fn accounts(text: &str) -> Result<Vec<ConfiguredAccount>, InvalidAccounts> {
        let tree = tollway_conf::Tree::parse("t.conf", text.as_bytes(), &mut tollway_conf::Nothing).unwrap();
        configured(&ServerConfig::from_tree(&tree).unwrap(), 0)
    }

    fn problem(text: &str) -> String {
        error_text::chain(&accounts(text).expect_err("it is refused"))
    }

    #[test]
    fn what_a_file_shares_is_what_documents_would_say() {
        let accounts = accounts(
            "accounts {
               A { exports: [
                 { stream: \"s.*.*\", accounts: [B] }
                 { service: \"q.*\", response_type: stream, threshold: 5s, accounts: [B] } ] }
               B { imports: [
                     { stream: { account: A, subject: \"s.*.*\" }, to: \"in.$2.$1\" }
                     { service: { account: A, subject: \"q.x\" }, to: \"ask\" } ]
                   mappings: { \"a.*\": [ { destination: \"b.$1\", weight: 40% } ] } }
             }
             mappings: { \"of.global\": \"elsewhere\" }",
        )
        .unwrap();
        let of = |name: &str| accounts.iter().find(|account| account.name == name).unwrap();
        let (exporter, importer) = (of("A"), of("B"));
        assert!(exporter.claims.exports.iter().all(|export| export.token_required));
        let locals: Vec<_> = importer.claims.imports.iter().map(Import::local_filter).collect();
        assert_eq!(
            locals.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["in.*.*", "ask"]
        );
        let destinations = importer.claims.mappings.values().next().unwrap();
        assert_eq!(destinations, &[Destination::weighted("b.$1", 40)]);
        assert_eq!(of("$G").claims.mappings.len(), 1);
    }

    #[test]
    fn an_export_inside_another_is_taken_and_both_have_a_say() {
        let file = |whole: &str, part: &str| {
            format!(
                "accounts {{ A {{ exports: [ {{ service: \"a.>\" {whole} }}, {{ service: \"a.b\" {part} }} ] }}
                   B {{ imports: [ {{ service: {{ account: A, subject: \"a.b\" }} }} ] }} }}"
            )
        };
        assert!(accounts(&file("", "")).is_ok());
        assert!(accounts(&file(", accounts: [B]", ", accounts: [B]")).is_ok());
        for (whole, part) in [(", accounts: [A]", ""), ("", ", accounts: [A]")] {
            let told = problem(&file(whole, part));
            assert!(told.contains("activation"), "{told}");
        }
    }

    #[test]
    fn what_would_not_work_is_told_with_its_line() {
        let not_exported = "accounts {\n A { exports: [ { stream: a } ] }\n B { imports: [\n  { stream: { account: A, subject: b } } ] } }";
        let told = problem(not_exported);
        assert!(
            told.starts_with("t.conf:4:") && told.contains("does not export"),
            "{told}"
        );
        let not_approved = "accounts { A { exports: [ { stream: a, accounts: [A] } ] }, B { imports: [ { stream: { account: A, subject: a } } ] } }";
        assert!(
            problem(not_approved).contains("activation"),
            "{}",
            problem(not_approved)
        );
        let twice = "accounts { A { exports: [ { service: a }, { service: \"b.>\" }, { service: a } ] } }";
        assert!(problem(twice).contains("\"a\""), "{}", problem(twice));
        let cycle = "accounts { A { exports: [ { service: a } ], imports: [ { service: { account: B, subject: b }, to: a } ] }
                                B { exports: [ { service: b } ], imports: [ { service: { account: A, subject: a }, to: b } ] } }";
        assert!(problem(cycle).contains("cycle"), "{}", problem(cycle));
        let function = "accounts { A { mappings: { \"a.*\": \"b.{{nonsense(1)}}\" } } }";
        assert!(problem(function).contains("nonsense"), "{}", problem(function));
    }
}
