//! The streams and consumers of an account: whether what is asked for may be made.

use std::collections::BTreeMap;

use crate::api::request::{ConsumerCreateRequest, StreamConfigRequest};
use crate::config::policies::{AckPolicy, ConsumerAction, DeliverPolicy, Retention};
use crate::config::{
    AccountLimits, ConsumerConfig, ConsumerContext, DeliverySubject, OtherStreams, ServerLimits,
    StreamConfig, StreamContext, filters_overlap,
};
use crate::error::{ApiError, ErrorKind};

/// How the streams and consumers of an account are configured. Every configuration is in normal form.
///
/// The catalog decides and remembers; making, changing and removing is for whoever asks it.
#[derive(Debug, Default)]
pub struct Catalog {
    streams: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    config: StreamConfig,
    consumers: BTreeMap<String, ConsumerConfig>,
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<T> {
    /// Something new is to be made.
    Make(T),
    /// What there is becomes this.
    Change(T),
    /// It is there and like this already.
    Same(T),
}

impl<T> Decision<T> {
    /// What it is or will be like.
    pub fn config(&self) -> &T {
        let (Self::Make(config) | Self::Change(config) | Self::Same(config)) = self;
        config
    }
}

/// What an account may have.
#[derive(Debug, Clone, Copy)]
pub struct Grants<'a> {
    /// Limits of the server.
    pub server: &'a ServerLimits,
    /// Limits of the account, or of its tier.
    pub account: &'a AccountLimits,
}

impl OtherStreams for Catalog {
    fn config(&self, name: &str) -> Option<&StreamConfig> {
        self.streams.get(name).map(|entry| &entry.config)
    }
}

impl Catalog {
    /// How a consumer is configured.
    pub fn consumer(&self, stream: &str, consumer: &str) -> Option<&ConsumerConfig> {
        self.streams.get(stream)?.consumers.get(consumer)
    }

    fn context<'a>(&'a self, grants: &Grants<'a>, pedantic: bool) -> StreamContext<'a> {
        StreamContext {
            server: grants.server,
            account: grants.account,
            streams: self,
            pedantic,
        }
    }

    /// Whether a stream may be made. The same stream again is no error.
    pub fn decide_stream_create(
        &self,
        request: &StreamConfigRequest,
        grants: &Grants<'_>,
    ) -> Result<Decision<StreamConfig>, ApiError> {
        let config = request
            .config
            .normalized(&self.context(grants, request.pedantic))?;
        if config.num_replicas > 1 {
            return Err(ErrorKind::StreamReplicasNotSupported.into());
        }
        if let Some(present) = self.streams.get(&config.name) {
            if present.config == config {
                return Ok(Decision::Same(config));
            }
            return Err(ErrorKind::StreamNameExist.into());
        }
        self.check_overlap(&config)?;
        config.check_origins()?;
        Ok(Decision::Make(config))
    }

    /// Whether a stream may be changed.
    pub fn decide_stream_update(
        &self,
        request: &StreamConfigRequest,
        grants: &Grants<'_>,
    ) -> Result<Decision<StreamConfig>, ApiError> {
        let present = self
            .streams
            .get(&request.config.name)
            .ok_or(ErrorKind::StreamNotFound)?;
        let context = self.context(grants, request.pedantic);
        let config = present.config.updated(&request.config, &context)?;
        self.check_overlap(&config)?;
        Ok(Decision::Change(config))
    }

    /// A message is stored once.
    fn check_overlap(&self, config: &StreamConfig) -> Result<(), ApiError> {
        let others = self
            .streams
            .values()
            .filter(|other| other.config.name != config.name);
        let taken = others.flat_map(|other| &other.config.subjects);
        for taken in taken {
            if config
                .subjects
                .iter()
                .any(|subject| filters_overlap(subject, taken))
            {
                return Err(ErrorKind::StreamSubjectOverlap.into());
            }
        }
        Ok(())
    }

    /// Whether a consumer may be made or changed. `name` is for one that the request does not name;
    /// `is_bound` tells whether somebody listens to a subject.
    pub fn decide_consumer(
        &self,
        request: &ConsumerCreateRequest,
        name: &str,
        grants: &Grants<'_>,
        is_bound: impl Fn(&str) -> bool,
    ) -> Result<Decision<ConsumerConfig>, ApiError> {
        let stream = self
            .streams
            .get(&request.stream_name)
            .ok_or(ErrorKind::StreamNotFound)?;
        if request.config.num_replicas > 1 {
            return Err(ErrorKind::StreamReplicasNotSupported.into());
        }
        let context = ConsumerContext {
            server: grants.server,
            account: grants.account,
            stream: &stream.config,
            pedantic: request.pedantic,
        };
        let mut wanted = request.config.clone();
        if let Some(present) = stream.consumers.get(wanted.effective_name()) {
            // A pause is not lifted by somebody who asks for the consumer once more.
            wanted.pause_until = present.pause_until;
        }
        let mut config = wanted.normalized(&context)?;
        if config.is_durable() {
            config.name.clone_from(&config.durable_name);
        }
        if let Some(present) = stream.consumers.get(&config.name) {
            if request.action == ConsumerAction::Create && *present != config {
                return Err(ErrorKind::ConsumerAlreadyExists.into());
            }
            if stream.config.retention == Retention::WorkQueue && !stream.has_to_itself(&config) {
                return Err(ErrorKind::ConsumerWQConsumerNotUnique.into());
            }
            let delivery = if is_bound(&present.deliver_subject) {
                DeliverySubject::Bound
            } else {
                DeliverySubject::Unbound
            };
            present.check_update(&config, delivery)?;
            return Ok(if *present == config {
                Decision::Same(config)
            } else {
                Decision::Change(config)
            });
        }
        if request.action == ConsumerAction::Update {
            return Err(ErrorKind::ConsumerDoesNotExist.into());
        }
        if config.is_limitable() {
            stream.check_consumer_count(grants)?;
            if stream.config.retention == Retention::WorkQueue {
                stream.check_work_queue(&config)?;
            }
        }
        if config.name.is_empty() {
            name.clone_into(&mut config.name);
        }
        Ok(Decision::Make(config))
    }

    /// Remembers a stream that was made or changed.
    pub fn put_stream(&mut self, config: StreamConfig) {
        match self.streams.get_mut(&config.name) {
            Some(entry) => entry.config = config,
            None => {
                let entry = Entry {
                    config,
                    consumers: BTreeMap::new(),
                };
                self.streams.insert(entry.config.name.clone(), entry);
            }
        }
    }

    /// Forgets a stream with its consumers.
    pub fn remove_stream(&mut self, stream: &str) -> Result<(), ApiError> {
        match self.streams.remove(stream) {
            Some(_) => Ok(()),
            None => Err(ErrorKind::StreamNotFound.into()),
        }
    }

    /// Remembers a consumer that was made or changed.
    pub fn put_consumer(&mut self, stream: &str, config: ConsumerConfig) -> Result<(), ApiError> {
        let entry = self.streams.get_mut(stream).ok_or(ErrorKind::StreamNotFound)?;
        entry.consumers.insert(config.name.clone(), config);
        Ok(())
    }

    /// Forgets a consumer.
    pub fn remove_consumer(&mut self, stream: &str, consumer: &str) -> Result<(), ApiError> {
        let entry = self.streams.get_mut(stream).ok_or(ErrorKind::StreamNotFound)?;
        match entry.consumers.remove(consumer) {
            Some(_) => Ok(()),
            None => Err(ErrorKind::ConsumerNotFound.into()),
        }
    }
}

impl ConsumerConfig {
    fn effective_name(&self) -> &str {
        if self.is_durable() {
            &self.durable_name
        } else {
            &self.name
        }
    }

    /// Whether it counts: consumers that servers make for themselves do not.
    fn is_limitable(&self) -> bool {
        !self.direct && !self.sourcing
    }
}

impl Entry {
    fn limitable(&self) -> impl Iterator<Item = &ConsumerConfig> {
        self.consumers.values().filter(|consumer| consumer.is_limitable())
    }

    fn check_consumer_count(&self, grants: &Grants<'_>) -> Result<(), ApiError> {
        let (own, granted) = (self.config.max_consumers, grants.account.max_consumers);
        let limit = if own <= 0 || (granted > 0 && granted < own) {
            granted
        } else {
            own
        };
        let count = i64::try_from(self.limitable().count()).expect("consumers fit into memory");
        if limit > 0 && count >= limit {
            return Err(ErrorKind::MaximumConsumersLimit.into());
        }
        Ok(())
    }

    /// A message of a work queue goes to one consumer, which has to say that it is done.
    fn check_work_queue(&self, config: &ConsumerConfig) -> Result<(), ApiError> {
        if !matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::FlowControl) {
            return Err(ErrorKind::ConsumerWQRequiresExplicitAck.into());
        }
        if config.deliver_policy != DeliverPolicy::All {
            return Err(ErrorKind::ConsumerWQConsumerNotDeliverAll.into());
        }
        if self.limitable().next().is_none() {
            return Ok(());
        }
        if config.filters().is_empty() {
            return Err(ErrorKind::ConsumerWQMultipleUnfiltered.into());
        }
        if !self.has_to_itself(config) {
            return Err(ErrorKind::ConsumerWQConsumerNotUnique.into());
        }
        Ok(())
    }

    /// Whether no other consumer gets what this one gets.
    fn has_to_itself(&self, config: &ConsumerConfig) -> bool {
        let mut others = self.limitable().filter(|other| other.name != config.name);
        !others.any(|other| {
            other.filters().is_empty()
                || other
                    .filters()
                    .iter()
                    .any(|taken| config.filters().iter().any(|own| filters_overlap(own, taken)))
        })
    }
}
