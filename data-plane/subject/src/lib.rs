//! Subjects, filters and the trie: the only matching code of the project.
//!
//! A message is published to a *subject*, tokens between dots: `orders.eu.42`. A subscription,
//! permission, export or import names subjects with a *filter*: `*` stands for one token, `>` at
//! the end for one or more. Four layers, each tested against the one above it:
//!
//! ```text
//! definition::matches     what matching means: slow, obvious, read this first
//! filter_matches,         one filter against a subject or another filter:
//! filter_contains,        linear, no allocation; permissions ask these
//! filters_overlap
//! Matcher                 one filter that is asked often: permissions keep these
//! Trie<V>                 many filters against one subject: the broker's hot path
//! ```
//!
//! A trie of the filters `orders.eu.*`, `orders.>` and `*.eu.42` shares prefixes; a subject walks
//! down it token by token, through the literal child and the `*` child of each node:
//!
//! ```text
//! (root) ── orders ──┬── eu ── * ─ [A]
//!    │               └── >  ───── [B]
//!    └───── * ────────── eu ── 42 ─ [C]
//! ```
//!
//! ```
//! use tollway_subject::{Filter, Trie};
//!
//! let mut interest = Trie::new();
//! interest.insert(Filter::new(b"orders.eu.*")?, 'A');
//! interest.insert(Filter::new(b"orders.>")?, 'B');
//! interest.insert(Filter::new(b"*.eu.42")?, 'C');
//!
//! let mut receivers = Vec::new();
//! interest.matches(b"orders.eu.42", &mut |receiver| receivers.push(*receiver));
//! receivers.sort();
//! assert_eq!(receivers, ['A', 'B', 'C']);
//!
//! // A permission: may someone who is allowed `orders.>` subscribe to `orders.*.42`?
//! assert!(Filter::new(b"orders.>")?.contains(Filter::new(b"orders.*.42")?));
//!
//! interest.remove(Filter::new(b"orders.>")?, |receiver| *receiver == 'B');
//! assert_eq!(interest.len(), 2);
//! # Ok::<(), tollway_subject::InvalidSubject>(())
//! ```
//!
//! Subjects and filters are bytes. A published subject is not checked, because stock servers do
//! not check it either: it may be any bytes, and then it matches what it literally spells, or
//! nothing when a token is empty.

pub mod definition;
mod filter;
mod lossy;
mod matcher;
mod relation;
mod subject;
mod trie;
mod trie_values;

pub use filter::{Filter, FilterBuf};
pub use matcher::Matcher;
pub use relation::{filter_contains, filter_matches, filters_overlap};
pub use subject::{InvalidSubject, Subject, is_literal_subject, tokens};
pub use trie::{Key, Tour, Trie, Walk, WalkEnd};
