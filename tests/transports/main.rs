//! TLS and websockets with ordinary clients, on the node and on the real server beside it.
//!
//! Each test starts both with the same file and compares what the same programs see.

mod pki;
#[path = "../standalone/server.rs"]
#[allow(dead_code, reason = "the tests of a node of its own use more of it")]
mod server;

use std::path::Path;

use tollway_tests::{Script, Tool};

use crate::pki::Pki;
use crate::server::{Server, both};

/// What client.py sees when it is let in.
fn everything(name: &str) -> Vec<String> {
    [
        "connects",
        "small message hello {'Kind': 'greeting'}",
        "large message is whole: True",
        "50 replies: {b'AGAIN'}",
        "50 replies: {b'AT ONCE'}",
        "nobody answers",
        "largest message 1048576",
        "done",
    ]
    .map(|line| format!("{name}: {line}"))
    .into()
}

/// What client.py prints; none when there is no Python.
async fn python(name: &str, url: &str, variables: &[(&str, &Path)]) -> Option<Vec<String>> {
    let mut command = Script::python(name, "transports/client.py")?;
    command.arg(name).env("NATS_URL", url);
    for (variable, value) in variables {
        command.env(variable, value);
    }
    Some(Script::start(command).finish().await)
}

/// Where the server listens for websockets, by its host name.
fn websocket(server: &Server) -> String {
    let url = server.ports()["websocket"][0].as_str().expect("it is served");
    url.replace("127.0.0.1", "localhost")
}

fn client(server: &Server, scheme: &str) -> String {
    format!("{scheme}://localhost:{}", server.port())
}

#[tokio::test]
async fn programs_over_tls_see_the_same_of_both_servers() {
    let pki = Pki::new();
    let ca = &pki.file("ca.pem")[..];
    for (name, more) in [
        ("info first", ""),
        ("handshake first", "handshake_first: true"),
        ("either", "handshake_first: auto"),
    ] {
        let file = format!("tls {{\n{}\n{more}\n}}", pki.server_files());
        for server in both(name, &file, &[]) {
            let mut variables = vec![("CA", Path::new(ca))];
            let url = client(&server, "tls");
            if name != "info first" {
                variables.push(("FIRST", Path::new("1")));
            }
            let Some(lines) = python(name, &url, &variables).await else {
                return;
            };
            assert_eq!(lines, everything(name), "{}", server.name());
            if name == "either" {
                let lines = python(name, &url, &variables[..1]).await;
                assert_eq!(lines, Some(everything(name)), "{}: after INFO", server.name());
            }
        }
    }
}

#[tokio::test]
async fn programs_without_tls_are_served_beside_others_where_that_is_allowed() {
    let pki = Pki::new();
    let file = format!("allow_non_tls: true\ntls {{\n{}\n}}", pki.server_files());
    for server in both("both", &file, &[]) {
        let ca = pki.file("ca.pem");
        let Some(plain) = python("plain", &client(&server, "nats"), &[]).await else {
            return;
        };
        assert_eq!(plain, everything("plain"), "{}", server.name());
        let secure = python("secure", &client(&server, "tls"), &[("CA", Path::new(&ca))]).await;
        assert_eq!(secure, Some(everything("secure")), "{}", server.name());
    }
}

#[tokio::test]
async fn certificates_of_clients_are_asked_for_and_say_who_they_are() {
    let pki = Pki::new();
    let files = pki.server_files();
    let ca = pki.file("ca.pem");
    let (cert, key) = (pki.file("client.pem"), pki.file("client.key"));
    let shown = [
        ("CA", Path::new(&ca)),
        ("CERT", Path::new(&cert)),
        ("KEY", Path::new(&key)),
    ];
    let asking = format!("tls {{\n{files}\nca_file: \"{ca}\"\nverify: true\n}}");
    for server in both("asking", &asking, &[]) {
        let url = client(&server, "tls");
        let Some(lines) = python("with", &url, &shown).await else {
            return;
        };
        assert_eq!(lines, everything("with"), "{}", server.name());
        let lines = python("without", &url, &shown[..1])
            .await
            .expect("Python is there");
        assert_eq!(lines, ["without: is not let in"], "{}", server.name());
    }
    for (user, let_in) in [
        ("app@acme.test", true),
        ("CN=app,O=Acme", true),
        ("O=Acme,CN=app", true),
        ("CN=app", false),
        ("app", false),
    ] {
        let file = format!(
            "tls {{\n{files}\nca_file: \"{ca}\"\nverify_and_map: true\n}}\n\
             authorization {{ users: [ {{user: \"admin\"}}, {{user: \"{user}\"}} ] }}"
        );
        for server in both("mapped", &file, &[]) {
            let url = client(&server, "tls");
            let lines = python("mapped", &url, &shown).await.expect("Python is there");
            let refused = vec!["mapped: fails: nats: 'Authorization Violation'".to_owned()];
            let wanted = if let_in { everything("mapped") } else { refused };
            assert_eq!(lines, wanted, "{}: {user}", server.name());
        }
    }
}

#[tokio::test]
async fn programs_over_websockets_see_the_same_of_both_servers() {
    let pki = Pki::new();
    let ca = pki.file("ca.pem");
    let folder = tempfile::tempdir().expect("a folder");
    for compression in [false, true] {
        for secure in [false, true] {
            let tls = match secure {
                true => format!("tls {{\n{}\n}}", pki.server_files()),
                false => "no_tls: true".to_owned(),
            };
            let file =
                format!("websocket {{\nlisten: \"127.0.0.1:-1\"\ncompression: {compression}\n{tls}\n}}");
            for server in both("websocket", &file, &[]) {
                let url = websocket(&server);
                assert_eq!(url.starts_with("wss://"), secure, "{url}");
                let trust = [("CA", Path::new(&ca))];
                let variables = if secure { &trust[..] } else { &[] };
                if let Some(lines) = python("python", &url, variables).await {
                    assert_eq!(lines, everything("python"), "{}: {url}", server.name());
                }
                let script = "transports/websocket.mjs";
                let Some(mut command) = Script::node("websocket", script, folder.path()) else {
                    continue;
                };
                command
                    .env("NATS_URL", &url)
                    .env("NODE_EXTRA_CA_CERTS", &ca)
                    // Node 20 has WebSocket behind this, later ones without it.
                    .env("NODE_OPTIONS", "--experimental-websocket --no-warnings");
                let lines = Script::start(command).finish().await;
                let wanted = [
                    "connects",
                    "small message hello",
                    "large message is whole: true",
                    "50 replies: AGAIN",
                    "50 replies: AT ONCE",
                    "nobody answers: true",
                    "done",
                ];
                assert_eq!(lines, wanted, "{}: {url}", server.name());
            }
        }
    }
}

#[tokio::test]
async fn pages_in_a_browser_see_the_same_of_both_servers() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().expect("a folder");
    let Some(chromium) = Tool::Chromium.find("pages") else {
        return;
    };
    for compression in [true, false] {
        let file = |tls: &str| {
            format!(
                "websocket {{\nlisten: \"127.0.0.1:-1\"\ncompression: {compression}\n\
                 allowed_origins: [\"http://app.test\"]\n{tls}\n}}"
            )
        };
        let plain = both("pages", &file("no_tls: true"), &[]);
        let secure = both(
            "pages",
            &file(&format!("tls {{\n{}\n}}", pki.server_files())),
            &[],
        );
        for (plain, secure) in plain.iter().zip(&secure) {
            let Some(mut command) = Script::browser("pages", "transports/page.mjs", folder.path()) else {
                return;
            };
            command
                .env("CHROMIUM", &chromium)
                .env("WS_URL", websocket(plain))
                .env("WSS_URL", websocket(secure));
            let lines = Script::start(command).finish().await;
            let extensions = match compression {
                true => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
                false => "",
            };
            let let_in = |name: &str| {
                [
                    "first comes INFO ".to_owned(),
                    format!("extensions: {extensions}"),
                    "the large message is whole".to_owned(),
                    "frames up to 4096 bytes: true".to_owned(),
                    "closed 1000, clean: true".to_owned(),
                ]
                .map(|line| format!("{name}: {line}"))
            };
            let mut wanted = let_in("ws").to_vec();
            wanted.push("ws of another page: closed 1006".to_owned());
            wanted.extend(let_in("wss"));
            let trimmed = |lines: &[String]| {
                lines
                    .iter()
                    .map(|line| line.trim_end().to_owned())
                    .collect::<Vec<_>>()
            };
            assert_eq!(trimmed(&lines), trimmed(&wanted), "{}", plain.name());
        }
    }
}
