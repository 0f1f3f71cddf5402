//! Streams of the server.

use std::time::Duration;

use tollway_conf::{Cipher, JetStream, Sync};

use crate::around::{config, notices, problems};

fn jetstream(value: &str) -> JetStream {
    config(&format!("jetstream: {value}"))
        .jetstream
        .expect("it is set")
}

#[test]
fn jetstream_is_a_switch_or_a_block_that_switches_it_on() {
    for (value, on) in [
        ("true", true),
        ("off", false),
        ("enabled", true),
        ("Enable", true),
        ("\"disabled\"", false),
        ("{}", true),
        ("{enabled: false}", false),
        ("{store_dir: x}", true),
    ] {
        assert_eq!(jetstream(value).enabled, on, "{value}");
    }
    for value in ["maybe", "5", "[]", "{enabled: enabled}", "{stor: x}"] {
        assert_eq!(problems(&format!("jetstream: {value}")).len(), 1, "{value}");
    }
}

#[test]
fn jetstream_has_a_folder_sizes_and_a_key() {
    let read = jetstream(
        "{store_dir: \"/data\", max_mem: 1GB, max_file_store: \"10G\", domain: hub, ek: k, prev_ek: p, cipher: AES, sync_interval: \"2m\", strict: true, unique_tag: \" AZ \"}",
    );
    assert_eq!(read.store_dir.expect("it is set").value, "/data");
    assert_eq!((read.max_memory, read.max_file), (Some(1 << 30), Some(10 << 30)));
    assert_eq!(read.domain.expect("it is set").value, "hub");
    assert_eq!(read.encryption_key.expect("it is set").expose(), "k");
    assert_eq!(read.previous_encryption_key.expect("it is set").expose(), "p");
    assert_eq!((read.cipher, read.strict), (Some(Cipher::Aes), Some(true)));
    assert_eq!(read.sync, Some(Sync::Every(Duration::from_secs(120))));
    assert_eq!(read.unique_tag.as_deref(), Some("az"));
    assert_eq!(jetstream("{sync: always}").sync, Some(Sync::Always));
    assert_eq!(jetstream("{max_mem: \"\"}").max_memory, Some(0));
    for inner in [
        "max_mem: \"10GB\"",
        "max_mem: \"9999999999T\"",
        "cipher: rot13",
        "domain: a.b",
        "sync: \"-1s\"",
        "max_concurrent_io: 2",
        "strict: maybe",
    ] {
        assert_eq!(problems(&format!("jetstream: {{{inner}}}")).len(), 1, "{inner}");
    }
}

#[test]
fn jetstream_has_ceilings() {
    let limits = jetstream(
        "{limits: {max_ack_pending: 10, max_request_batch: 20, duplicate_window: \"1m\", batch: {max_msgs: 30, timeout: \"5s\"}}}",
    )
    .limits;
    assert_eq!(
        (limits.max_ack_pending, limits.max_request_batch),
        (Some(10), Some(20))
    );
    assert_eq!(limits.duplicate_window, Some(Duration::from_secs(60)));
    assert_eq!(
        (limits.batch_max_msgs, limits.batch_timeout),
        (Some(30), Some(Duration::from_secs(5)))
    );
    let buffers =
        jetstream("{max_buffered_msgs: 5, max_buffered_size: \"1M\", request_queue_limit: 7}").buffers;
    assert_eq!(
        (buffers.max_buffered_msgs, buffers.max_buffered_size),
        (Some(5), Some(1 << 20))
    );
    assert_eq!(buffers.request_queue_limit, Some(7));
}

#[test]
fn what_is_about_clusters_is_told() {
    assert_eq!(
        notices("jetstream: {meta_compact: 5, extension_hint: x, max_outstanding_catchup: 64M}").len(),
        3
    );
}
