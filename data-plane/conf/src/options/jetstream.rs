//! `jetstream`: of the server, and of one account.

use std::time::Duration;

use tollway_claims::Limit;

use super::accounts::limit;
use crate::field::Field;
use crate::located::Located;
use crate::notice::NoticeReason;
use crate::position::Position;
use crate::report::Report;
use crate::secret::Secret;
use crate::value::Value;

/// The block `jetstream` of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct JetStream {
    /// Whether it is on.
    pub enabled: bool,
    /// The folder for what is stored.
    pub store_dir: Option<Located<String>>,
    /// Bytes in memory; -1 or nothing is as much as there is.
    pub max_memory: Option<i64>,
    /// Bytes on disk; -1 or nothing is as much as there is.
    pub max_file: Option<i64>,
    /// The domain, which leaf nodes tell one another apart by.
    pub domain: Option<Located<String>>,
    /// What is stored is encrypted with it.
    pub encryption_key: Option<Secret>,
    /// What was stored before is encrypted with it.
    pub previous_encryption_key: Option<Secret>,
    /// How it is encrypted.
    pub cipher: Option<Cipher>,
    /// When what is stored is made safe.
    pub sync: Option<Sync>,
    /// Requests with unknown fields are refused.
    pub strict: Option<bool>,
    /// Streams of one name prefix lie on servers that differ in this tag.
    pub unique_tag: Option<String>,
    /// Ceilings of what clients may ask for.
    pub limits: JetStreamLimits,
    /// Ceilings of what may wait in the server.
    pub buffers: JetStreamBuffers,
    /// Where the block stands.
    pub at: Position,
}

/// How what is stored is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// ChaCha20-Poly1305.
    ChaCha,
    /// AES-GCM.
    Aes,
}

/// When what is stored is made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Before it is acknowledged.
    Always,
    /// Every so often.
    Every(Duration),
}

/// `limits` of the block; nothing means that there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JetStreamLimits {
    /// Messages a consumer may leave unacknowledged.
    pub max_ack_pending: Option<i64>,
    /// Streams and consumers with more than one replica.
    pub max_ha_assets: Option<i64>,
    /// Messages of one pull request.
    pub max_request_batch: Option<i64>,
    /// Time in which duplicates are found.
    pub duplicate_window: Option<Duration>,
    /// Messages of one atomic batch.
    pub batch_max_msgs: Option<i64>,
    /// Open batches of one stream.
    pub batch_max_inflight_per_stream: Option<i64>,
    /// Open batches of the server.
    pub batch_max_inflight_total: Option<i64>,
    /// Time after which an open batch is given up.
    pub batch_timeout: Option<Duration>,
}

/// What may wait, and how much is done at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JetStreamBuffers {
    /// Messages that wait to be stored.
    pub max_buffered_msgs: Option<i64>,
    /// Bytes that wait to be stored.
    pub max_buffered_size: Option<i64>,
    /// API requests that wait.
    pub request_queue_limit: Option<i64>,
    /// Info requests that wait.
    pub info_queue_limit: Option<i64>,
    /// Reads and writes at the same time.
    pub max_concurrent_io: Option<i64>,
}

/// Reads the block of the server.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Option<JetStream> {
    let mut stream = JetStream {
        enabled: true,
        store_dir: None,
        max_memory: None,
        max_file: None,
        domain: None,
        encryption_key: None,
        previous_encryption_key: None,
        cipher: None,
        sync: None,
        strict: None,
        unique_tag: None,
        limits: JetStreamLimits::default(),
        buffers: JetStreamBuffers::default(),
        at: block.at.clone(),
    };
    if !matches!(block.node.value, Value::Map(_)) {
        stream.enabled = switch(report, block)?;
        return Some(stream);
    }
    let mut enabled = None;
    for field in report.fields(block) {
        match field.key.as_str() {
            "enable" | "enabled" => {
                let on = field.boolean(report);
                report.set(&mut enabled, on, &field);
            }
            "store" | "store_dir" | "storedir" => {
                let folder = field.text(report);
                report.set(&mut stream.store_dir, folder, &field);
            }
            "max_memory_store" | "max_mem_store" | "max_mem" => {
                let size = field.storage_size(report);
                report.set(&mut stream.max_memory, size, &field);
            }
            "max_file_store" | "max_file" => {
                let size = field.storage_size(report);
                report.set(&mut stream.max_file, size, &field);
            }
            "domain" => stream.domain = field.text(report),
            "key" | "ek" | "encryption_key" => {
                let key = field.secret(report);
                report.set(&mut stream.encryption_key, key, &field);
            }
            "prev_key" | "prev_ek" | "prev_encryption_key" => {
                let key = field.secret(report);
                report.set(&mut stream.previous_encryption_key, key, &field);
            }
            "cipher" => stream.cipher = cipher(report, &field),
            "sync" | "sync_interval" => {
                let sync = sync(report, &field);
                report.set(&mut stream.sync, sync, &field);
            }
            "strict" => stream.strict = strict(report, &field),
            "unique_tag" => {
                let tag = field.text(report);
                stream.unique_tag = tag.map(|tag| tag.value.trim().to_lowercase());
            }
            "limits" => limits(report, &field, &mut stream.limits),
            "extension_hint" => of_clusters(report, &field, Field::text),
            "meta_compact" => of_clusters(report, &field, |field, report| field.count(report, i64::MAX)),
            "meta_compact_sync" => of_clusters(report, &field, Field::boolean),
            "meta_compact_size" | "max_outstanding_catchup" => {
                of_clusters(report, &field, Field::storage_size);
            }
            "tpm" => {
                if report.map_of(&field).is_some() {
                    report.not_offered(&field, "tpm", "it exists on Windows only");
                }
            }
            _ if buffers(report, &field, &mut stream.buffers) => {}
            _ => report.unknown(&field, "jetstream"),
        }
    }
    stream.enabled = enabled.unwrap_or(true);
    Some(stream)
}

/// A setting that would be about a cluster.
fn of_clusters<'t, T>(
    report: &mut Report,
    field: &Field<'t>,
    read: impl Fn(&Field<'t>, &mut Report) -> Option<T>,
) {
    if read(field, report).is_some() {
        report.not_offered(
            field,
            "this setting",
            "it is about clusters, and a node serves alone",
        );
    }
}

/// `true`, `enabled` and their opposites.
fn switch(report: &mut Report, field: &Field<'_>) -> Option<bool> {
    match &field.node.value {
        Value::Boolean(on) => Some(*on),
        Value::Text(text) => match text.expose().to_ascii_lowercase().as_str() {
            "enabled" | "enable" => Some(true),
            "disabled" | "disable" => Some(false),
            _ => report.invalid(field, "has to be enabled, disabled, true, false, or a map"),
        },
        _ => report.wrong_kind(field, "enabled, disabled, true, false, or a map"),
    }
}

fn cipher(report: &mut Report, field: &Field<'_>) -> Option<Cipher> {
    match field.text(report)?.value.to_ascii_lowercase().as_str() {
        "chacha" | "chachapoly" => Some(Cipher::ChaCha),
        "aes" => Some(Cipher::Aes),
        _ => report.invalid(field, "has to be chacha or aes"),
    }
}

fn sync(report: &mut Report, field: &Field<'_>) -> Option<Sync> {
    if matches!(&field.node.value, Value::Text(text) if text.expose().eq_ignore_ascii_case("always")) {
        return Some(Sync::Always);
    }
    let every = field.duration_or_seconds(report, "sync_interval")?;
    Some(Sync::Every(every))
}

fn strict(report: &mut Report, field: &Field<'_>) -> Option<bool> {
    match &field.node.value {
        Value::Text(text) if text.expose() == "true" => Some(true),
        Value::Text(text) if text.expose() == "false" => Some(false),
        _ => field.boolean(report),
    }
}

fn limits(report: &mut Report, block: &Field<'_>, limits: &mut JetStreamLimits) {
    for field in report.fields(block) {
        match field.key.as_str() {
            "max_ack_pending" => limits.max_ack_pending = field.integer(report),
            "max_ha_assets" => limits.max_ha_assets = field.integer(report),
            "max_request_batch" => limits.max_request_batch = field.integer(report),
            "duplicate_window" => limits.duplicate_window = field.duration(report),
            "batch" => batch(report, &field, limits),
            _ => report.unknown(&field, "the limits of jetstream"),
        }
    }
}

fn batch(report: &mut Report, block: &Field<'_>, limits: &mut JetStreamLimits) {
    for field in report.fields(block) {
        match field.key.as_str() {
            "max_msgs" => limits.batch_max_msgs = field.integer(report),
            "max_inflight_per_stream" => limits.batch_max_inflight_per_stream = field.integer(report),
            "max_inflight_total" => limits.batch_max_inflight_total = field.integer(report),
            "timeout" => limits.batch_timeout = field.duration(report),
            _ => report.unknown(&field, "the batch limits of jetstream"),
        }
    }
}

fn buffers(report: &mut Report, field: &Field<'_>, buffers: &mut JetStreamBuffers) -> bool {
    match field.key.as_str() {
        "max_buffered_msgs" => buffers.max_buffered_msgs = field.integer(report),
        "max_buffered_size" => buffers.max_buffered_size = field.storage_size(report),
        "request_queue_limit" => buffers.request_queue_limit = field.integer(report),
        "info_queue_limit" => buffers.info_queue_limit = field.integer(report),
        "max_concurrent_io" => buffers.max_concurrent_io = field.within(report, 4, 8192),
        _ => return false,
    }
    true
}

/// `jetstream` of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountJetStream {
    /// The account stores nothing.
    Disabled,
    /// The account stores within these limits; none where nothing is said.
    Enabled(AccountStorage),
}

/// What an account may store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountStorage {
    /// Bytes in memory.
    pub memory: Option<Limit>,
    /// Bytes on disk.
    pub disk: Option<Limit>,
    /// Streams.
    pub streams: Option<Limit>,
    /// Consumers.
    pub consumers: Option<Limit>,
    /// Each stream has to say how much it stores.
    pub max_bytes_required: bool,
    /// Bytes in memory of one stream.
    pub memory_stream_bytes: Option<Limit>,
    /// Bytes on disk of one stream.
    pub disk_stream_bytes: Option<Limit>,
    /// Messages a consumer may leave unacknowledged.
    pub ack_pending: Option<Limit>,
}

/// Reads the block of an account.
pub(crate) fn read_account(report: &mut Report, block: &Field<'_>) -> Option<AccountJetStream> {
    if !matches!(block.node.value, Value::Map(_)) {
        return Some(if switch(report, block)? {
            AccountJetStream::Enabled(AccountStorage::default())
        } else {
            AccountJetStream::Disabled
        });
    }
    let mut storage = AccountStorage::default();
    let mut required = None;
    for field in report.fields(block) {
        let slot = match field.key.as_str() {
            "max_memory" | "max_mem" | "mem" | "memory" => &mut storage.memory,
            "max_store" | "max_file" | "max_disk" | "store" | "disk" => &mut storage.disk,
            "max_streams" | "streams" => &mut storage.streams,
            "max_consumers" | "consumers" => &mut storage.consumers,
            "mem_max_stream_bytes" | "memory_max_stream_bytes" => &mut storage.memory_stream_bytes,
            "disk_max_stream_bytes" | "store_max_stream_bytes" => &mut storage.disk_stream_bytes,
            "max_ack_pending" => &mut storage.ack_pending,
            "max_bytes_required" | "max_stream_bytes" | "max_bytes" => {
                let truth = field.boolean(report);
                report.set(&mut required, truth, &field);
                continue;
            }
            "cluster_traffic" => {
                cluster_traffic(report, &field);
                continue;
            }
            _ => {
                report.unknown(&field, "jetstream of an account");
                continue;
            }
        };
        let limit = limit(report, &field, i64::MAX);
        report.set(slot, limit, &field);
    }
    storage.max_bytes_required = required.unwrap_or(false);
    Some(AccountJetStream::Enabled(storage))
}

fn cluster_traffic(report: &mut Report, field: &Field<'_>) {
    match field.text(report).map(|text| text.value) {
        Some(word) if word == "system" || word == "owner" => {
            let (option, because) = ("cluster_traffic", "a node does not cluster");
            report.notice(field.at, NoticeReason::NotOffered { option, because });
        }
        Some(_) => report.reject(field, "has to be system or owner"),
        None => {}
    }
}
