//! What an account shares with others and how it renames: what exports, imports and mappings have in common.
//!
//! A document whose exports, imports or mappings are wrong is refused as a
//! whole. Stock servers refuse most of the same when a document is pushed to
//! them; where they accept and then quietly leave an entry out, so that a
//! tenant wonders where the messages went, the document is refused here too.

use std::fmt;

use tollway_subject::{Filter, FilterBuf, InvalidSubject};

use crate::account::NatsLimits;
use crate::export::{Export, ExportError, ExportKind};
use crate::import::{Import, ImportError, ImportKind};
use crate::limit::Limit;
use crate::mapping::{MappingError, Mappings};
use crate::nkey::PublicKey;

/// Exports of one document.
pub const EXPORTS_MAX: usize = 4096;
/// Imports of one document.
pub const IMPORTS_MAX: usize = 4096;
/// Sources of mappings in one document.
pub const MAPPINGS_MAX: usize = 4096;
/// Destinations of one mapping, those of all clusters together.
pub const DESTINATIONS_MAX: usize = 256;
/// Bytes of a subject in an export, an import or a mapping.
pub const SUBJECT_BYTES_MAX: usize = 1024;
/// Bytes of a name, a description or a link.
pub const INFO_BYTES_MAX: usize = 8 * 1024;

/// What crosses between accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shared {
    /// Messages, from the exporter to whoever imports them.
    Stream,
    /// Requests from an importer to the exporter, and the replies back.
    Service,
}

impl Shared {
    /// The word in claims.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Service => "service",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Stream, Self::Service]
            .into_iter()
            .find(|shared| shared.as_str() == text)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text of a document is no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Not of the form of a subject.
    #[error(transparent)]
    Invalid(#[from] InvalidSubject),
    /// Longer than [`SUBJECT_BYTES_MAX`].
    #[error("it has {bytes} bytes; at most {SUBJECT_BYTES_MAX} are accepted")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Claims are JSON, and JSON is text.
    #[error("it is not UTF-8 text")]
    NotText,
}

/// Why the exports, imports or mappings of a document are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// More than any document may hold.
    #[error("the document has {found} {what}; at most {at_most} are accepted")]
    TooMany {
        /// `exports`, `imports` or `mappings`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        at_most: usize,
    },
    /// More than the operator grants this account.
    #[error("the document has {found} {what}; the operator allows {allowed}")]
    NotGranted {
        /// `exports` or `imports`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many the document's own limits allow.
        allowed: u64,
    },
    /// One export is wrong.
    #[error("the export {subject:?} is not acceptable")]
    Export {
        /// Its subject, cut to a readable length.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: ExportError,
    },
    /// One import is wrong.
    #[error("the import {subject:?} is not acceptable")]
    Import {
        /// Its subject, cut to a readable length.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: ImportError,
    },
    /// One mapping is wrong.
    #[error("the mapping of {subject:?} is not acceptable")]
    Mapping {
        /// Its source, cut to a readable length.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: MappingError,
    },
}

impl ExchangeError {
    /// A stable word for refusals and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooMany { .. } => "exchange_too_large",
            Self::NotGranted { .. } => "exchange_not_granted",
            Self::Export { .. } => "invalid_export",
            Self::Import { .. } => "invalid_import",
            Self::Mapping { .. } => "invalid_mapping",
        }
    }

    pub(crate) fn export(subject: &str, source: ExportError) -> Self {
        let subject = excerpt(subject);
        Self::Export { subject, source }
    }

    pub(crate) fn import(subject: &str, source: ImportError) -> Self {
        let subject = excerpt(subject);
        Self::Import { subject, source }
    }

    pub(crate) fn mapping(subject: &str, source: MappingError) -> Self {
        let subject = excerpt(subject);
        Self::Mapping { subject, source }
    }
}

/// A text of a document for an error: whoever wrote it finds it by its beginning.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A filter of a document.
pub(crate) fn filter(text: &str) -> Result<FilterBuf, SubjectError> {
    let filter = FilterBuf::new(text.as_bytes())?;
    check_subject(filter.as_filter())?;
    Ok(filter)
}

/// What a document asks of a filter that some program made.
pub(crate) fn check_subject(filter: Filter<'_>) -> Result<(), SubjectError> {
    let bytes = filter.as_bytes();
    if bytes.len() > SUBJECT_BYTES_MAX {
        return Err(SubjectError::TooLong { bytes: bytes.len() });
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(SubjectError::NotText),
    }
}

/// Whether one export may lie inside another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NestedExports {
    /// As in documents: nobody could say at a glance which of the two decides.
    Refused,
    /// As in configuration files of stock servers. Only two exports of the same subject are refused.
    Accepted,
}

/// Everything about exports, imports and mappings that one document alone can decide.
pub(crate) fn check(
    account: &PublicKey,
    limits: &NatsLimits,
    nested: NestedExports,
    exports: &[Export],
    imports: &[Import],
    mappings: &Mappings,
) -> Result<(), ExchangeError> {
    check_numbers("exports", exports.len(), EXPORTS_MAX, limits.exports)?;
    check_numbers("imports", imports.len(), IMPORTS_MAX, limits.imports)?;
    check_numbers("mappings", mappings.len(), MAPPINGS_MAX, Limit::Unlimited)?;
    for export in exports {
        let wildcards_granted = limits.wildcards || limits.exports == Limit::Unlimited;
        export
            .check(wildcards_granted)
            .map_err(|error| ExchangeError::export(&export.subject.to_string(), error))?;
    }
    check_exports_apart(exports, nested)?;
    check_latency_results(exports)?;
    for import in imports {
        import
            .check(account)
            .map_err(|error| ExchangeError::import(&import.subject.to_string(), error))?;
    }
    check_service_imports_apart(imports)?;
    for (source, destinations) in mappings {
        crate::mapping::check(source, destinations)
            .map_err(|error| ExchangeError::mapping(&source.to_string(), error))?;
    }
    Ok(())
}

fn check_numbers(
    what: &'static str,
    found: usize,
    at_most: usize,
    granted: Limit,
) -> Result<(), ExchangeError> {
    if found > at_most {
        return Err(ExchangeError::TooMany { what, found, at_most });
    }
    match granted {
        Limit::AtMost(allowed) if found as u64 > allowed => {
            Err(ExchangeError::NotGranted { what, found, allowed })
        }
        _ => Ok(()),
    }
}

/// One subject has one export of a kind: otherwise nobody could say which of
/// the two decides. Exports that merely overlap are accepted, as in stock servers.
fn check_exports_apart(exports: &[Export], nested: NestedExports) -> Result<(), ExchangeError> {
    for shared in [Shared::Stream, Shared::Service] {
        let of_kind: Vec<_> = exports
            .iter()
            .filter(|export| export.kind.shared() == shared)
            .collect();
        let pair = match nested {
            NestedExports::Refused => contained_pair(&of_kind, |export| export.subject.as_filter())
                .map(|(inner, outer)| (*inner, *outer)),
            NestedExports::Accepted => same_pair(&of_kind),
        };
        if let Some((inner, outer)) = pair {
            let source = ExportError::Contained {
                other: outer.subject.clone(),
            };
            return Err(ExchangeError::export(&inner.subject.to_string(), source));
        }
    }
    Ok(())
}

fn same_pair<'e>(exports: &[&'e Export]) -> Option<(&'e Export, &'e Export)> {
    let mut seen = std::collections::HashMap::new();
    exports
        .iter()
        .find_map(|export| Some((*export, seen.insert(&export.subject, *export)?)))
}

/// A measurement that is itself a request to a service would be measured, and so on.
fn check_latency_results(exports: &[Export]) -> Result<(), ExchangeError> {
    let services = || {
        exports
            .iter()
            .filter(|export| export.kind.shared() == Shared::Service)
    };
    for export in services() {
        let ExportKind::Service(service) = &export.kind else {
            continue;
        };
        let Some(latency) = &service.latency else { continue };
        if services().any(|other| other.subject.as_filter().matches(latency.results.as_bytes())) {
            let subject = export.subject.to_string();
            return Err(ExchangeError::export(
                &subject,
                ExportError::LatencyResultsExported,
            ));
        }
    }
    Ok(())
}

/// A request goes once to each account it is imported from, so local subjects
/// from one account may not contain each other.
fn check_service_imports_apart(imports: &[Import]) -> Result<(), ExchangeError> {
    let mut services: Vec<_> = imports
        .iter()
        .filter(|import| matches!(import.kind, ImportKind::Service { .. }))
        .map(|import| (import, import.local_filter()))
        .collect();
    services.sort_by_key(|(import, _)| import.account);
    for of_account in services.chunk_by(|(a, _), (b, _)| a.account == b.account) {
        if let Some(((inner, _), (_, other))) = contained_pair(of_account, |(_, local)| local.as_filter()) {
            let source = ImportError::LocalSubjectTaken { other: other.clone() };
            return Err(ExchangeError::import(&inner.subject.to_string(), source));
        }
    }
    Ok(())
}

/// Two of a list of which the second contains the first; the first such pair in the order of the list.
///
/// By a trie, because comparing all pairs of a list as long as it may be takes seconds.
fn contained_pair<'v, T, F>(values: &'v [T], filter: F) -> Option<(&'v T, &'v T)>
where
    F: for<'f> Fn(&'f T) -> Filter<'f>,
{
    let mut trie = tollway_subject::Trie::new();
    for (index, value) in values.iter().enumerate() {
        trie.insert(filter(value), index);
    }
    for (index, value) in values.iter().enumerate() {
        // A filter read as a subject is matched by what contains it, and by a
        // few that do not (`*` takes the token `>`), which are looked at again.
        let mut outer = None;
        trie.matches(filter(value).as_bytes(), &mut |&other: &usize| {
            let contains = other != index && filter(&values[other]).contains(filter(value));
            if contains {
                outer = Some(outer.map_or(other, |least: usize| least.min(other)));
            }
        });
        if let Some(other) = outer {
            return Some((value, &values[other]));
        }
    }
    None
}
