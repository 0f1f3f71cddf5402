//! What one account shares, takes and renames, compiled from its document.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use tollway_claims::{AccountClaims, Export, Import, PublicKey, Shared};
use tollway_subject::{Filter, FilterBuf, Trie};

use crate::mapping_table::{InvalidMapping, MappingTable};
use crate::specificity::by_specificity;
use crate::transform::{Transform, TransformError};

/// The part of an account's document that is about others, and how it renames.
///
/// A node compiles this before it lets the document in: what does not compile
/// is a reason to refuse the document, and nothing can go wrong afterwards.
#[derive(Debug, Clone)]
pub struct Exchange {
    account: PublicKey,
    /// What stands for the account in the subject of an export with an account token position.
    token: String,
    /// Whose signature on an activation is the account's own.
    signers: BTreeSet<PublicKey>,
    exports: Vec<Offer>,
    /// The places in `exports` of each kind, under the subject.
    streams: Trie<usize>,
    services: Trie<usize>,
    imports: Vec<CompiledImport>,
    mappings: Arc<MappingTable>,
}

/// An export and who may import it besides those who show an activation.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) export: Export,
    pub(crate) approved: BTreeSet<PublicKey>,
}

impl From<&Export> for Offer {
    fn from(export: &Export) -> Self {
        Self {
            export: export.clone(),
            approved: BTreeSet::new(),
        }
    }
}

/// An import and how its subjects are renamed.
#[derive(Debug, Clone)]
pub(crate) struct CompiledImport {
    pub(crate) import: Import,
    /// What it is called here.
    pub(crate) local: FilterBuf,
    /// From the exporter's subjects to the local ones; `None` when they are the same.
    pub(crate) to_local: Option<Transform>,
    /// And back.
    pub(crate) to_exported: Option<Transform>,
    /// An earlier import takes the same stream from the same account.
    pub(crate) is_duplicate: bool,
}

/// Why a document cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExchange {
    /// A mapping is wrong.
    #[error(transparent)]
    Mapping(#[from] InvalidMapping),
    /// The renaming of an import is wrong.
    #[error("the import {subject} cannot be renamed")]
    Import {
        /// The subject that is imported.
        subject: FilterBuf,
        /// What is wrong.
        #[source]
        source: TransformError,
    },
}

impl InvalidExchange {
    /// A stable word for refusals, the same as for documents that cannot be read.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mapping(_) => "invalid_mapping",
            Self::Import { .. } => "invalid_import",
        }
    }
}

impl Exchange {
    /// Compiles a document. `cluster` is that of the node's clients, which mappings may be meant for.
    pub fn compile(claims: &AccountClaims, cluster: Option<&str>) -> Result<Self, InvalidExchange> {
        let signing_keys = claims.signing_keys.iter().map(|key| key.key());
        let mut exchange = Self {
            account: claims.subject,
            token: claims.subject.to_string(),
            signers: signing_keys.chain([claims.subject]).collect(),
            exports: claims.exports.iter().map(Offer::from).collect(),
            streams: Trie::new(),
            services: Trie::new(),
            imports: Vec::with_capacity(claims.imports.len()),
            mappings: Arc::new(MappingTable::compile(&claims.mappings, cluster)?),
        };
        for (index, export) in claims.exports.iter().enumerate() {
            let of_kind = match export.kind.shared() {
                Shared::Stream => &mut exchange.streams,
                Shared::Service => &mut exchange.services,
            };
            of_kind.insert(export.subject.as_filter(), index);
        }
        let mut streams = HashSet::new();
        for import in &claims.imports {
            let is_stream = import.kind.shared() == Shared::Stream;
            let is_duplicate = is_stream && !streams.insert((import.account, &import.subject));
            exchange
                .imports
                .push(CompiledImport::compile(import, is_duplicate)?);
        }
        Ok(exchange)
    }

    /// The account it is about.
    pub fn account(&self) -> PublicKey {
        self.account
    }

    /// Gives the account another name than its public key. In a configuration
    /// file accounts are known by name, also in account token positions.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.token = name.into();
        self
    }

    /// Lets these accounts import a private export without an activation. In
    /// a configuration file an export lists who may import it.
    pub fn approving(mut self, shared: Shared, export: &FilterBuf, accounts: BTreeSet<PublicKey>) -> Self {
        for offer in &mut self.exports {
            if offer.export.kind.shared() == shared && offer.export.subject == *export {
                offer.approved.extend(accounts.iter().copied());
            }
        }
        self
    }

    /// How what its clients publish is renamed. Shared, for the routing path to keep.
    pub fn mappings(&self) -> &Arc<MappingTable> {
        &self.mappings
    }

    pub(crate) fn imports(&self) -> &[CompiledImport] {
        &self.imports
    }

    /// Whether an activation signed by this key is the account's word.
    pub(crate) fn is_signer(&self, key: &PublicKey) -> bool {
        self.signers.contains(key)
    }

    /// What stands for the account in subjects.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The exports of a kind that reach all of a subject, the most specific first.
    pub(crate) fn exports_of(&self, shared: Shared, subject: Filter<'_>) -> Vec<&Offer> {
        let of_kind = match shared {
            Shared::Stream => &self.streams,
            Shared::Service => &self.services,
        };
        let mut containing = Vec::new();
        // Read as a subject, a filter is matched by what contains it, and by little else.
        of_kind.matches(subject.as_bytes(), &mut |&index: &usize| {
            let offer = &self.exports[index];
            if offer.export.subject.as_filter().contains(subject) {
                containing.push(offer);
            }
        });
        containing.sort_by(|a: &&Offer, b: &&Offer| {
            by_specificity(a.export.subject.as_filter(), b.export.subject.as_filter())
        });
        containing
    }
}

impl CompiledImport {
    fn compile(import: &Import, is_duplicate: bool) -> Result<Self, InvalidExchange> {
        let imported = import.subject.as_filter();
        let to_local = match &import.local_subject {
            Some(local) if local.filter() != &import.subject || !is_in_order(local.references()) => {
                let renaming = Transform::renaming(imported, local);
                Some(renaming.map_err(|source| InvalidExchange::Import {
                    subject: import.subject.clone(),
                    source,
                })?)
            }
            _ => None,
        };
        let to_exported = to_local
            .as_ref()
            .map(|to_local| to_local.reversed().expect("a renaming has a reverse"));
        Ok(Self {
            import: import.clone(),
            local: import.local_filter(),
            to_local,
            to_exported,
            is_duplicate,
        })
    }
}

/// `foo.$2.$1` has the same filter as `foo.*.*`, and yet renames.
fn is_in_order(references: &[usize]) -> bool {
    references.is_sorted()
}
