//! What an account offers to others.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tollway_subject::{FilterBuf, Subject};

use crate::account::{Revocations, raw_revocations, revocations};
use crate::exchange::{ExchangeError, INFO_BYTES_MAX, Shared, SubjectError, check_subject, excerpt, filter};
use crate::json::{is_zero, null_as_default, object_or_none};
use crate::nkey::KeyKind;

/// One export of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// A name for people.
    pub name: String,
    /// What is offered, in the exporter's own subjects.
    pub subject: FilterBuf,
    /// Stream or service, and on what terms.
    pub kind: ExportKind,
    /// Importers have to show an activation.
    pub token_required: bool,
    /// Accounts whose activations up to a time are void. Means nothing where none is required.
    pub revocations: Revocations,
    /// The token of the subject (counted from 1) that has to be the importer's
    /// public key. Such an export needs no activation, even if it says so.
    pub account_token_position: Option<NonZeroU32>,
    /// Whether catalogues should list it. Servers do nothing with it.
    pub advertise: bool,
    /// A sentence for people.
    pub description: String,
    /// Where people read more.
    pub info_url: String,
}

/// Stream or service, and what only that kind can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportKind {
    /// Messages that leave.
    Stream,
    /// Requests that come in.
    Service(ServiceTerms),
}

impl ExportKind {
    /// Which of the two.
    pub const fn shared(&self) -> Shared {
        match self {
            Self::Stream => Shared::Stream,
            Self::Service(_) => Shared::Service,
        }
    }
}

/// How a service answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceTerms {
    /// How many messages a reply has.
    pub response: ResponseType,
    /// How long a reply is waited for; the server's default when absent.
    pub response_threshold: Option<Duration>,
    /// Whether and where response times are told.
    pub latency: Option<ServiceLatency>,
    /// Whether message traces go on into the exporter's account.
    pub allow_trace: bool,
}

/// How many messages answer one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ResponseType {
    /// One; the way back is closed behind it.
    #[default]
    Singleton,
    /// Any number.
    Stream,
    /// One answer in parts.
    Chunked,
}

impl ResponseType {
    const ALL: [Self; 3] = [Self::Singleton, Self::Stream, Self::Chunked];

    /// The word in claims.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Singleton => "Singleton",
            Self::Stream => "Stream",
            Self::Chunked => "Chunked",
        }
    }
}

/// Measurements of a service's response times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceLatency {
    /// Which requests are measured.
    pub sampling: LatencySampling,
    /// The literal subject of the exporter that measurements are published to.
    pub results: FilterBuf,
}

/// Which requests of a service are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatencySampling {
    /// So many of a hundred, from 1 to 100.
    Percent(u8),
    /// Those whose headers ask for it (trace headers).
    Headers,
}

/// Why an export is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// `null` in the list.
    #[error("the export is null")]
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
    /// `response_type` is none of the three words.
    #[error("its response type {found:?} is none of Singleton, Stream and Chunked")]
    ResponseType {
        /// What was there.
        found: String,
    },
    /// A field that only services have.
    #[error("{field} is only for services")]
    OnlyService {
        /// The field.
        field: &'static str,
    },
    /// Negative, or more nanoseconds than claims can say.
    #[error("its response threshold must be from 0 to 9223372036854775807 nanoseconds")]
    ResponseThreshold,
    /// `sampling` is neither from 1 to 100 nor `headers`.
    #[error("its latency sampling must be from 1 to 100, or \"headers\"")]
    LatencySampling,
    /// `results` is no literal subject.
    #[error("its latency results must go to a literal subject")]
    LatencyResults,
    /// `results` lies in an export of the account itself.
    #[error("its latency results would be requests to an exported service")]
    LatencyResultsExported,
    /// Only a single answer has a response time.
    #[error("latency is only measured of services with a single response")]
    LatencyResponseType,
    /// The position does not hold a `*`.
    #[error("its account token position {position} must be that of a `*` in the subject")]
    AccountTokenPosition {
        /// The position in the document.
        position: i64,
    },
    /// A key among the revocations is none of an account, or another word than `*`.
    #[error("its revocations hold {found:?}, which is no account key")]
    Revocations {
        /// What was there.
        found: String,
    },
    /// The operator does not allow wildcards in exports.
    #[error("the operator does not allow exports with wildcards")]
    WildcardNotGranted,
    /// Another export of the kind has the subject already.
    #[error("{other} is exported as well and contains it")]
    Contained {
        /// The subject of the other export.
        other: FilterBuf,
    },
    /// Texts for people are bounded.
    #[error("its {field} is longer than {INFO_BYTES_MAX} bytes")]
    InfoTooLong {
        /// The field.
        field: &'static str,
    },
    /// `info_url` is no address.
    #[error("its info_url is no address with a scheme and a host")]
    InfoUrl,
}

impl Export {
    /// A stream that everybody may import.
    pub fn stream(subject: FilterBuf) -> Self {
        Self::new(subject, ExportKind::Stream)
    }

    /// A service that everybody may import, with one answer to a request.
    pub fn service(subject: FilterBuf) -> Self {
        Self::new(subject, ExportKind::Service(ServiceTerms::default()))
    }

    fn new(subject: FilterBuf, kind: ExportKind) -> Self {
        Self {
            name: String::new(),
            subject,
            kind,
            token_required: false,
            revocations: Revocations::default(),
            account_token_position: None,
            advertise: false,
            description: String::new(),
            info_url: String::new(),
        }
    }

    pub(crate) fn check(&self, wildcards_granted: bool) -> Result<(), ExportError> {
        check_subject(self.subject.as_filter()).map_err(ExportError::Subject)?;
        if !wildcards_granted && self.subject.as_filter().has_wildcard() {
            return Err(ExportError::WildcardNotGranted);
        }
        if let Some(position) = self.account_token_position {
            let token = self.subject.as_filter().tokens().nth(position.get() as usize - 1);
            if token != Some(b"*".as_slice()) {
                let position = position.get().into();
                return Err(ExportError::AccountTokenPosition { position });
            }
        }
        if let Some(key) = self
            .revocations
            .users
            .keys()
            .find(|key| key.kind() != KeyKind::Account)
        {
            let found = key.to_string();
            return Err(ExportError::Revocations { found });
        }
        if let ExportKind::Service(service) = &self.kind {
            service.check()?;
        }
        for (field, text) in [
            ("name", &self.name),
            ("description", &self.description),
            ("info_url", &self.info_url),
        ] {
            if text.len() > INFO_BYTES_MAX {
                return Err(ExportError::InfoTooLong { field });
            }
        }
        match self.info_url.is_empty() || has_scheme_and_host(&self.info_url) {
            true => Ok(()),
            false => Err(ExportError::InfoUrl),
        }
    }
}

impl ServiceTerms {
    fn check(&self) -> Result<(), ExportError> {
        if self
            .response_threshold
            .is_some_and(|threshold| i64::try_from(threshold.as_nanos()).is_err())
        {
            return Err(ExportError::ResponseThreshold);
        }
        let Some(latency) = &self.latency else {
            return Ok(());
        };
        if matches!(latency.sampling, LatencySampling::Percent(percent) if !(1..=100).contains(&percent)) {
            return Err(ExportError::LatencySampling);
        }
        let results = latency.results.as_filter();
        if check_subject(results).is_err() || Subject::new(results.as_bytes()).is_err() {
            return Err(ExportError::LatencyResults);
        }
        match self.response {
            ResponseType::Singleton => Ok(()),
            _ => Err(ExportError::LatencyResponseType),
        }
    }
}

/// `scheme://host...`: all that a link for people has to be.
fn has_scheme_and_host(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme_is_one = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    scheme_is_one && !host.is_empty() && !host.contains(char::is_whitespace)
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RawExport {
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    subject: String,
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    shared: String,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    token_req: bool,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    revocations: BTreeMap<String, i64>,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    response_type: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    response_threshold: i64,
    #[serde(deserialize_with = "object_or_none", skip_serializing_if = "Option::is_none")]
    service_latency: Option<RawLatency>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    account_token_position: i64,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    advertise: bool,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    allow_trace: bool,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    description: String,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    info_url: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RawLatency {
    sampling: RawSampling,
    #[serde(deserialize_with = "null_as_default")]
    results: String,
}

/// A number, where 0 and an absent one stand for the headers, or the word for them.
#[derive(Debug, Default)]
struct RawSampling(i64);

const SAMPLING_HEADERS: &str = "headers";

impl Serialize for RawSampling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => serializer.serialize_str(SAMPLING_HEADERS),
            percent => serializer.serialize_i64(percent),
        }
    }
}

impl<'de> Deserialize<'de> for RawSampling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self(number)),
            Written::Word(word) if word.eq_ignore_ascii_case(SAMPLING_HEADERS) => Ok(Self(0)),
            Written::Word(_) => Err(serde::de::Error::custom("sampling is a number or \"headers\"")),
        }
    }
}

impl From<&Export> for RawExport {
    fn from(export: &Export) -> Self {
        let raw = Self {
            name: export.name.clone(),
            subject: export.subject.to_string(),
            shared: export.kind.shared().as_str().into(),
            token_req: export.token_required,
            revocations: raw_revocations(&export.revocations),
            account_token_position: export
                .account_token_position
                .map_or(0, |position| position.get().into()),
            advertise: export.advertise,
            description: export.description.clone(),
            info_url: export.info_url.clone(),
            ..Self::default()
        };
        let ExportKind::Service(service) = &export.kind else {
            return raw;
        };
        Self {
            response_type: service.response.as_str().into(),
            response_threshold: service.response_threshold.map_or(0, |threshold| {
                i64::try_from(threshold.as_nanos()).unwrap_or(i64::MAX)
            }),
            service_latency: service.latency.as_ref().map(|latency| RawLatency {
                sampling: RawSampling(match latency.sampling {
                    LatencySampling::Headers => 0,
                    LatencySampling::Percent(percent) => percent.into(),
                }),
                results: latency.results.to_string(),
            }),
            allow_trace: service.allow_trace,
            ..raw
        }
    }
}

/// Reads the exports of a document. [`crate::exchange::check`] looks at them as a whole afterwards.
pub(crate) fn exports(raw: Vec<Option<RawExport>>) -> Result<Vec<Export>, ExchangeError> {
    raw.into_iter()
        .map(|raw| {
            let raw = raw.ok_or_else(|| ExchangeError::export("", ExportError::Null))?;
            let subject = raw.subject.clone();
            export(raw).map_err(|error| ExchangeError::export(&subject, error))
        })
        .collect()
}

fn export(raw: RawExport) -> Result<Export, ExportError> {
    let subject = filter(&raw.subject).map_err(ExportError::Subject)?;
    let shared = Shared::parse(&raw.shared).ok_or_else(|| ExportError::Type {
        found: excerpt(&raw.shared),
    })?;
    let kind = match shared {
        Shared::Stream => {
            for (present, field) in [
                (!raw.response_type.is_empty(), "response_type"),
                (raw.response_threshold != 0, "response_threshold"),
                (raw.service_latency.is_some(), "service_latency"),
                (raw.allow_trace, "allow_trace"),
            ] {
                if present {
                    return Err(ExportError::OnlyService { field });
                }
            }
            ExportKind::Stream
        }
        Shared::Service => ExportKind::Service(ServiceTerms {
            response: response_type(&raw.response_type)?,
            response_threshold: response_threshold(raw.response_threshold)?,
            latency: raw.service_latency.map(latency).transpose()?,
            allow_trace: raw.allow_trace,
        }),
    };
    let position = raw.account_token_position;
    let account_token_position = match u32::try_from(position) {
        Ok(position) => NonZeroU32::new(position),
        Err(_) => return Err(ExportError::AccountTokenPosition { position }),
    };
    let revocations =
        revocations(KeyKind::Account, raw.revocations).map_err(|text| ExportError::Revocations {
            found: excerpt(&text),
        })?;
    Ok(Export {
        name: raw.name,
        subject,
        kind,
        token_required: raw.token_req,
        revocations,
        account_token_position,
        advertise: raw.advertise,
        description: raw.description,
        info_url: raw.info_url,
    })
}

fn response_type(text: &str) -> Result<ResponseType, ExportError> {
    if text.is_empty() {
        return Ok(ResponseType::Singleton);
    }
    ResponseType::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| ExportError::ResponseType { found: excerpt(text) })
}

fn response_threshold(nanoseconds: i64) -> Result<Option<Duration>, ExportError> {
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| ExportError::ResponseThreshold)?;
    Ok((nanoseconds != 0).then(|| Duration::from_nanos(nanoseconds)))
}

fn latency(raw: RawLatency) -> Result<ServiceLatency, ExportError> {
    let sampling = match raw.sampling.0 {
        0 => LatencySampling::Headers,
        percent => match u8::try_from(percent) {
            Ok(percent @ 1..=100) => LatencySampling::Percent(percent),
            _ => return Err(ExportError::LatencySampling),
        },
    };
    Ok(ServiceLatency {
        sampling,
        results: filter(&raw.results).map_err(|_| ExportError::LatencyResults)?,
    })
}
