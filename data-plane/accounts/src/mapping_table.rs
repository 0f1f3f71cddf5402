//! An account's mappings, ready for the routing path.

use tollway_claims::{Destination, Mappings, WEIGHT_WHOLE};
use tollway_subject::{Filter, FilterBuf, Trie};

use crate::specificity::by_specificity;
use crate::transform::{NotMapped, Transform, TransformError, below, scatter};

/// What an account's clients publish, renamed.
///
/// Of several mappings that match a subject the most specific one decides
/// (token by token from the left, a literal before `*` before `>`); stock
/// servers take any. A mapped subject is not mapped again.
#[derive(Debug, Clone, Default)]
pub struct MappingTable {
    /// The place in `mappings` under each source. The most specific comes first there.
    sources: Trie<usize>,
    mappings: Vec<Mapping>,
}

#[derive(Debug, Clone)]
struct Mapping {
    /// Weights summed up from the first destination on, so that the first sum above a number is the choice.
    destinations: Vec<(u32, Transform)>,
    /// What happens to the rest of a hundred.
    rest: Rest,
}

#[derive(Debug, Clone, Copy)]
enum Rest {
    Stays,
    Lost,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapped<'b> {
    /// Where it was published to: no mapping matches, or chance left it there.
    Unchanged,
    /// To this subject instead.
    To(&'b [u8]),
    /// Nowhere: the mapping loses a share of the messages on purpose.
    Lost,
}

/// Why mappings cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the mapping of {source_filter} to {destination:?} is not acceptable")]
pub struct InvalidMapping {
    /// The source of the mapping.
    pub source_filter: FilterBuf,
    /// The destination.
    pub destination: String,
    /// What is wrong.
    #[source]
    pub source: TransformError,
}

impl MappingTable {
    /// Compiles the mappings of a document for clients of `cluster`. A
    /// destination for that cluster replaces those for all clusters; those
    /// for others do not count, but have to be right.
    pub fn compile(mappings: &Mappings, cluster: Option<&str>) -> Result<Self, InvalidMapping> {
        let mut sorted: Vec<_> = mappings.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| by_specificity(a.as_filter(), b.as_filter()));
        let mut table = Self::default();
        for (rank, (source, destinations)) in sorted.into_iter().enumerate() {
            table.sources.insert(source.as_filter(), rank);
            table
                .mappings
                .push(Mapping::compile(source.as_filter(), destinations, cluster)?);
        }
        Ok(table)
    }

    /// Whether nothing is mapped at all: most accounts'.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// Where a message goes that a client published to `subject`. `random`
    /// chooses among destinations and decides what `random` functions give.
    ///
    /// An error says that the destination that was chosen gives no subject;
    /// such a message has no receivers.
    pub fn map<'b>(
        &self,
        subject: &[u8],
        random: u64,
        buffer: &'b mut [u8],
    ) -> Result<Mapped<'b>, NotMapped> {
        let mut most_specific: Option<usize> = None;
        self.sources.matches(subject, &mut |&rank| {
            most_specific = Some(most_specific.map_or(rank, |least| least.min(rank)));
        });
        let Some(rank) = most_specific else {
            return Ok(Mapped::Unchanged);
        };
        let mapping = &self.mappings[rank];
        match (mapping.choose(random), mapping.rest) {
            // The choice used up this number: what the functions draw must not depend on the choice.
            (Some(transform), _) => transform.map(subject, scatter(random), buffer).map(Mapped::To),
            (None, Rest::Stays) => Ok(Mapped::Unchanged),
            (None, Rest::Lost) => Ok(Mapped::Lost),
        }
    }
}

impl Mapping {
    fn compile(
        source: Filter<'_>,
        destinations: &[Destination],
        cluster: Option<&str>,
    ) -> Result<Self, InvalidMapping> {
        let of_cluster = |cluster: &str| {
            destinations
                .iter()
                .any(|destination| destination.cluster.as_deref() == Some(cluster))
        };
        let scope = cluster.filter(|cluster| of_cluster(cluster));
        let mut sum = 0;
        let mut chosen = Vec::new();
        for destination in destinations {
            let transform = Transform::new(source, &destination.subject).map_err(|error| InvalidMapping {
                source_filter: source.to_buf(),
                destination: destination.subject.clone(),
                source: error,
            })?;
            if destination.cluster.as_deref() == scope {
                sum += u32::from(destination.weight);
                chosen.push((sum, transform));
            }
        }
        // Who lists the source itself says how much stays, and that the rest is meant to be lost.
        let source_listed = destinations
            .iter()
            .any(|destination| destination.subject.as_bytes() == source.as_bytes());
        Ok(Self {
            destinations: chosen,
            rest: if source_listed { Rest::Lost } else { Rest::Stays },
        })
    }

    fn choose(&self, random: u64) -> Option<&Transform> {
        let number = below(random, WEIGHT_WHOLE.into());
        self.destinations
            .iter()
            .find(|(sum, _)| number < *sum)
            .map(|(_, transform)| transform)
    }
}
