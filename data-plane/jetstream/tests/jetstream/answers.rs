//! Answers are those of the real server to the byte, and what the published schemas say.

use std::collections::BTreeMap;

use serde_json::Value;
use tollway_jetstream::api::response::{
    AccountInfo, AccountInfoLimits, ApiUse, ClusterInfo, ConsumerInfo, ConsumerList, ConsumerNames,
    ConsumerPaused, ConsumerReset, MessageShown, Page, PubAck, Purged, SequencePair, StoredMessage,
    StreamCreated, StreamInfo, StreamInfoPage, StreamList, StreamNames, StreamState, Success, TierInfo,
    answer, refuse, refuse_publish,
};
use tollway_jetstream::api::{Call, check_required_level};
use tollway_jetstream::{
    AccountLimits, ConsumerConfig, ConsumerContext, ErrorKind, Nanos, ServerLimits, StreamConfig,
    StreamContext, WireTime,
};

use crate::schema::assert_valid;

const VERSION: &str = "2.15.1";

fn time(text: &str) -> WireTime {
    WireTime::parse(text).expect("it is a moment")
}

fn call(subject: &str) -> Call<'_> {
    Call::parse(subject.as_bytes(), None).expect("it is a call")
}

fn stream_config(subject: &str) -> StreamConfig {
    let wanted = StreamConfig {
        name: "A".into(),
        subjects: vec![subject.into()],
        ..StreamConfig::default()
    };
    let context = StreamContext {
        server: &ServerLimits::default(),
        account: &AccountLimits::default(),
        streams: &BTreeMap::new(),
        pedantic: false,
    };
    wanted.normalized(&context).expect("it can be made")
}

fn stream_info(subject: &str) -> StreamInfo {
    StreamInfo {
        config: stream_config(subject).for_answer(VERSION),
        created: time("2026-11-21T21:45:53.269846528Z"),
        state: StreamState::default(),
        domain: String::new(),
        cluster: None,
        mirror: None,
        sources: Vec::new(),
        alternates: Vec::new(),
        ts: time("2026-11-21T21:45:53.270883963Z"),
    }
}

fn consumer_info() -> ConsumerInfo {
    let wanted = explicit_consumer();
    let context = ConsumerContext {
        server: &ServerLimits::default(),
        account: &AccountLimits::default(),
        stream: &stream_config("a.>"),
        pedantic: false,
    };
    ConsumerInfo {
        stream_name: "A".into(),
        name: "c".into(),
        created: time("2026-11-21T22:32:11.333535957Z"),
        config: wanted
            .normalized(&context)
            .expect("it can be made")
            .for_answer(VERSION),
        delivered: SequencePair {
            consumer_seq: 1,
            stream_seq: 1,
            last_active: Some(time("2026-11-21T22:32:11.334859083Z")),
        },
        ack_floor: SequencePair::default(),
        num_ack_pending: 1,
        num_redelivered: 0,
        num_waiting: 0,
        num_pending: 2,
        cluster: None,
        push_bound: false,
        paused: false,
        pause_remaining: Nanos::ZERO,
        ts: time("2026-11-21T22:32:12.038334302Z"),
    }
}

fn explicit_consumer() -> ConsumerConfig {
    ConsumerConfig {
        name: "c".into(),
        ack_policy: tollway_jetstream::config::policies::AckPolicy::Explicit,
        ..ConsumerConfig::default()
    }
}

fn check(bytes: &[u8], expected: &str) {
    assert_eq!(str::from_utf8(bytes).expect("it is text"), expected);
    let value: Value = serde_json::from_slice(bytes).expect("it is JSON");
    assert_valid(&value);
}

const STREAM_A: &str = r#""config":{"name":"A","subjects":["a.\u003e"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"compression":"none","allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false,"metadata":{"_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.1"}},"created":"2026-11-21T21:45:53.269846528Z""#;
const EMPTY: &str = r#""state":{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"last_ts":"0001-01-01T00:00:00Z","consumer_count":0}"#;
const CONSUMER_C: &str = r#""stream_name":"A","name":"c","created":"2026-11-21T22:32:11.333535957Z","config":{"name":"c","deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"num_replicas":0,"metadata":{"_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.1"}},"delivered":{"consumer_seq":1,"stream_seq":1,"last_active":"2026-11-21T22:32:11.334859083Z"},"ack_floor":{"consumer_seq":0,"stream_seq":0},"num_ack_pending":1,"num_redelivered":0,"num_waiting":0,"num_pending":2,"ts":"2026-11-21T22:32:12.038334302Z""#;

#[test]
fn a_stream_is_shown_as_the_real_server_shows_it() {
    let created = StreamCreated {
        info: stream_info("a.>"),
        did_create: true,
    };
    let ts = r#""ts":"2026-11-21T21:45:53.270883963Z""#;
    check(
        &answer(&call("$JS.API.STREAM.CREATE.A"), created),
        &format!(
            r#"{{"type":"io.nats.jetstream.api.v1.stream_create_response",{STREAM_A},{EMPTY},{ts},"did_create":true}}"#
        ),
    );
    let mut info = stream_info("a.>");
    info.cluster = Some(ClusterInfo {
        leader: "NBWG".into(),
        ..ClusterInfo::default()
    });
    info.state = StreamState {
        messages: 3,
        bytes: 170,
        first_seq: 1,
        first_ts: time("2026-11-21T22:32:11.327848958Z"),
        last_seq: 4,
        last_ts: time("2026-11-21T22:32:11.328585063Z"),
        num_subjects: 3,
        subjects: ["a.0", "a.1", "a.2"]
            .map(|subject| (subject.to_owned(), 1))
            .into(),
        num_deleted: 1,
        deleted: vec![2],
        consumer_count: 0,
    };
    let page = Page::new(3, 0, 100_000);
    let state = r#""state":{"messages":3,"bytes":170,"first_seq":1,"first_ts":"2026-11-21T22:32:11.327848958Z","last_seq":4,"last_ts":"2026-11-21T22:32:11.328585063Z","num_subjects":3,"subjects":{"a.0":1,"a.1":1,"a.2":1},"num_deleted":1,"deleted":[2],"consumer_count":0}"#;
    check(
        &answer(&call("$JS.API.STREAM.INFO.A"), StreamInfoPage { page, info }),
        &format!(
            r#"{{"type":"io.nats.jetstream.api.v1.stream_info_response","total":3,"offset":0,"limit":100000,{STREAM_A},{state},"cluster":{{"leader":"NBWG"}},{ts}}}"#
        ),
    );
    let list = StreamList {
        page: Page::new(1, 0, 256),
        streams: vec![stream_info("a.>")],
    };
    check(
        &answer(&call("$JS.API.STREAM.LIST"), list),
        &format!(
            r#"{{"type":"io.nats.jetstream.api.v1.stream_list_response","total":1,"offset":0,"limit":256,"streams":[{{{STREAM_A},{EMPTY},{ts}}}]}}"#
        ),
    );
}

#[test]
fn a_consumer_is_shown_as_the_real_server_shows_it() {
    for (subject, name) in [
        ("$JS.API.CONSUMER.CREATE.A.c", "create"),
        ("$JS.API.CONSUMER.DURABLE.CREATE.A.c", "create"),
        ("$JS.API.CONSUMER.INFO.A.c", "info"),
    ] {
        check(
            &answer(&call(subject), consumer_info()),
            &format!(r#"{{"type":"io.nats.jetstream.api.v1.consumer_{name}_response",{CONSUMER_C}}}"#),
        );
    }
    let list = ConsumerList {
        page: Page::new(1, 0, 256),
        consumers: vec![consumer_info()],
    };
    check(
        &answer(&call("$JS.API.CONSUMER.LIST.A"), list),
        &format!(
            r#"{{"type":"io.nats.jetstream.api.v1.consumer_list_response","total":1,"offset":0,"limit":256,"consumers":[{{{CONSUMER_C}}}]}}"#
        ),
    );
    let reset = ConsumerReset {
        info: consumer_info(),
        reset_seq: 5,
    };
    check(
        &answer(&call("$JS.API.CONSUMER.RESET.A.c"), reset),
        &format!(
            r#"{{"type":"io.nats.jetstream.api.v1.consumer_reset_response",{CONSUMER_C},"reset_seq":5}}"#
        ),
    );
}

#[test]
fn small_answers_are_those_of_the_real_server() {
    let done = Success { success: true };
    check(
        &answer(&call("$JS.API.STREAM.DELETE.A"), done.clone()),
        r#"{"type":"io.nats.jetstream.api.v1.stream_delete_response","success":true}"#,
    );
    check(
        &answer(&call("$JS.API.STREAM.MSG.DELETE.A"), done),
        r#"{"type":"io.nats.jetstream.api.v1.stream_msg_delete_response","success":true}"#,
    );
    let purged = Purged {
        success: true,
        purged: 2,
    };
    check(
        &answer(&call("$JS.API.STREAM.PURGE.A"), purged),
        r#"{"type":"io.nats.jetstream.api.v1.stream_purge_response","success":true,"purged":2}"#,
    );
    let names = StreamNames {
        page: Page::new(3, 0, 1024),
        streams: Some(["A", "B", "C"].map(str::to_owned).into()),
    };
    check(
        &answer(&call("$JS.API.STREAM.NAMES"), names),
        r#"{"type":"io.nats.jetstream.api.v1.stream_names_response","total":3,"offset":0,"limit":1024,"streams":["A","B","C"]}"#,
    );
    let names = ConsumerNames {
        page: Page::new(4, 9, 1024),
        consumers: Vec::new(),
    };
    check(
        &answer(&call("$JS.API.CONSUMER.NAMES.A"), names),
        r#"{"type":"io.nats.jetstream.api.v1.consumer_names_response","total":4,"offset":4,"limit":1024,"consumers":[]}"#,
    );
    let paused = ConsumerPaused {
        paused: true,
        pause_until: time("2030-01-01T00:00:00Z"),
        pause_remaining: Nanos(98_158_362_093_288_977),
    };
    check(
        &answer(&call("$JS.API.CONSUMER.PAUSE.A.d1"), paused),
        r#"{"type":"io.nats.jetstream.api.v1.consumer_pause_response","paused":true,"pause_until":"2030-01-01T00:00:00Z","pause_remaining":98158362093288977}"#,
    );
    let message = MessageShown {
        message: StoredMessage {
            subject: "a.1",
            seq: 2,
            hdrs: b"NATS/1.0\r\nK: <v>\r\n\r\n",
            data: b"hello",
            time: time("2026-11-21T22:32:11.328150053Z"),
        },
    };
    check(
        &answer(&call("$JS.API.STREAM.MSG.GET.A"), message),
        r#"{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{"subject":"a.1","seq":2,"hdrs":"TkFUUy8xLjANCks6IDx2Pg0KDQo=","data":"aGVsbG8=","time":"2026-11-21T22:32:11.328150053Z"}}"#,
    );
}

#[test]
fn what_an_account_uses_is_shown_as_the_real_server_shows_it() {
    let limits = AccountInfoLimits {
        max_memory: -1,
        max_storage: -1,
        max_streams: -1,
        max_consumers: -1,
        max_ack_pending: -1,
        memory_max_stream_bytes: -1,
        storage_max_stream_bytes: -1,
        max_bytes_required: false,
    };
    let info = AccountInfo {
        usage: TierInfo {
            streams: 2,
            limits,
            ..TierInfo::default()
        },
        api: ApiUse {
            level: 5,
            total: 67,
            errors: 59,
            inflight: 0,
        },
        ..AccountInfo::default()
    };
    check(
        &answer(&call("$JS.API.INFO"), info),
        r#"{"type":"io.nats.jetstream.api.v1.account_info_response","memory":0,"storage":0,"reserved_memory":0,"reserved_storage":0,"streams":2,"consumers":0,"limits":{"max_memory":-1,"max_storage":-1,"max_streams":-1,"max_consumers":-1,"max_ack_pending":-1,"memory_max_stream_bytes":-1,"storage_max_stream_bytes":-1,"max_bytes_required":false},"api":{"level":5,"total":67,"errors":59}}"#,
    );
}

#[test]
fn refusals_have_the_fields_they_have_in_the_real_server() {
    let error = ErrorKind::StreamNotFound.into();
    let error_text = r#""error":{"code":404,"err_code":10059,"description":"stream not found"}"#;
    for (subject, name, rest) in [
        ("INFO", "account_info", ""),
        ("STREAM.CREATE.A", "stream_create", ""),
        (
            "STREAM.INFO.A",
            "stream_info",
            r#","total":0,"offset":0,"limit":0"#,
        ),
        (
            "STREAM.NAMES",
            "stream_names",
            r#","total":0,"offset":0,"limit":0,"streams":null"#,
        ),
        (
            "STREAM.LIST",
            "stream_list",
            r#","total":0,"offset":0,"limit":0,"streams":[]"#,
        ),
        ("STREAM.DELETE.A", "stream_delete", ""),
        ("STREAM.PURGE.A", "stream_purge", r#","purged":0"#),
        ("STREAM.MSG.GET.A", "stream_msg_get", ""),
        ("STREAM.MSG.DELETE.A", "stream_msg_delete", ""),
        ("STREAM.SNAPSHOT.A", "stream_snapshot", ""),
        ("STREAM.RESTORE.A", "stream_restore", r#","deliver_subject":"""#),
        ("STREAM.LEADER.STEPDOWN.A", "stream_leader_stepdown", ""),
        ("STREAM.PEER.REMOVE.A", "stream_remove_peer", ""),
        ("CONSUMER.CREATE.A.c.f", "consumer_create", ""),
        (
            "CONSUMER.NAMES.A",
            "consumer_names",
            r#","total":0,"offset":0,"limit":0,"consumers":[]"#,
        ),
        (
            "CONSUMER.LIST.A",
            "consumer_list",
            r#","total":0,"offset":0,"limit":0,"consumers":[]"#,
        ),
        ("CONSUMER.INFO.A.c", "consumer_info", ""),
        ("CONSUMER.DELETE.A.c", "consumer_delete", ""),
        (
            "CONSUMER.PAUSE.A.c",
            "consumer_pause",
            r#","paused":false,"pause_until":"0001-01-01T00:00:00Z""#,
        ),
        ("CONSUMER.RESET.A.c", "consumer_reset", ""),
        ("CONSUMER.UNPIN.A.c", "consumer_unpin", ""),
        ("CONSUMER.LEADER.STEPDOWN.A.c", "consumer_leader_stepdown", ""),
    ] {
        let bytes = refuse(&call(&format!("$JS.API.{subject}")), &error);
        let expected = format!(r#"{{"type":"io.nats.jetstream.api.v1.{name}_response",{error_text}{rest}}}"#);
        assert_eq!(String::from_utf8(bytes).expect("it is text"), expected);
    }
}

#[test]
fn publishers_are_answered_to_the_byte() {
    let ack = PubAck {
        stream: "S",
        seq: 2,
        ..PubAck::default()
    };
    let text = |ack: PubAck<'_>| String::from_utf8(ack.to_json()).expect("it is text");
    assert_eq!(text(ack), r#"{"stream":"S","seq":2}"#);
    let duplicate = PubAck {
        duplicate: true,
        ..ack
    };
    assert_eq!(text(duplicate), r#"{"stream":"S","seq":2,"duplicate": true}"#);
    let batch = PubAck {
        batch: Some(("B1", 2)),
        domain: "hub",
        ..ack
    };
    assert_eq!(
        text(batch),
        r#"{"stream":"S","seq":2,"domain":"hub","batch":"B1","count":2}"#
    );
    let refused = refuse_publish("S", &ErrorKind::StreamWrongLastSequence.with("seq", 2));
    assert_eq!(
        String::from_utf8(refused).expect("it is text"),
        r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 2"},"stream":"S","seq":0}"#
    );
}

#[test]
fn a_client_that_needs_a_newer_server_is_told_so() {
    assert_eq!(check_required_level("5"), Ok(()));
    for header in ["6", "x", "", "-1"] {
        assert_eq!(check_required_level(header).unwrap_err().err_code(), 10185);
    }
}
