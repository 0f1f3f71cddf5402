//! A node of its own beside the real server: the same files, the same flags, the same programs.
//!
//! Each test starts both and compares what an ordinary client sees of them. Where the real server
//! cannot be had, the node alone is tested.

mod crossing;
mod monitoring;
mod program;
mod protocol;
mod server;
mod system;

use std::fs;

use tollway_claims::{AccountClaims, KeyKind, OperatorClaims, Signer, UserClaims};

use crate::program::sees;
use crate::server::both;

/// `hashed`, by Python's bcrypt.
const HASH: &str = "$2a$04$RJjPqkftXG4SiC.MBpdk4uasI/NVgpuuVVsmNOaCRwfIgdeRuRXgS";

fn signer(kind: KeyKind, number: u8) -> Signer {
    Signer::generate(kind, [number; 32])
}

#[tokio::test]
async fn names_passwords_hashes_and_keys_let_the_same_clients_in() {
    let key = signer(KeyKind::User, 1);
    let file = format!(
        "accounts {{
           A {{
             users: [
               {{user: plain, password: secret, permissions: {{publish: [\"shared.>\", \"_INBOX.>\"], subscribe: [\"shared.>\", \"_INBOX.>\"]}}}}
               {{user: hashed, password: \"{HASH}\"}}
               {{nkey: {key}}}
             ]
             exports: [ {{service: \"shared.ask\"}}, {{stream: \"shared.news\"}} ]
           }}
           B {{
             users: [ {{user: other, password: secret}} ]
             imports: [ {{service: {{account: A, subject: \"shared.ask\"}}, to: ask}},
                        {{stream: {{account: A, subject: \"shared.news\"}}, prefix: from}} ]
           }}
         }}
         no_auth_user: other
         max_payload: 1000",
        key = key.public(),
    );
    for server in both("users", &file, &[]) {
        let seed = [("SEED", key.seed().to_string())];
        let Some(lines) = sees("users", &server, &seed).await else {
            return;
        };
        assert_eq!(
            lines,
            [
                "plain gets in",
                "hashed gets in",
                "key gets in",
                "nobody gets in",
                "wrong password: nats: 'Authorization Violation'",
                "wrong hash: nats: 'Authorization Violation'",
                "stranger: nats: 'Authorization Violation'",
                "stranger's key: nats: 'Authorization Violation'",
                "token: nats: 'Authorization Violation'",
                "publish: nats: permissions violation for publish to \"secret\"",
                "subscribe: nats: permissions violation for subscription to \"secret\"",
                "largest message 1000",
                "the other account asked and got: re: hello",
                "the other account heard: from.shared.news",
                "the other account did not hear the rest",
            ],
            "{}",
            server.name()
        );
    }
}

#[tokio::test]
async fn one_token_or_one_user_is_for_everybody() {
    let hashed = format!("authorization {{ token: \"{HASH}\" }}");
    for (file, flags) in [
        ("authorization { token: hashed }", &[][..]),
        (hashed.as_str(), &[][..]),
        ("server_name: token", &["--auth", "hashed"][..]),
    ] {
        for server in both("token", file, flags) {
            let Some(lines) = sees("token", &server, &[]).await else {
                return;
            };
            assert_eq!(
                lines,
                [
                    "token gets in",
                    "wrong token: nats: 'Authorization Violation'",
                    "nothing: nats: 'Authorization Violation'"
                ],
                "{}: {file} {flags:?}",
                server.name()
            );
        }
    }
    for server in both("user", "server_name: user", &["-user=u", "-pass", "p"]) {
        let Some(lines) = sees("user", &server, &[]).await else {
            return;
        };
        assert_eq!(
            lines,
            ["user gets in", "wrong password: nats: 'Authorization Violation'"],
            "{}",
            server.name()
        );
    }
}

#[tokio::test]
async fn creds_of_a_preloaded_account_let_in() {
    let (operator, account, user) = (
        signer(KeyKind::Operator, 1),
        signer(KeyKind::Account, 2),
        signer(KeyKind::User, 3),
    );
    let system = signer(KeyKind::Account, 4);
    let mut claims = OperatorClaims::new(operator.public(), "demo", 1);
    claims.system_account = Some(system.public());
    let operator_jwt = claims.encode(&operator).expect("encodes");
    let account_jwt = |signer: &Signer| {
        let claims = AccountClaims::new(operator.public(), signer.public(), "account", 1);
        claims.encode(&operator).expect("encodes")
    };
    let user_jwt = UserClaims::new(account.public(), user.public(), "app", 1)
        .encode(&account)
        .expect("encodes");
    let folder = tempfile::tempdir().expect("a folder");
    let creds = folder.path().join("app.creds");
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().as_str()
    );
    fs::write(&creds, text).expect("a file");
    let file = format!(
        "operator: {operator_jwt}\nsystem_account: {system}\nresolver: MEMORY\n\
         resolver_preload {{\n  {account}: {}\n  {system}: {}\n}}",
        account_jwt(&account),
        account_jwt(&system),
        account = account.public(),
        system = system.public(),
    );
    for server in both("creds", &file, &[]) {
        let creds = [("CREDS", creds.display().to_string())];
        let Some(lines) = sees("creds", &server, &creds).await else {
            return;
        };
        assert_eq!(
            lines,
            ["creds get in", "without: nats: 'Authorization Violation'"],
            "{}",
            server.name()
        );
    }
}

#[tokio::test]
async fn a_reload_is_seen_alike() {
    let file = |password: &str, publish: &str| {
        format!(
            "authorization {{ users: [ {{user: stays, password: s, permissions: {{publish: \"{publish}\"}}}},
               {{user: changes, password: \"{password}\"}} ] }}"
        )
    };
    for server in both("reload", &file("before", "first"), &[]) {
        let Some(mut script) = program::start("reload", &server, &[]) else {
            return;
        };
        script.says("both are in").await;
        server.reload(&file("after", "second"));
        script.says("changes was cut: nats: authorization failed").await;
        script.says("stays may publish second and not first").await;
        assert_eq!(script.finish().await, Vec::<String>::new(), "{}", server.name());
    }
}

/// What scripts that start a server look for.
#[tokio::test]
async fn both_tell_where_they_are_in_the_same_way() {
    for mut server in both("told", "http: \"127.0.0.1:-1\"", &["-D", "-T=false"]) {
        let pid = server.pid();
        assert_eq!(server.pid_file(), pid.to_string());
        let log = server.log();
        for line in [
            format!(
                "[{pid}] [INF] Listening for client connections on 127.0.0.1:{}",
                server.port()
            ),
            format!("[{pid}] [INF] Server is ready"),
        ] {
            assert!(
                log.lines().any(|found| found == line),
                "{}: {line}: {log}",
                server.name()
            );
        }
        let ports = server.ports();
        assert_eq!(ports["nats"].as_array().map(Vec::len), Some(1), "{ports}");
        assert!(
            ports["monitoring"][0]
                .as_str()
                .is_some_and(|url| url.starts_with("http://127.0.0.1:"))
        );
        let health = format!("{}/healthz", ports["monitoring"][0].as_str().expect("a URL"));
        let text = reqwest::get(health).await.expect("it answers").text().await;
        assert_eq!(text.expect("a text"), "{\"status\":\"ok\"}");
        assert!(server.stop().success());
        assert!(!server.ports_file().exists());
    }
}

/// Every field of the node's pages is one of the real server's, with a value of the same kind.
#[tokio::test]
async fn monitoring_pages_have_the_fields_of_the_real_server() {
    let file = "
        http: \"127.0.0.1:-1\"
        accounts {
          A { users: [ {user: u, password: p} ], exports: [ {service: \"q.*\"} ], mappings { m: n } }
          B { users: [ {user: b, password: p} ], imports: [ {service: {account: A, subject: \"q.*\"}, to: \"z.*\"} ] }
        }";
    let servers = both("pages", file, &[]);
    let [node, real] = servers.as_slice() else { return };
    let mut clients = Vec::new();
    for server in &servers {
        let options =
            async_nats::ConnectOptions::with_user_and_password("u".into(), "p".into()).name("watched");
        let client = options.connect(server.url()).await.expect("it gets in");
        let subscription = client.subscribe("a.>").await.expect("it is open");
        client.flush().await.expect("it is open");
        clients.push((client, subscription));
    }
    /// Our own, which others pass over.
    const OWN: [&str; 1] = ["/tollway_version"];
    /// What only a Go program, a server with JetStream's log, or one with a cache of subjects has.
    const THEIRS: [&str; 20] = [
        "/git_commit",
        "/go",
        "/feature_flags",
        "/stalled_clients",
        "/disk_io_wait_stats",
        "/num_cache",
        "/num_inserts",
        "/num_removes",
        "/num_matches",
        "/cache_hit_rate",
        "/max_fanout",
        "/avg_fanout",
        "/account_detail/sublist_stats/num_cache",
        "/account_detail/sublist_stats/num_inserts",
        "/account_detail/sublist_stats/num_removes",
        "/account_detail/sublist_stats/num_matches",
        "/account_detail/sublist_stats/cache_hit_rate",
        "/account_detail/sublist_stats/max_fanout",
        "/account_detail/sublist_stats/avg_fanout",
        // What every account asks the system's comes with it, and not from its document.
        "/account_detail/imports",
    ];
    for path in [
        "varz",
        "connz?auth=1&subs=1",
        "connz?subs=detail",
        "subsz?subs=1",
        "accountz",
        "accountz?acc=A",
        "accountz?acc=B",
        "accstatz",
        "routez",
        "leafz",
        "gatewayz",
    ] {
        let (ours, theirs) = (node.page(path).await, real.page(path).await);
        let mut wrong = Vec::new();
        compare("", &ours, &theirs, &mut wrong);
        wrong.retain(|field| !OWN.contains(&field.as_str()));
        assert_eq!(wrong, Vec::<String>::new(), "{path}: {ours:#} {theirs:#}");
        let mut missing = Vec::new();
        compare("", &theirs, &ours, &mut missing);
        missing.retain(|field| !THEIRS.contains(&field.as_str()));
        assert_eq!(missing, Vec::<String>::new(), "{path}: {ours:#} {theirs:#}");
    }
}

/// Notes the fields of `ours` that are not in `theirs`, or are of another kind there.
fn compare(path: &str, ours: &serde_json::Value, theirs: &serde_json::Value, wrong: &mut Vec<String>) {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String as Text};
    match (ours, theirs) {
        (Object(ours), Object(theirs)) => {
            for (field, ours) in ours {
                // Names of pages and the like are no fields.
                if path == "/http_req_stats" {
                    continue;
                }
                match theirs.get(field) {
                    Some(theirs) => compare(&format!("{path}/{field}"), ours, theirs, wrong),
                    None => wrong.push(format!("{path}/{field}")),
                }
            }
        }
        (Array(ours), Array(theirs)) => {
            if let (Some(ours), Some(theirs)) = (ours.first(), theirs.last()) {
                compare(&format!("{path}/0"), ours, theirs, wrong);
            }
        }
        (Number(_), Number(_)) | (Text(_), Text(_)) | (Bool(_), Bool(_)) | (Null, Null) => {}
        _ => wrong.push(path.to_owned()),
    }
}
