//! The command line, and files that ask for what is not there.

use crate::node::{Node, output, refusal};

fn told(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = output(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn version_and_help_are_printed() {
    for flag in ["-v", "--version", "version"] {
        let (code, text, _) = told(&[flag]);
        assert_eq!(code, Some(0));
        assert!(
            text.starts_with("tollway-node: v") && text.contains("nats-server: v2."),
            "{text}"
        );
    }
    for flag in ["-h", "--help", "help"] {
        let (code, text, _) = told(&[flag]);
        assert_eq!(code, Some(0));
        assert!(
            text.contains("--ports_file_dir FOLDER") && text.contains("--control-plane"),
            "{text}"
        );
    }
    let (code, text, _) = told(&["--help_tls"]);
    assert_eq!(code, Some(0));
    // It is a file: only the certificates are missing.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tls.conf");
    std::fs::write(&file, text).expect("a file");
    let (code, _, error) = told(&["-t", "-c", file.to_str().expect("a path")]);
    assert_eq!(code, Some(1));
    assert!(error.contains(".pem for TLS: No such file"), "{error}");
}

#[test]
fn flags_that_nobody_knows_are_told() {
    for (arguments, text) in [
        (&["-nope"][..], "flag provided but not defined: -nope"),
        (
            &["--data-dir", "d"][..],
            "--data-dir is a flag of a node under a control plane",
        ),
        (
            &["-c", "/nowhere/node.conf"][..],
            "open /nowhere/node.conf: No such file or directory",
        ),
        (&["-t"][..], "must specify [-c, --config]"),
        (&["--tls"][..], "--tls needs --tlscert and --tlskey"),
        (&["--pass", "x"][..], "--pass without --user"),
    ] {
        let (code, _, stderr) = told(arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_file_is_checked_without_being_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = folder.path().join("good.conf");
    let bad = folder.path().join("bad.conf");
    std::fs::write(&good, "port: 4333").expect("a file");
    std::fs::write(&bad, "port: 4333\nprot: 1\nmax_payload: lots\n").expect("a file");
    let (good, bad) = (good.to_str().expect("a path"), bad.to_str().expect("a path"));
    // The digest is that of a stock server.
    let digest = "sha256:5942f6739f1572892ba80b954eee212713f172258629e16936dfeeae8e2eb80d";
    let valid = format!("tollway-node: configuration file {good} is valid ({digest})\n");
    assert_eq!(told(&["-t", "-c", good]), (Some(0), valid, String::new()));
    let problems = format!(
        "tollway-node: {bad}:2:1: unknown key \"prot\" in the configuration\n\
         {bad}:3:14: max_payload has to be a whole number, not a text\n"
    );
    assert_eq!(told(&["-t", "--config", bad]), (Some(1), String::new(), problems));
}

/// Somebody would rely on these.
#[test]
fn what_is_not_there_and_would_be_missed_too_late_is_refused() {
    for (configuration, text) in [
        (
            "tls { cert_file: nowhere.pem, key_file: b }",
            "node.conf:1:1: tls: cannot read nowhere.pem for TLS",
        ),
        (
            "websocket { port: 8080, no_tls: true, authorization { user: a, password: b } }",
            "node.conf:1:1: websocket: a login of its own is not built yet",
        ),
        ("proxy_protocol: true", "proxy_protocol: it is not built yet"),
    ] {
        let told = refusal(configuration);
        assert!(told.contains(text), "{configuration}: {told}");
    }
}

#[test]
fn what_is_missed_at_once_is_passed_over_with_a_word() {
    let node = Node::start(
        "debug: false\ncluster { port: -1 }\njetstream: enabled",
        &[
            "--routes",
            "nats://127.0.0.1:1",
            "-cluster",
            "nats://0.0.0.0:0",
            "-js",
        ],
    );
    node.wait_for_log("Server is ready", 1);
    let log = node.log();
    for text in [
        "--routes: clustering is not offered",
        "--cluster: clustering is not offered",
        "node.conf:2:1: cluster is not offered",
        "JetStream is not built yet",
    ] {
        assert!(log.contains(text), "{text}: {log}");
    }
    assert_eq!(node.dial().info["jetstream"], serde_json::Value::Null);
}

#[test]
fn flags_win_over_the_file() {
    let node = Node::start("server_name: file\nport: 1\nmax_payload: 2048", &["-n", "flag"]);
    let info = node.dial().info;
    assert_eq!(
        (&info["server_name"], &info["max_payload"]),
        (&"flag".into(), &2048.into())
    );
}

/// What arguments are made of.
const VOCABULARY: &[&str] = &[
    "-",
    "--",
    "---",
    "p",
    "port",
    "addr",
    "a",
    "c",
    "config",
    "js",
    "sd",
    "n",
    "name",
    "l",
    "P",
    "D",
    "V",
    "DV",
    "T",
    "user",
    "pass",
    "auth",
    "tls",
    "tlscert",
    "tlsverify",
    "signal",
    "sl",
    "t",
    "m",
    "ports_file_dir",
    "routes",
    "cluster",
    "logtime",
    "=",
    "=",
    "-1",
    "0",
    "4222",
    "99999999999999999999",
    "true",
    "false",
    "TRUE",
    "x",
    "",
    " ",
    "stop=1",
    "reload",
    "\u{0}",
    "\u{1b}[31m",
    "nats://a:b@c",
    "\n",
    "\n",
    "\n",
];

#[test]
fn thirty_thousand_seeds_of_arguments_find_nothing() {
    for seed in 0..30_000_u64 {
        // The step and the mixing of splitmix64.
        let mut state = seed;
        let mut below = |bound: usize| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) % bound as u64) as usize
        };
        let text: String = (0..below(16))
            .map(|_| VOCABULARY[below(VOCABULARY.len())])
            .collect();
        let outcome = std::panic::catch_unwind(|| crate::every_flag::fuzz(text.as_bytes()));
        assert!(outcome.is_ok(), "seed {seed}: {text:?}");
    }
}
