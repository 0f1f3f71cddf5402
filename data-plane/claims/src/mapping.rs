//! Renaming of what an account's clients publish, by weights.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tollway_subject::{Filter, FilterBuf};

use crate::exchange::{
    DESTINATIONS_MAX, ExchangeError, SUBJECT_BYTES_MAX, SubjectError, check_subject, filter,
};
use crate::json::{Object, null_as_default};

/// Where messages go instead, by the subject or filter they are published to.
pub type Mappings = BTreeMap<FilterBuf, Vec<Destination>>;

/// One destination of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The new subject, with references to what the wildcards of the source
    /// match and functions of them. Whether those are right, only its compiler says.
    pub subject: String,
    /// How many of a hundred messages go there, from 1 to 100. What all
    /// destinations together leave of a hundred stays on the source; when the
    /// source itself is among the destinations, it is lost on purpose.
    pub weight: u8,
    /// The cluster whose clients it is for; all others when absent.
    pub cluster: Option<String>,
}

impl Destination {
    /// Every message goes there.
    pub fn all(subject: impl Into<String>) -> Self {
        Self::weighted(subject, WEIGHT_WHOLE)
    }

    /// So many of a hundred messages go there.
    pub fn weighted(subject: impl Into<String>, weight: u8) -> Self {
        Self {
            subject: subject.into(),
            weight,
            cluster: None,
        }
    }
}

/// The weights of one mapping in one cluster do not exceed this.
pub const WEIGHT_WHOLE: u8 = 100;

/// Why a mapping is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The source is no filter.
    #[error("its source is not acceptable")]
    Source(#[source] SubjectError),
    /// The destination is no subject.
    #[error("the destination {destination:?} is not acceptable")]
    Destination {
        /// The destination, cut to a readable length.
        destination: String,
        /// What is wrong with it.
        #[source]
        source: SubjectError,
    },
    /// Too many destinations.
    #[error("it has {found} destinations; at most {DESTINATIONS_MAX} are accepted")]
    TooManyDestinations {
        /// How many there are.
        found: usize,
    },
    /// A weight that is no percentage.
    #[error("the weight {found} is not from 0 to {WEIGHT_WHOLE}")]
    Weight {
        /// The weight.
        found: i64,
    },
    /// More than a hundred of a hundred.
    #[error("its weights add up to {found}{}; {WEIGHT_WHOLE} is the whole", in_cluster(cluster.as_deref()))]
    WeightSum {
        /// The sum.
        found: u32,
        /// The cluster it is for, if for one alone.
        cluster: Option<String>,
    },
    /// The same destination twice.
    #[error("the destination {destination:?} is listed twice")]
    DestinationTwice {
        /// The destination, cut to a readable length.
        destination: String,
    },
}

fn in_cluster(cluster: Option<&str>) -> String {
    cluster.map_or_else(String::new, |cluster| format!(" in the cluster {cluster:?}"))
}

pub(crate) fn check(source: &FilterBuf, destinations: &[Destination]) -> Result<(), MappingError> {
    check_subject(source.as_filter()).map_err(MappingError::Source)?;
    if destinations.len() > DESTINATIONS_MAX {
        return Err(MappingError::TooManyDestinations {
            found: destinations.len(),
        });
    }
    let mut seen = BTreeSet::new();
    let mut sums: BTreeMap<Option<&str>, u32> = BTreeMap::new();
    for destination in destinations {
        let weight = destination.weight;
        if !(1..=WEIGHT_WHOLE).contains(&weight) {
            return Err(MappingError::Weight { found: weight.into() });
        }
        check_destination(&destination.subject).map_err(|source| MappingError::Destination {
            destination: crate::exchange::excerpt(&destination.subject),
            source,
        })?;
        if !seen.insert(&destination.subject) {
            return Err(MappingError::DestinationTwice {
                destination: crate::exchange::excerpt(&destination.subject),
            });
        }
        *sums.entry(destination.cluster.as_deref()).or_default() += u32::from(weight);
    }
    match sums.into_iter().find(|&(_, sum)| sum > WEIGHT_WHOLE.into()) {
        Some((cluster, found)) => Err(MappingError::WeightSum {
            found,
            cluster: cluster.map(str::to_owned),
        }),
        None => Ok(()),
    }
}

/// Blanks and empty tokens, as in any subject; functions are left to their compiler.
fn check_destination(subject: &str) -> Result<(), SubjectError> {
    match subject.len() > SUBJECT_BYTES_MAX {
        true => Err(SubjectError::TooLong { bytes: subject.len() }),
        false => Ok(Filter::new(subject.as_bytes()).map(drop)?),
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RawDestination {
    #[serde(deserialize_with = "null_as_default")]
    subject: String,
    /// 0 and absent stand for the whole.
    #[serde(deserialize_with = "null_as_default")]
    weight: i64,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    cluster: String,
}

pub(crate) type RawMappings = BTreeMap<String, Vec<RawDestination>>;

/// Reads `mappings`: an object of lists of objects, where Go writes an empty list as `null`.
pub(crate) fn raw_mappings<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<RawMappings, D::Error> {
    type Written = BTreeMap<String, Option<Vec<Object<RawDestination>>>>;
    let written: Written = null_as_default(deserializer)?;
    let destinations = |list: Option<Vec<Object<RawDestination>>>| {
        list.unwrap_or_default()
            .into_iter()
            .map(|Object(destination)| destination)
            .collect()
    };
    Ok(written
        .into_iter()
        .map(|(source, list)| (source, destinations(list)))
        .collect())
}

pub(crate) fn to_raw(mappings: &Mappings) -> RawMappings {
    mappings
        .iter()
        .map(|(source, destinations)| {
            let destinations = destinations
                .iter()
                .map(|destination| RawDestination {
                    subject: destination.subject.clone(),
                    weight: destination.weight.into(),
                    cluster: destination.cluster.clone().unwrap_or_default(),
                })
                .collect();
            (source.to_string(), destinations)
        })
        .collect()
}

/// Reads the mappings of a document. [`crate::exchange::check`] looks at them as a whole afterwards.
pub(crate) fn from_raw(raw: RawMappings) -> Result<Mappings, ExchangeError> {
    raw.into_iter()
        .map(|(source, destinations)| {
            mapping(&source, destinations).map_err(|error| ExchangeError::mapping(&source, error))
        })
        .collect()
}

fn mapping(source: &str, raw: Vec<RawDestination>) -> Result<(FilterBuf, Vec<Destination>), MappingError> {
    let source = filter(source).map_err(MappingError::Source)?;
    let destinations = raw
        .into_iter()
        .map(|raw| {
            let weight = match raw.weight {
                0 => WEIGHT_WHOLE,
                found => u8::try_from(found).map_err(|_| MappingError::Weight { found })?,
            };
            Ok(Destination {
                subject: raw.subject,
                weight,
                cluster: Some(raw.cluster).filter(|cluster| !cluster.is_empty()),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok((source, destinations))
}
