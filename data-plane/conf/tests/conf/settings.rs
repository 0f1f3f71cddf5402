//! Single settings of a server, and blocks that are passed over.

use std::time::Duration;

use tollway_conf::{Limit, NoticeReason, Port, Reason, WriteTimeout};

use crate::around::{config, notices, problems, wrong};

#[test]
fn an_unknown_key_is_told_with_its_line_and_so_is_every_other_problem() {
    let text = "port: 4222\nprot: 4222\nmax_payload: lots\nauthorization {\n  usr: a\n  users: [{user: x, passwrd: y}]\n}\nwebsocket { prt: 1 }\n";
    assert_eq!(
        problems(text),
        [
            r#"2:1: unknown key "prot" in the configuration"#,
            "3:14: max_payload has to be a whole number, not a text",
            r#"5:3: unknown key "usr" in authorization"#,
            r#"6:21: unknown key "passwrd" in a user"#,
            r#"8:13: unknown key "prt" in websocket"#,
        ]
    );
}

#[test]
fn a_key_that_something_refers_to_may_have_any_name() {
    let text = "USER: a\nNEVER: b\nauthorization { PASS: p, user: $USER, password: $PASS }";
    assert_eq!(
        problems(text),
        [r#"2:1: unknown key "NEVER" in the configuration"#]
    );
}

#[test]
fn keys_are_found_in_any_case_and_under_all_their_names() {
    let config = config(
        "PORT: 4333\nServer_Name: here\nMonitor_Port: 8222\nmax_conn: 5\nLogFile: \"x.log\"\nPidFile: x",
    );
    assert_eq!(config.listen.port.expect("it is set").value, Port::Number(4333));
    assert_eq!(config.server_name.expect("it is set").value, "here");
    assert_eq!(config.http.port.expect("it is set").value, Port::Number(8222));
    assert_eq!(config.limits.max_connections, Some(5));
    assert_eq!(config.logging.file.expect("it is set").value, "x.log");
    assert_eq!(config.pid_file.expect("it is set").value, "x");
}

#[test]
fn one_option_under_two_names_has_to_say_the_same() {
    assert_eq!(
        config("host: a\nnet: a\nmax_conn: 5\nMAX_CONN: 5")
            .limits
            .max_connections,
        Some(5)
    );
    for (text, key) in [
        ("host: a\nnet: b", "net"),
        ("listen: \"a:1\"\nport: 2", "port"),
        ("Port: 1\nport: 2", "port"),
        ("authorization { user: a, username: b }", "username"),
        ("jetstream { store_dir: a }\nstore_dir: b", "store_dir"),
    ] {
        let problems = wrong(text);
        assert_eq!(problems.listed[0].reason, Reason::Twice(key.into()), "{text}");
    }
}

#[test]
fn a_configuration_that_says_nothing_is_refused() {
    for text in ["", "# only a comment\n", "{}"] {
        assert_eq!(wrong(text).listed[0].reason, Reason::Empty, "{text:?}");
    }
}

#[test]
fn names_and_labels_of_a_server() {
    let config = config(
        "server_name: a.b\nserver_tags: [x, \"y:z\"]\nserver_metadata { zone: one }\nclient_advertise: \"a:1\"\nhttp_base_path: /nats\npid_file: \"/run/p\"\nports_file_dir: \"/run\"\n",
    );
    assert_eq!(config.server_tags, ["x", "y:z"]);
    assert_eq!(config.server_metadata["zone"], "one");
    assert_eq!(config.client_advertise.expect("it is set").value, "a:1");
    assert_eq!(config.http_base_path.expect("it is set").value, "/nats");
    assert_eq!(config.ports_file_dir.expect("it is set").at.line(), 6 + 1);
    assert_eq!(
        problems("server_name: \"a b\""),
        ["1:14: server_name: cannot have blanks"]
    );
    assert_eq!(problems("server_tags: [1 ]").len(), 1);
}

#[test]
fn sizes_and_numbers_are_bounded() {
    let limits = config(
        "max_connections: 100\nmax_control_line: 8KB\nmax_payload: 8MB\nmax_pending: 128MB\nmax_subscriptions: 1000\nmax_subscription_tokens: 8\nping_max: 3\nmax_closed_clients: 10\nno_fast_producer_stall: true\n",
    )
    .limits;
    assert_eq!(limits.max_connections, Some(100));
    assert_eq!(limits.max_control_line, Some(8192));
    assert_eq!(limits.max_payload.expect("it is set").value, 8 * 1024 * 1024);
    assert_eq!(limits.max_pending.expect("it is set").value, 128 * 1024 * 1024);
    assert_eq!(limits.max_subscriptions, Some(Limit::AtMost(1000)));
    assert_eq!(limits.max_subscription_tokens, Some(8));
    assert_eq!(limits.ping_max, Some(3));
    assert_eq!(limits.max_closed_clients, Some(10));
    assert_eq!(limits.no_fast_producer_stall, Some(true));

    // 0 is the usual value, except that it lets nobody connect.
    let limits = config("max_payload: 0\nmax_control_line: 0\nping_max: 0\nmax_subs: 0\nmax_connections: 0\nping_interval: \"0\"").limits;
    assert_eq!(
        (limits.max_payload, limits.max_control_line, limits.ping_max),
        (None, None, None)
    );
    assert_eq!(limits.max_subscriptions, Some(Limit::Unlimited));
    assert_eq!(limits.max_connections, Some(0));
    assert_eq!(limits.ping_interval, None);
    assert_eq!(
        config("max_subs: -1").limits.max_subscriptions,
        Some(Limit::Unlimited)
    );
    assert_eq!(config("max_connections: -1").limits.max_connections, Some(0));

    for text in [
        "max_payload: -1",
        "max_payload: 2GB",
        "max_control_line: -1",
        "max_pending: -1",
        "max_connections: -2",
        "max_subscription_tokens: 0",
        "max_subscription_tokens: 256",
        "ping_max: -1",
        "port: 65536",
        "port: -2",
        "log_size_limit: -1",
    ] {
        assert!(
            matches!(wrong(text).listed[0].reason, Reason::OutOfRange { .. }),
            "{text}"
        );
    }
    assert_eq!(
        problems("max_pending: 1MB\nmax_payload: 2MB"),
        ["2:14: max_payload: cannot be larger than max_pending"]
    );
    assert_eq!(
        problems("max_pending: 1000"),
        ["1:14: max_payload: cannot be larger than max_pending"]
    );
}

#[test]
fn times_are_durations_or_old_seconds() {
    let limits = config(
        "ping_interval: \"90s\"\nwrite_deadline: 1500ms\nlame_duck_duration: \"1m\"\nlame_duck_grace_period: \"5s\"\nwrite_timeout: retry",
    )
    .limits;
    assert_eq!(limits.ping_interval, Some(Duration::from_secs(90)));
    assert_eq!(limits.write_deadline, Some(Duration::from_millis(1500)));
    assert_eq!(limits.lame_duck_duration, Some(Duration::from_secs(60)));
    assert_eq!(
        limits.lame_duck_grace_period.expect("it is set").value,
        Duration::from_secs(5)
    );
    assert_eq!(limits.write_timeout, Some(WriteTimeout::Retry));

    // Without quotes it is two million seconds: that is worth a word.
    let seconds = config("ping_interval: 2m");
    assert_eq!(seconds.limits.ping_interval, Some(Duration::from_secs(2_000_000)));
    assert_eq!(
        seconds.notices[0].reason,
        NoticeReason::SecondsAsNumber("ping_interval")
    );

    assert_eq!(
        problems("lame_duck_duration: \"29s\""),
        ["1:21: lame_duck_duration: has to be at least 30 seconds"]
    );
    assert_eq!(problems("lame_duck_duration: 60").len(), 1);
    assert_eq!(
        problems("lame_duck_grace_period: \"2m\""),
        ["1:25: lame_duck_grace_period: has to be shorter than lame_duck_duration"]
    );
    for text in [
        "ping_interval: \"-1s\"",
        "write_deadline: 1d",
        "ping_interval: \"5\"",
        "write_deadline: \"\"",
    ] {
        assert!(
            matches!(wrong(text).listed[0].reason, Reason::Duration { .. }),
            "{text}"
        );
    }
    assert_eq!(problems("ping_interval: -5").len(), 1);
    assert_eq!(problems("ping_interval: true").len(), 1);
    assert_eq!(problems("write_timeout: maybe").len(), 1);
}

#[test]
fn logging_is_read_whole() {
    let logging = config(
        "debug: true\ntrace: off\ntrace_verbose: false\ntrace_headers: yes\nlogtime: true\nlogtime_utc: true\nlog_file: \"/var/log/n.log\"\nlog_size_limit: 10MB\nlog_max_num: 3\nmax_traced_msg_len: 80",
    )
    .logging;
    assert_eq!(
        (logging.debug, logging.trace, logging.trace_verbose),
        (Some(true), Some(false), Some(false))
    );
    assert_eq!(
        (logging.trace_headers, logging.time, logging.time_utc),
        (Some(true), Some(true), Some(true))
    );
    assert_eq!(logging.file_size_limit, Some(10 * 1024 * 1024));
    assert_eq!(
        (logging.files_max, logging.max_traced_msg_len),
        (Some(3), Some(80))
    );
}

#[test]
fn what_a_node_does_not_do_is_told_or_refused() {
    let told = notices(
        "port: 1\ncluster { name: c, listen: \"a:1\", routes: [\"nats://b:1\"] }\ngateway { name: g }\nsyslog: true\nprof_port: 65432\nocsp: true\nleafnodes { port: 7422, remotes: [{url: \"nats://c\"}] }\nfeature_flags { x: true }",
    );
    let lines: Vec<_> = told
        .iter()
        .map(|line| line.split(':').next().expect("a line"))
        .collect();
    assert_eq!(lines, ["2", "3", "4", "5", "6", "7", "7", "8"], "{told:?}");
    assert!(
        told.iter().all(|line| line.contains("is not offered")),
        "{told:?}"
    );
    // What is switched off needs no word.
    assert!(
        notices("syslog: false\nprof_port: 0\nocsp: false\nno_sublist_cache: true\nconnect_error_reports: 5")
            .is_empty()
    );

    assert_eq!(
        problems("cluster { nam: c }"),
        [r#"1:11: unknown key "nam" in cluster"#]
    );
    assert_eq!(problems("cluster: on").len(), 1);
    let refused = wrong("mqtt { port: 1883 }");
    assert!(matches!(
        refused.listed[0].reason,
        Reason::NotOffered { option: "mqtt", .. }
    ));
}

#[test]
fn proxies_are_public_keys() {
    let text = "proxies { trusted: [{ key: UB6TVQ6HGDRY33IPOWRGLMJ5R5YGN4BACQ2LYKJWJVNHEPY6RVTO4ZYI }] }";
    let user = crate::login::user_key(1);
    let config = config(&text.replace("UB6TVQ6HGDRY33IPOWRGLMJ5R5YGN4BACQ2LYKJWJVNHEPY6RVTO4ZYI", &user));
    assert_eq!(config.proxies.trusted, [user]);
    assert_eq!(problems("proxies { trusted: [{ key: x }, {}] }").len(), 2);
}
