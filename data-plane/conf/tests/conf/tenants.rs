//! Accounts, and what crosses between them.

use std::time::Duration;

use tollway_claims::KeyKind;
use tollway_conf::{
    Account, AccountJetStream, ExportKind, GLOBAL_ACCOUNT, ImportKind, Limit, Reason, ResponseType, Sampling,
};

use crate::around::{config, notices, problems, wrong};
use crate::login::key;

fn account(inner: &str) -> Account {
    let others = "B { exports: [{stream: \">\"}, {service: \">\"}] }, C {}";
    let config = config(&format!("accounts {{ A {{ {inner} }}, {others} }}"));
    config.accounts.into_iter().next().expect("it is the first")
}

fn what(inner: &str) -> String {
    let problems = problems(&format!("accounts {{ A {{ {inner} }}, B {{}} }}"));
    assert_eq!(problems.len(), 1, "{inner}: {problems:?}");
    problems[0]
        .split_once(": ")
        .expect("a place and a reason")
        .1
        .to_owned()
}

#[test]
fn accounts_are_a_map_or_a_list_of_names() {
    let text = "accounts { ONE { users: [{user: a}] }, \"two words\" {} }\nsystem_account: ONE";
    let read = config(text);
    let names: Vec<_> = read
        .accounts
        .iter()
        .map(|account| account.name.as_str())
        .collect();
    assert_eq!(names, ["ONE", "two words"]);
    assert_eq!(read.accounts[1].at.to_string(), "/etc/nats.conf:1:40");
    assert_eq!(read.system_account.expect("it is set").value, "ONE");
    let names: Vec<_> = config("accounts: [a, b]")
        .accounts
        .into_iter()
        .map(|account| account.name)
        .collect();
    assert_eq!(names, ["a", "b"]);

    assert_eq!(
        problems("accounts: [a, a]"),
        [r#"1:15: account "a" exists already"#]
    );
    let reserved = wrong("accounts { \"$G\" {} }").listed[0].reason.clone();
    assert_eq!(reserved, Reason::ReservedAccount(GLOBAL_ACCOUNT.into()));
    assert_eq!(problems("accounts: 5").len(), 1);
    assert_eq!(problems("accounts { A: 5 }").len(), 1);
    assert_eq!(
        problems("system_account: X\naccounts {A {}}"),
        [r#"1:17: there is no account "X""#]
    );
    assert!(
        config("port: 1\nsystem_account: \"$SYS\"")
            .system_account
            .is_some()
    );
}

#[test]
fn a_variable_among_accounts_is_no_account() {
    let config = config("accounts { LIMITS: {max_conn: 5}, A { limits: $LIMITS } }");
    assert_eq!(config.accounts.len(), 1);
    assert_eq!(config.accounts[0].limits.connections, Some(Limit::AtMost(5)));
}

#[test]
fn accounts_have_keys_limits_and_default_permissions() {
    let nkey = key(KeyKind::Account, 3);
    let read = account(&format!(
        "nkey: {nkey}, limits: {{max_connections: 10, max_subs: -1, max_pay: 1MB, max_leafs: 0}}, default_permissions: {{publish: a}}"
    ));
    assert_eq!(read.nkey.expect("it is set").to_string(), nkey);
    assert_eq!(read.limits.connections, Some(Limit::AtMost(10)));
    assert_eq!(read.limits.subscriptions, Some(Limit::Unlimited));
    assert_eq!(read.limits.payload, Some(Limit::AtMost(1024 * 1024)));
    assert_eq!(read.limits.leaf_nodes, Some(Limit::ZERO));
    assert_eq!(
        read.default_permissions.expect("they are set").publish.allow,
        ["a"]
    );
    assert_eq!(
        what("limits: {max_conns: 1}"),
        r#"unknown key "max_conns" in the limits of an account"#
    );
    assert_eq!(
        what("limits: {max_conn: -2}"),
        "max_conn has to be from -1 to 2147483647"
    );
    assert_eq!(what("nkey: UABC"), "nkey: has to be a public account key (A…)");
    assert_eq!(what("user: a"), r#"unknown key "user" in an account"#);
}

#[test]
fn exports_are_streams_or_services() {
    let read = account(
        "exports: [{stream: \"pub.>\"}, {stream: \"priv.*\", accounts: [B, C], account_token_position: 2}, {service: \"req.*\", response_type: Stream, response_threshold: \"5s\", latency: {subject: lat, sampling: \"50%\"}, allow_trace: true}, {service: q, latency: l}]",
    );
    assert_eq!(read.exports.len(), 4);
    assert_eq!(read.exports[0].kind, ExportKind::Stream);
    assert!(read.exports[0].accounts.is_empty());
    let names: Vec<_> = read.exports[1]
        .accounts
        .iter()
        .map(|name| name.value.as_str())
        .collect();
    assert_eq!(
        (names, read.exports[1].account_token_position),
        (vec!["B", "C"], 2)
    );
    let ExportKind::Service {
        response,
        threshold,
        latency,
        allow_trace,
    } = &read.exports[2].kind
    else {
        panic!("{read:?}")
    };
    assert_eq!(
        (*response, *threshold),
        (ResponseType::Stream, Some(Duration::from_secs(5)))
    );
    assert_eq!(
        latency.as_ref().expect("it is set").sampling,
        Sampling::Percent(50)
    );
    assert!(allow_trace);
    let ExportKind::Service {
        response, latency, ..
    } = &read.exports[3].kind
    else {
        panic!("{read:?}")
    };
    assert_eq!(*response, ResponseType::Single);
    assert_eq!(
        latency.as_ref().expect("it is set").sampling,
        Sampling::Percent(100)
    );

    assert_eq!(what("exports: [{}]"), "an export needs stream or service");
    assert_eq!(
        what("exports: [{stream: a, service: b}]"),
        "stream excludes service"
    );
    assert_eq!(
        what("exports: [{stream: a, response: stream}]"),
        "stream excludes response_type"
    );
    assert_eq!(
        what("exports: [{stream: a, latency: b}]"),
        "stream excludes latency"
    );
    assert_eq!(
        what("exports: [{stream: a..b}]"),
        r#"stream: "a..b" is no subject"#
    );
    assert_eq!(
        what("exports: [{stream: a, accounts: [X]}]"),
        r#"there is no account "X""#
    );
    assert_eq!(
        what("exports: [{service: a, response: many}]"),
        "response: has to be single, stream or chunked"
    );
    assert_eq!(
        what("exports: [{service: a, latency: {sampling: 5}}]"),
        "latency needs subject"
    );
    assert_eq!(
        what("exports: [{service: a, latency: {subject: b, sampling: 0}}]"),
        "sampling has to be from 1 to 100"
    );
    assert_eq!(
        what("exports: [{service: a, latency: \"b.*\"}]"),
        "latency: cannot have wildcards"
    );
    assert_eq!(
        what("exports: [{service: \"a.*\", latency: a.b}]"),
        "latency: would be told to the service itself"
    );
    assert_eq!(
        what("exports: [{service: a.b, account_token_position: 2}]"),
        "account_token_position: has to be that of a * in the subject"
    );
}

#[test]
fn sampling_by_headers_is_a_word() {
    let read = account("exports: [{service: a, latency: {subject: b, sampling: \" Headers \"}}]");
    let ExportKind::Service { latency, .. } = &read.exports[0].kind else {
        panic!("{read:?}")
    };
    assert_eq!(latency.as_ref().expect("it is set").sampling, Sampling::Headers);
}

#[test]
fn imports_name_an_account_and_a_subject_there() {
    let read = account(
        "imports: [{stream: {account: B, subject: \"s.>\"}, prefix: from.b}, {stream: {account: B, subject: t}, to: u, allow_trace: true}, {service: {account: B, subject: \"req.*\"}, to: \"here.{{wildcard(1)}}\", share: true}]",
    );
    assert_eq!(read.imports.len(), 3);
    let ImportKind::Stream { prefix, .. } = &read.imports[0].kind else {
        panic!("{read:?}")
    };
    assert_eq!(prefix.as_ref().expect("it is set").value, "from.b");
    assert_eq!(read.imports[1].to.as_ref().expect("it is set").value, "u");
    assert_eq!(read.imports[2].kind, ImportKind::Service { share: true });
    assert_eq!(
        (
            read.imports[2].account.value.as_str(),
            read.imports[2].subject.value.as_str()
        ),
        ("B", "req.*")
    );

    assert_eq!(what("imports: [{}]"), "an import needs stream or service");
    assert_eq!(
        what("imports: [{stream: {account: X, subject: a}}]"),
        r#"there is no account "X""#
    );
    assert_eq!(
        what("imports: [{stream: {account: B}}]"),
        "the source of an import needs subject"
    );
    assert_eq!(
        what("imports: [{stream: {subject: a}}]"),
        "the source of an import needs account"
    );
    assert_eq!(
        what("imports: [{stream: a}]"),
        "stream has to be a map, not a text"
    );
    assert_eq!(
        what("imports: [{stream: {account: B, subject: a}, to: b, prefix: c}]"),
        "to excludes prefix"
    );
    assert_eq!(
        what("imports: [{stream: {account: B, subject: a}, prefix: \"b.*\"}]"),
        "prefix: cannot have wildcards"
    );
    assert_eq!(
        what("imports: [{service: {account: B, subject: a}}, {service: {account: B, subject: b}, to: a}]"),
        "imports: another service is imported under this subject"
    );
}

#[test]
fn what_stock_servers_pass_over_in_imports_is_told() {
    let text = "accounts { B {}, A { imports: [{service: {account: B, subject: a}, prefix: x}, {stream: {account: B, subject: a}, share: true}] } }";
    assert_eq!(notices(text).len(), 2);
}

#[test]
fn mappings_go_to_one_subject_or_to_several_by_weight() {
    let read = account(
        "mappings: { a: b, \"c.*\": \"d.$1\", e: {dest: f, weight: 50}, g: [{destination: h, weight: \"20%\"}, {dest: i, weight: 80, cluster: east}, {dest: j, weight: 80}] }",
    );
    let weights: Vec<Vec<_>> = read
        .mappings
        .iter()
        .map(|mapping| {
            mapping
                .destinations
                .iter()
                .map(|d| (d.subject.value.as_str(), d.weight))
                .collect()
        })
        .collect();
    assert_eq!(
        weights[..3],
        [vec![("b", 100)], vec![("d.$1", 100)], vec![("f", 50)]]
    );
    assert_eq!(weights[3], [("h", 20), ("i", 80), ("j", 80)]);
    assert_eq!(read.mappings[3].destinations[1].cluster.as_deref(), Some("east"));
    assert_eq!(config("mappings { a: b }").mappings[0].source.value, "a");

    assert_eq!(what("mappings: {a..b: c}"), r#"mappings: "a..b" is no subject"#);
    assert_eq!(
        what("mappings: {a: {dest: b}}"),
        "a mapping's destination needs weight"
    );
    assert_eq!(
        what("mappings: {a: {weight: 5}}"),
        "a mapping's destination needs destination"
    );
    assert_eq!(
        what("mappings: {a: {dest: b, weight: 101}}"),
        "weight has to be from 0 to 100"
    );
    assert_eq!(
        what("mappings: {a: {dest: b, weight: some}}"),
        "weight: has to be a number or a percentage such as \"50%\""
    );
    assert_eq!(
        what("mappings: {a: [{dest: b, weight: 60}, {dest: c, weight: 60}]}"),
        r#"the weights for "a" add up to more than 100 %"#
    );
    assert_eq!(
        what("mappings: {a: [{dest: b, weight: 10}, {dest: b, weight: 20}]}"),
        "a: the same destination stands there twice"
    );
}

#[test]
fn jetstream_of_an_account_is_a_switch_or_limits() {
    assert_eq!(account("users: []").jetstream, None);
    assert_eq!(
        account("jetstream: disabled").jetstream,
        Some(AccountJetStream::Disabled)
    );
    let Some(AccountJetStream::Enabled(storage)) = account("jetstream: true").jetstream else {
        panic!("it is on")
    };
    assert_eq!(storage.disk, None);
    let text = "jetstream: {max_mem: 512M, store: -1, streams: 5, max_consumers: 10, max_bytes_required: true, disk_max_stream_bytes: 1GB, max_ack_pending: 100}";
    let Some(AccountJetStream::Enabled(storage)) = account(text).jetstream else {
        panic!("it is on")
    };
    assert_eq!(storage.memory, Some(Limit::AtMost(512_000_000)));
    assert_eq!(storage.disk, Some(Limit::Unlimited));
    assert_eq!(
        (storage.streams, storage.consumers),
        (Some(Limit::AtMost(5)), Some(Limit::AtMost(10)))
    );
    assert!(storage.max_bytes_required);
    assert_eq!(storage.disk_stream_bytes, Some(Limit::AtMost(1 << 30)));
    assert_eq!(
        what("jetstream: {max_mem: \"1G\"}"),
        "max_mem has to be a whole number, not a text"
    );
    assert_eq!(
        what("jetstream: maybe"),
        "jetstream: has to be enabled, disabled, true, false, or a map"
    );
}

#[test]
fn message_traces_have_a_destination() {
    let trace = account("msg_trace: {dest: t.r, sampling: \"5%\"}")
        .message_trace
        .expect("it is set");
    assert_eq!((trace.destination.value.as_str(), trace.sampling), ("t.r", 5));
    assert_eq!(
        account("trace_dest: t")
            .message_trace
            .expect("it is set")
            .sampling,
        100
    );
    assert_eq!(what("msg_trace: {sampling: 5}"), "msg_trace needs dest");
    assert_eq!(what("msg_trace: \"a.*\""), "msg_trace: cannot have wildcards");
}
