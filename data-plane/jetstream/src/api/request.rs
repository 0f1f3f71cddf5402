//! Bodies of requests.

use crate::api::subject::Call;
use crate::bounds::NAME_BYTES_MAX;
use crate::config::policies::ConsumerAction;
use crate::config::{ConsumerConfig, StreamConfig};
use crate::error::{ApiError, ErrorKind};
use crate::json::{At, JsonError, Node, Object, read_all};
use crate::nanos::Nanos;
use crate::wire_time::WireTime;

/// What must not be in a name that stock servers make a folder of.
const PATH_SEPARATORS: [char; 2] = ['/', '\\'];

fn read<T: Object>(body: &[u8]) -> Result<T, ApiError> {
    read_all(body).map_err(|error| ErrorKind::InvalidJSON.because(error))
}

/// What some requests may say, and need not: a body that is neither an object nor a list is not looked at.
fn read_if_any<T: Object>(body: &[u8]) -> Result<T, ApiError> {
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => read(body),
        _ => Ok(T::default()),
    }
}

/// Whether a body says nothing: nothing at all, or an object without fields.
fn says_nothing(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let inside = body.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    body.is_empty() || inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

/// Refuses a body where none is expected.
pub fn expect_nothing(body: &[u8]) -> Result<(), ApiError> {
    if says_nothing(body) {
        return Ok(());
    }
    Err(ErrorKind::NotEmptyRequest.into())
}

/// A stream is made or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamConfigRequest {
    /// What it shall be like.
    pub config: StreamConfig,
    /// Whether to refuse what would be put right without a word.
    pub pedantic: bool,
}

impl StreamConfigRequest {
    /// Reads a request to make this stream.
    pub fn read_create(stream: &str, body: &[u8]) -> Result<Self, ApiError> {
        let request = Self::read_for(stream, body)?;
        if request.config.sealed {
            let reason = "stream configuration for create can not be sealed";
            return Err(ErrorKind::StreamInvalidConfig.because(reason));
        }
        Ok(request)
    }

    /// Reads a request to change this stream.
    pub fn read_update(stream: &str, body: &[u8]) -> Result<Self, ApiError> {
        Self::read_for(stream, body)
    }

    fn read_for(stream: &str, body: &[u8]) -> Result<Self, ApiError> {
        let request: Self = read(body)?;
        if request.config.name != stream {
            return Err(ErrorKind::StreamMismatch.into());
        }
        if stream.contains(PATH_SEPARATORS) {
            return Err(ErrorKind::StreamNameContainsPathSeparators.into());
        }
        Ok(request)
    }
}

impl Object for StreamConfigRequest {
    const SERVER_TYPE: &'static str = "server.StreamConfigRequest";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "pedantic" => at.boolean(&mut self.pedantic, value)?,
            _ => return self.config.field(name, value, at),
        }
        Ok(true)
    }
}

/// A consumer is made or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerCreateRequest {
    /// The stream, again.
    pub stream_name: String,
    /// What it shall be like.
    pub config: ConsumerConfig,
    /// Whether it must or must not be there already.
    pub action: ConsumerAction,
    /// Whether to refuse what would be put right without a word.
    pub pedantic: bool,
}

impl ConsumerCreateRequest {
    /// Reads the body of a [`Call::ConsumerCreate`] or [`Call::DurableCreate`]; the name of the subject
    /// becomes that of the configuration.
    ///
    /// # Panics
    /// For other calls.
    pub fn read(call: &Call<'_>, body: &[u8]) -> Result<Self, ApiError> {
        let mut request: Self = read(body)?;
        let (Call::ConsumerCreate { stream, .. } | Call::DurableCreate { stream, .. }) = *call else {
            unreachable!("other calls make no consumer");
        };
        if request.stream_name != stream {
            return Err(ErrorKind::StreamMismatch.into());
        }
        match *call {
            Call::DurableCreate { consumer, .. } => request.be_durable(consumer)?,
            Call::ConsumerCreate {
                consumer: Some(consumer),
                filter,
                ..
            } => request.be_named(consumer, filter)?,
            _ if request.config.is_durable() => {
                return Err(ErrorKind::ConsumerEphemeralWithDurableName.into());
            }
            _ => {}
        }
        Ok(request)
    }

    fn be_durable(&mut self, name: &str) -> Result<(), ApiError> {
        let durable = &self.config.durable_name;
        if durable.is_empty() {
            return Err(ErrorKind::ConsumerDurableNameNotSet.into());
        }
        if durable != name {
            return Err(ErrorKind::ConsumerDurableNameNotMatchSubject.into());
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(ErrorKind::ConsumerNameTooLong.with("max", NAME_BYTES_MAX));
        }
        if name.contains(PATH_SEPARATORS) {
            return Err(ErrorKind::ConsumerNameContainsPathSeparators.into());
        }
        name.clone_into(&mut self.config.name);
        Ok(())
    }

    fn be_named(&mut self, name: &str, filter: Option<&str>) -> Result<(), ApiError> {
        let config = &mut self.config;
        if let Some(filter) = filter {
            if !config.filter_subjects.is_empty() {
                return Err(ErrorKind::ConsumerMultipleFiltersNotAllowed.into());
            }
            if config.filter_subject != filter {
                return Err(ErrorKind::ConsumerCreateFilterSubjectMismatch.into());
            }
        }
        if config.is_durable() && config.durable_name != name {
            return Err(ErrorKind::ConsumerDurableNameNotMatchSubject.into());
        }
        if name.contains(PATH_SEPARATORS) {
            return Err(ErrorKind::ConsumerNameContainsPathSeparators.into());
        }
        name.clone_into(&mut config.name);
        Ok(())
    }
}

impl Object for ConsumerCreateRequest {
    const SERVER_TYPE: &'static str = "server.CreateConsumerRequest";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "stream_name" => at.string(&mut self.stream_name, value)?,
            "config" => at.object(&mut self.config, value)?,
            "action" => self.action.read(value)?,
            "pedantic" => at.boolean(&mut self.pedantic, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Makes a request whose fields are all that there is to it.
macro_rules! request {
    (
        $(#[$about:meta])*
        pub struct $name:ident is $server:literal {
            $($(#[$field_about:meta])* $field:ident: $type:ty = $key:literal, $reader:ident $(($go:literal))?;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_about])* pub $field: $type,)*
        }

        impl Object for $name {
            const SERVER_TYPE: &'static str = $server;

            fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
                match name {
                    $($key => at.$reader(&mut self.$field, value $(, $go)?)?,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

request! {
    /// Which streams to name.
    pub struct StreamNamesRequest is "server.JSApiStreamNamesRequest" {
        /// How many to pass over.
        offset: i64 = "offset", number("int");
        /// Only those that take this subject.
        subject: String = "subject", string;
    }
}

request! {
    /// Which streams to list.
    pub struct StreamListRequest is "server.JSApiStreamListRequest" {
        /// How many to pass over.
        offset: i64 = "offset", number("int");
        /// Only those that take this subject.
        subject: String = "subject", string;
    }
}

request! {
    /// How much to tell about a stream.
    pub struct StreamInfoRequest is "server.JSApiStreamInfoRequest" {
        /// How many subjects to pass over.
        offset: i64 = "offset", number("int");
        /// Whether to name the sequences that are gone.
        deleted_details: bool = "deleted_details", boolean;
        /// Which subjects to count messages of.
        subjects_filter: String = "subjects_filter", string;
    }
}

request! {
    /// Which messages go away.
    pub struct StreamPurgeRequest is "server.JSApiStreamPurgeRequest" {
        /// Only those before this sequence.
        seq: u64 = "seq", number("uint64");
        /// Only those of these subjects.
        filter: String = "filter", string;
        /// All but so many.
        keep: u64 = "keep", number("uint64");
    }
}

request! {
    /// Which message to show. Fields of batches are for direct gets only.
    pub struct MessageGetRequest is "server.JSApiMsgGetRequest" {
        /// That of this sequence, or the first from it on.
        seq: u64 = "seq", number("uint64");
        /// The last of a subject.
        last_by_subj: String = "last_by_subj", string;
        /// The next of a subject.
        next_by_subj: String = "next_by_subj", string;
        /// The first from this time on.
        start_time: Option<WireTime> = "start_time", time;
        /// Without its headers.
        no_hdr: bool = "no_hdr", boolean;
        /// How many messages.
        batch: i64 = "batch", number("int");
        /// Until there are so many bytes.
        max_bytes: i64 = "max_bytes", number("int");
        /// The last of each of these subjects.
        multi_last: Vec<String> = "multi_last", strings;
        /// As if messages after this one were not there.
        up_to_seq: u64 = "up_to_seq", number("uint64");
        /// As if messages after this time were not there.
        up_to_time: Option<WireTime> = "up_to_time", time;
    }
}

request! {
    /// Which message goes away.
    pub struct MessageDeleteRequest is "server.JSApiMsgDeleteRequest" {
        /// Its sequence.
        seq: u64 = "seq", number("uint64");
        /// Whether its bytes may stay on disk until they are in the way.
        no_erase: bool = "no_erase", boolean;
    }
}

request! {
    /// Which consumers to name or list.
    pub struct ConsumersRequest is "server.JSApiConsumersRequest" {
        /// How many to pass over.
        offset: i64 = "offset", number("int");
    }
}

request! {
    /// Until when a consumer delivers nothing; none to go on.
    pub struct ConsumerPauseRequest is "server.JSApiConsumerPauseRequest" {
        /// The moment.
        pause_until: Option<WireTime> = "pause_until", time;
    }
}

impl StreamNamesRequest {
    /// Reads the body.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read_if_any(body)
    }
}

impl StreamListRequest {
    /// Reads the body.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read_if_any(body)
    }
}

impl StreamInfoRequest {
    /// Reads the body.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read_if_any(body)
    }
}

impl StreamPurgeRequest {
    /// Reads the body.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        let request: Self = read_if_any(body)?;
        if request.seq > 0 && request.keep > 0 {
            return Err(ErrorKind::BadRequest.into());
        }
        Ok(request)
    }
}

impl MessageGetRequest {
    /// Reads the body of a request for one message.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        let bad = || Err(ErrorKind::BadRequest.into());
        if body.is_empty() {
            return bad();
        }
        let request: Self = read(body)?;
        let by_last = !request.last_by_subj.is_empty();
        let by_next = !request.next_by_subj.is_empty();
        let by_time = request.start_time.is_some();
        let by_seq = request.seq > 0;
        let in_batches = request.batch != 0
            || request.max_bytes != 0
            || !request.multi_last.is_empty()
            || request.up_to_seq > 0
            || request.up_to_time.is_some();
        let contradicts = (by_last && (by_next || by_seq || by_time)) || (by_seq && by_time);
        if in_batches || contradicts || !(by_last || by_next || by_time || by_seq) {
            return bad();
        }
        Ok(request)
    }
}

impl MessageDeleteRequest {
    /// Reads the body.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Err(ErrorKind::BadRequest.into());
        }
        read(body)
    }
}

impl ConsumersRequest {
    /// Reads the body.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read_if_any(body)
    }
}

impl ConsumerPauseRequest {
    /// Reads the body.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read_if_any(body)
    }

    /// How long it will be paused, from a moment on; none when it is not.
    pub fn remaining(&self, now: WireTime) -> Option<Nanos> {
        let remaining = self.pause_until?.unix_nanos().checked_sub(now.unix_nanos())?;
        (remaining > 0).then_some(Nanos(remaining))
    }
}
