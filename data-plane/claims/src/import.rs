//! What an account takes from others.

use serde::{Deserialize, Serialize};
use tollway_subject::{Filter, FilterBuf, InvalidSubject};

use crate::activation::{Activation, ActivationError};
use crate::exchange::{ExchangeError, INFO_BYTES_MAX, Shared, SubjectError, check_subject, excerpt, filter};
use crate::json::null_as_default;
use crate::nkey::{KeyError, KeyKind, PublicKey};
use crate::token::TokenError;

/// One import of an account.
///
/// Older documents write `to` instead of `local_subject`, with a meaning that
/// depends on the type. It is read, and written as `local_subject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// A name for people.
    pub name: String,
    /// The account that exports it.
    pub account: PublicKey,
    /// What is imported, in the exporter's subjects.
    pub subject: FilterBuf,
    /// How it is called here; as there when absent.
    pub local_subject: Option<LocalSubject>,
    /// Stream or service, and what only that kind can say.
    pub kind: ImportKind,
    /// The exporter's permission, where the export asks for one.
    pub activation: Option<Activation>,
}

/// Stream or service, and what only that kind can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportKind {
    /// Messages that come in.
    Stream {
        /// Whether message traces go on into this account.
        allow_trace: bool,
    },
    /// Requests that go out.
    Service {
        /// Whether the exporter learns who asks: user, address, and the user's claims.
        share: bool,
    },
}

impl ImportKind {
    /// Which of the two.
    pub const fn shared(self) -> Shared {
        match self {
            Self::Stream { .. } => Shared::Stream,
            Self::Service { .. } => Shared::Service,
        }
    }
}

/// How an imported subject is called in the importing account.
///
/// `$1` stands for what the first `*` of the imported subject matches, `$2`
/// for the second. A `*` stands for the next one in order. Every `*` of the
/// imported subject has exactly one reference, and `>` ends both or neither,
/// so that each subject there has one name here and the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSubject {
    text: String,
    filter: FilterBuf,
    references: Vec<usize>,
}

/// Why a local subject does not fit the imported one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalSubjectError {
    /// It is no subject.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// `>` ends one of the two alone.
    #[error("both or neither of the local and the imported subject must end with >")]
    Tail,
    /// A reference to a `*` that the imported subject does not have.
    #[error("it refers to wildcard {found}, but the imported subject has {wildcards}")]
    Reference {
        /// The reference.
        found: String,
        /// How many `*` there are.
        wildcards: usize,
    },
    /// A `*` of the imported subject is referred to twice, or not at all.
    #[error("it must refer to each of the {wildcards} wildcards of the imported subject exactly once")]
    NotEachOnce {
        /// How many `*` there are.
        wildcards: usize,
    },
}

impl LocalSubject {
    /// Checks `text` as a local name of the imported subject.
    pub fn new(text: &str, imported: Filter<'_>) -> Result<Self, LocalSubjectError> {
        // As a filter with `$1` for an ordinary token: blanks, empty tokens, `>` in the middle.
        let written = filter(text)?;
        let wildcards = stars(imported);
        if ends_with_tail(written.as_filter()) != ends_with_tail(imported) {
            return Err(LocalSubjectError::Tail);
        }
        let mut references = Vec::new();
        let mut stars_before = 0;
        let mut tokens = Vec::new();
        for token in text.split('.') {
            let reference = match token {
                "*" => {
                    stars_before += 1;
                    Some(stars_before)
                }
                _ => numbered_reference(token, wildcards)?,
            };
            tokens.push(if reference.is_some() { "*" } else { token });
            references.extend(reference);
        }
        let mut sorted = references.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(1..=wildcards) {
            return Err(LocalSubjectError::NotEachOnce { wildcards });
        }
        Ok(Self {
            text: text.to_owned(),
            filter: filter(&tokens.join("."))?,
            references,
        })
    }

    /// As it stands in the document.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is subscribed or published to here: the name with `*` in place of each reference.
    pub fn filter(&self) -> &FilterBuf {
        &self.filter
    }

    /// For each `*` of [`Self::filter`], in order, the `*` of the imported subject it stands for, counted from 1.
    pub fn references(&self) -> &[usize] {
        &self.references
    }
}

/// A `$` and a number. Other tokens that begin with `$` are ordinary ones (`$JS`).
fn numbered_reference(token: &str, wildcards: usize) -> Result<Option<usize>, LocalSubjectError> {
    let Some(number) = token.strip_prefix('$') else {
        return Ok(None);
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match number.parse() {
        Ok(reference) if (1..=wildcards).contains(&reference) => Ok(Some(reference)),
        _ => Err(LocalSubjectError::Reference {
            found: excerpt(token),
            wildcards,
        }),
    }
}

fn stars(filter: Filter<'_>) -> usize {
    filter.tokens().filter(|token| *token == b"*").count()
}

fn ends_with_tail(filter: Filter<'_>) -> bool {
    filter.tokens().last() == Some(b">".as_slice())
}

/// Why an import is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// `null` in the list.
    #[error("the import is null")]
    Null,
    /// The subject is none.
    #[error("its subject is not acceptable")]
    Subject(#[source] SubjectError),
    /// `type` is neither `stream` nor `service`.
    #[error("its type {found:?} is neither \"stream\" nor \"service\"")]
    Type {
        /// What was there.
        found: String,
    },
    /// Nobody to import from.
    #[error("its account is missing")]
    AccountMissing,
    /// The account is no key.
    #[error("its account is no public key")]
    Account(#[source] KeyError),
    /// The account is a key of another role.
    #[error("its account is an {found} key")]
    AccountRole {
        /// The role of the key.
        found: KeyKind,
    },
    /// Both the old and the new field for the same thing.
    #[error("it has both local_subject and to")]
    LocalSubjectTwice,
    /// The local subject does not fit.
    #[error("its local subject is not acceptable")]
    LocalSubject(#[source] LocalSubjectError),
    /// The prefix that `to` is for streams has wildcards.
    #[error("its to must be a prefix without wildcards")]
    Prefix,
    /// Only services can share who asks.
    #[error("share is only for services")]
    ShareOfStream,
    /// Only streams can be traced into the importer.
    #[error("allow_trace is only for streams")]
    TraceOfService,
    /// The token cannot be read, or is not signed by its issuer. Addresses to fetch one from are not followed.
    #[error("its activation token is not acceptable")]
    Token(#[source] Box<TokenError>),
    /// The token is for something else.
    #[error("its activation token is not for this import")]
    Activation(#[from] ActivationError),
    /// Another import from the same account has the local subject already.
    #[error("{other} is the local subject of another service of that account and contains its own")]
    LocalSubjectTaken {
        /// The other local subject.
        other: FilterBuf,
    },
    /// Texts for people are bounded.
    #[error("its name is longer than {INFO_BYTES_MAX} bytes")]
    NameTooLong,
}

impl Import {
    /// A stream under the name it has in the exporting account.
    pub fn stream(account: PublicKey, subject: FilterBuf) -> Self {
        Self::new(account, subject, ImportKind::Stream { allow_trace: false })
    }

    /// A service under the name it has in the exporting account, not telling who asks.
    pub fn service(account: PublicKey, subject: FilterBuf) -> Self {
        Self::new(account, subject, ImportKind::Service { share: false })
    }

    fn new(account: PublicKey, subject: FilterBuf, kind: ImportKind) -> Self {
        Self {
            name: String::new(),
            account,
            subject,
            local_subject: None,
            kind,
            activation: None,
        }
    }

    /// What is subscribed to (streams) or published to (services) in the importing account.
    pub fn local_filter(&self) -> FilterBuf {
        match &self.local_subject {
            Some(local) => local.filter().clone(),
            None => self.subject.clone(),
        }
    }

    pub(crate) fn check(&self, importer: &PublicKey) -> Result<(), ImportError> {
        check_subject(self.subject.as_filter()).map_err(ImportError::Subject)?;
        if self.account.kind() != KeyKind::Account {
            return Err(ImportError::AccountRole {
                found: self.account.kind(),
            });
        }
        if let Some(local) = &self.local_subject {
            // The two are set separately, so they are compared again.
            LocalSubject::new(local.as_str(), self.subject.as_filter()).map_err(ImportError::LocalSubject)?;
        }
        if let Some(activation) = &self.activation {
            let subject = self.subject.as_filter();
            activation
                .claims()
                .check_import(importer, &self.account, self.kind.shared(), subject)?;
        }
        match self.name.len() > INFO_BYTES_MAX {
            true => Err(ImportError::NameTooLong),
            false => Ok(()),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RawImport {
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    subject: String,
    #[serde(deserialize_with = "null_as_default")]
    account: String,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    token: String,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    to: String,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    local_subject: String,
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    shared: String,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    share: bool,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    allow_trace: bool,
}

impl From<&Import> for RawImport {
    fn from(import: &Import) -> Self {
        let (share, allow_trace) = match import.kind {
            ImportKind::Stream { allow_trace } => (false, allow_trace),
            ImportKind::Service { share } => (share, false),
        };
        Self {
            name: import.name.clone(),
            subject: import.subject.to_string(),
            account: import.account.to_string(),
            token: import
                .activation
                .as_ref()
                .map_or_else(String::new, |activation| activation.token().to_owned()),
            to: String::new(),
            local_subject: import
                .local_subject
                .as_ref()
                .map_or_else(String::new, |local| local.as_str().to_owned()),
            shared: import.kind.shared().as_str().into(),
            share,
            allow_trace,
        }
    }
}

/// Reads the imports of a document. [`crate::exchange::check`] looks at them as a whole afterwards.
pub(crate) fn imports(raw: Vec<Option<RawImport>>) -> Result<Vec<Import>, ExchangeError> {
    raw.into_iter()
        .map(|raw| {
            let raw = raw.ok_or_else(|| ExchangeError::import("", ImportError::Null))?;
            let subject = raw.subject.clone();
            import(raw).map_err(|error| ExchangeError::import(&subject, error))
        })
        .collect()
}

fn import(raw: RawImport) -> Result<Import, ImportError> {
    let shared = Shared::parse(&raw.shared).ok_or_else(|| ImportError::Type {
        found: excerpt(&raw.shared),
    })?;
    let kind = match shared {
        Shared::Stream if raw.share => return Err(ImportError::ShareOfStream),
        Shared::Service if raw.allow_trace => return Err(ImportError::TraceOfService),
        Shared::Stream => ImportKind::Stream {
            allow_trace: raw.allow_trace,
        },
        Shared::Service => ImportKind::Service { share: raw.share },
    };
    if raw.account.is_empty() {
        return Err(ImportError::AccountMissing);
    }
    let account = raw.account.parse().map_err(ImportError::Account)?;
    let (subject, local) = subjects(&raw, shared)?;
    let local_subject = local
        .map(|local| LocalSubject::new(&local, subject.as_filter()))
        .transpose()
        .map_err(ImportError::LocalSubject)?;
    let activation = match raw.token.is_empty() {
        true => None,
        false => Some(Activation::decode(raw.token).map_err(|error| ImportError::Token(Box::new(error)))?),
    };
    Ok(Import {
        name: raw.name,
        account,
        subject,
        local_subject,
        kind,
        activation,
    })
}

/// The exporter's subject, and the local one where it differs, whichever way they are written.
fn subjects(raw: &RawImport, shared: Shared) -> Result<(FilterBuf, Option<String>), ImportError> {
    let subject = filter(&raw.subject).map_err(ImportError::Subject)?;
    match (raw.to.as_str(), raw.local_subject.as_str()) {
        ("", "") => Ok((subject, None)),
        ("", local) => Ok((subject, Some(local.to_owned()))),
        (to, "") => match shared {
            // `to` is what the exporter calls it, `subject` the local name.
            Shared::Service => {
                let exported = filter(to).map_err(ImportError::Subject)?;
                Ok((exported, Some(raw.subject.clone())))
            }
            // `to` is a prefix, with or without the dot behind it.
            Shared::Stream => {
                let prefix = to.strip_suffix('.').unwrap_or(to);
                let literal = tollway_subject::Subject::new(prefix.as_bytes());
                literal.map_err(|error| match error {
                    InvalidSubject::Wildcard { .. } => ImportError::Prefix,
                    error => ImportError::LocalSubject(SubjectError::Invalid(error).into()),
                })?;
                Ok((subject, Some(format!("{prefix}.{}", raw.subject))))
            }
        },
        _ => Err(ImportError::LocalSubjectTwice),
    }
}
