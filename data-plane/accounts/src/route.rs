//! Where messages cross from one account to another.

use std::sync::Arc;
use std::time::Duration;

use tollway_claims::{PublicKey, ResponseType, ServiceLatency};
use tollway_subject::{Filter, FilterBuf, Trie};

use crate::transform::{NotMapped, Transform};

/// How long a reply to an imported service is waited for, where the export does not say.
pub const RESPONSE_THRESHOLD_DEFAULT: Duration = Duration::from_secs(120);

/// One imported stream: messages of the exporter that its importer receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRoute {
    /// The account that publishes.
    pub exporter: PublicKey,
    /// The account that receives.
    pub importer: PublicKey,
    /// What is received, in the exporter's subjects.
    pub exported: FilterBuf,
    /// The same in the importer's.
    pub local: FilterBuf,
    /// Whether message traces go on into the importer's account.
    pub allow_trace: bool,
    pub(crate) to_local: Option<Transform>,
}

impl StreamRoute {
    /// What the importer receives a message of the exporter as. Nothing is
    /// copied where the import does not rename; otherwise it is written to `buffer`.
    pub fn map<'b>(&self, subject: &'b [u8], buffer: &'b mut [u8]) -> Result<&'b [u8], NotMapped> {
        renamed(self.to_local.as_ref(), subject, buffer)
    }

    /// What the exporter would have to be asked for on behalf of someone who
    /// subscribed to `subscribed` in the importing account; `None` when
    /// nothing of it comes this way.
    pub fn source_filter(&self, subscribed: Filter<'_>) -> Option<FilterBuf> {
        match &self.to_local {
            Some(to_local) => to_local.source_filter(subscribed),
            None => crate::intersection::intersection(subscribed, self.exported.as_filter()),
        }
    }
}

/// One imported service: requests of the importer that go to the exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRoute {
    /// The account that asks.
    pub importer: PublicKey,
    /// The account that answers.
    pub exporter: PublicKey,
    /// What is published to, in the importer's subjects.
    pub local: FilterBuf,
    /// The same in the exporter's.
    pub exported: FilterBuf,
    /// How many messages a reply has. After the only one of a singleton the way back is closed.
    pub response: ResponseType,
    /// How long the way back stays open without that.
    pub response_threshold: Duration,
    /// Whether and where the exporter wants response times told.
    pub latency: Option<Arc<ServiceLatency>>,
    /// Whether the exporter learns who asks, beyond the account.
    pub share: bool,
    /// Whether message traces go on into the exporter's account.
    pub allow_trace: bool,
    pub(crate) to_exported: Option<Transform>,
}

impl ServiceRoute {
    /// What the exporter receives a request as. Its reply subject, if it has
    /// one, must be replaced by one that leads back.
    pub fn map<'b>(&self, subject: &'b [u8], buffer: &'b mut [u8]) -> Result<&'b [u8], NotMapped> {
        renamed(self.to_exported.as_ref(), subject, buffer)
    }
}

fn renamed<'b>(
    transform: Option<&Transform>,
    subject: &'b [u8],
    buffer: &'b mut [u8],
) -> Result<&'b [u8], NotMapped> {
    match transform {
        Some(transform) => transform.map(subject, 0, buffer),
        None => Ok(subject),
    }
}

/// Everything that leaves one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// Of its streams, those that others import, ordered by importer.
    pub streams: Vec<Arc<StreamRoute>>,
    /// The services it imports, in the order of its document.
    pub services: Vec<Arc<ServiceRoute>>,
}

impl Routes {
    /// The same, to be asked by subject.
    pub fn table(&self, seed: u64) -> RouteTable {
        let mut table = RouteTable {
            streams: Trie::with_seed(seed),
            services: Trie::with_seed(seed),
        };
        for route in &self.streams {
            table
                .streams
                .insert(route.exported.as_filter(), Arc::clone(route));
        }
        for route in &self.services {
            table.services.insert(route.local.as_filter(), Arc::clone(route));
        }
        table
    }
}

/// What leaves one account, by the subject that is published to.
///
/// The subject is the one after the account's own mappings. What arrived by
/// an import does not leave again by a stream; a request that arrived does by a service.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    streams: Trie<Arc<StreamRoute>>,
    services: Trie<Arc<ServiceRoute>>,
}

impl RouteTable {
    /// Whether nothing leaves: most accounts, and then there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.services.is_empty()
    }

    /// Each import that receives a message on `subject`. An account that
    /// imports it twice receives it twice.
    pub fn streams<'t>(&'t self, subject: &[u8], visit: &mut impl FnMut(&'t Arc<StreamRoute>)) {
        self.streams.matches(subject, visit);
    }

    /// Each service that a request on `subject` goes to, beside the account's own subscribers.
    pub fn services<'t>(&'t self, subject: &[u8], visit: &mut impl FnMut(&'t Arc<ServiceRoute>)) {
        self.services.matches(subject, visit);
    }
}
